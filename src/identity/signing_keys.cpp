#include "sallyport/identity/signing_keys.hpp"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include <array>
#include <cstdlib>

#include "openssl_pointers.hpp"
#include "sallyport/core/bytes.hpp"
#include "sallyport/core/crypto.hpp"

namespace sallyport::identity {
namespace {

constexpr int kHalf = 32;  // bytes of a coordinate, of r and of s
constexpr std::string_view kPurpose = "sallyport ES256 signing key ";

using Number = std::unique_ptr<BIGNUM, Freed<BN_clear_free>>;
using Group = std::unique_ptr<EC_GROUP, Freed<EC_GROUP_free>>;
using Point = std::unique_ptr<EC_POINT, Freed<EC_POINT_free>>;
using PrivateKey = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;

/// What fails here is memory or the library itself: no token may be signed after it.
void must(bool done) {
  if (!done) std::abort();
}

const unsigned char* in(std::string_view bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}
unsigned char* out(std::string& bytes) { return reinterpret_cast<unsigned char*>(bytes.data()); }

/// A number below the group's order: the first digest of seed and counter that is one (FIPS 186-5 A.2.2).
Number scalar_of(const EC_GROUP* group, const Secret& seed) {
  const BIGNUM* const order = EC_GROUP_get0_order(group);
  for (int counter = 0;; ++counter) {
    const Digest digest = hmac_sha256(seed.reveal(), std::string(kPurpose) + std::to_string(counter));
    Number number(BN_bin2bn(digest.data(), kHalf, nullptr));
    must(number != nullptr);
    if (!BN_is_zero(number.get()) && BN_cmp(number.get(), order) < 0) return number;
  }
}

}  // namespace

struct SigningKeys::Key {
  PrivateKey key;
  std::string id, jwk;
};

SigningKeys::SigningKeys(const std::vector<Secret>& seeds) {
  must(!seeds.empty());
  const Group group(EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1));
  must(group != nullptr);
  for (const Secret& seed : seeds) {
    const Number number = scalar_of(group.get(), seed);
    const Point point(EC_POINT_new(group.get()));
    must(point && EC_POINT_mul(group.get(), point.get(), number.get(), nullptr, nullptr, nullptr) == 1);
    std::string octets(2 * kHalf + 1, '\0');
    must(EC_POINT_point2oct(group.get(), point.get(), POINT_CONVERSION_UNCOMPRESSED, out(octets),
                            octets.size(), nullptr) == octets.size());
    const Builder builder(OSSL_PARAM_BLD_new());
    must(builder &&
         OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) == 1 &&
         OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, octets.data(),
                                          octets.size()) == 1 &&
         OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_PRIV_KEY, number.get()) == 1);
    const Params params(OSSL_PARAM_BLD_to_param(builder.get()));
    const KeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr));
    EVP_PKEY* made = nullptr;
    must(params && context && EVP_PKEY_fromdata_init(context.get()) == 1 &&
         EVP_PKEY_fromdata(context.get(), &made, EVP_PKEY_KEYPAIR, params.get()) == 1);
    auto key = std::make_unique<Key>();
    key->key.reset(made);
    const std::string x = base64url(octets.substr(1, kHalf)), y = base64url(octets.substr(1 + kHalf));
    // The thumbprint of RFC 7638 names it.
    const std::string bare = R"({"crv":"P-256","kty":"EC","x":")" + x + R"(","y":")" + y + "\"}";
    key->id = base64url(view(sha256(bare)).substr(0, 16));
    key->jwk = R"({"kty":"EC","crv":"P-256","x":")" + x + R"(","y":")" + y + R"(","kid":")" + key->id +
               R"(","alg":"ES256","use":"sig"})";
    key_set_ += (keys_.empty() ? "{\"keys\":[" : ",") + key->jwk;
    keys_.push_back(std::move(key));
  }
  key_set_ += "]}";
}

SigningKeys::~SigningKeys() = default;

std::string SigningKeys::access_token(std::string_view claims) const {
  const Key& key = *keys_.front();
  std::string text =
      base64url(R"({"alg":"ES256","typ":"at+jwt","kid":")" + key.id + "\"}") + "." + base64url(claims);
  const DigestContext context(EVP_MD_CTX_new());
  std::size_t size = 0;
  must(context && EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key.key.get()) == 1 &&
       EVP_DigestSign(context.get(), nullptr, &size, in(text), text.size()) == 1);
  std::string der(size, '\0');
  must(EVP_DigestSign(context.get(), out(der), &size, in(text), text.size()) == 1);
  // RFC 7518 section 3.4: r and s side by side, not as ASN.1.
  const unsigned char* at = in(der);
  const Signature pair(d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(size)));
  std::string bytes(2 * kHalf, '\0');
  must(pair && BN_bn2binpad(ECDSA_SIG_get0_r(pair.get()), out(bytes), kHalf) == kHalf &&
       BN_bn2binpad(ECDSA_SIG_get0_s(pair.get()), out(bytes) + kHalf, kHalf) == kHalf);
  return text.append(".").append(base64url(bytes));
}

}  // namespace sallyport::identity
