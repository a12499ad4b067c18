// Public keys as JWK (RFC 7517, 7518 §6) through OpenSSL.
#include <fmt/format.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <algorithm>

#include "openssl_pointers.hpp"
#include "sallyport/core/bytes.hpp"
#include "sallyport/identity/jwt.hpp"

namespace sallyport::identity {
namespace {

using PublicKey = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using Number = std::unique_ptr<BIGNUM, Freed<BN_free>>;

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

Number number_from(std::string_view big_endian) {
  return Number(BN_bin2bn(bytes_of(big_endian), static_cast<int>(big_endian.size()), nullptr));
}

struct Curve {
  std::string_view jwk;
  const char* openssl;
  std::size_t bytes;  ///< of one coordinate
  Algorithm algorithm;
};
constexpr Curve kCurves[] = {{"P-256", "prime256v1", 32, Algorithm::es256},
                             {"P-384", "secp384r1", 48, Algorithm::es384},
                             {"P-521", "secp521r1", 66, Algorithm::es512}};

const EVP_MD* digest_of(Algorithm algorithm) {
  switch (algorithm) {
    case Algorithm::rs256:
    case Algorithm::ps256:
    case Algorithm::es256:
      return EVP_sha256();
    case Algorithm::rs384:
    case Algorithm::ps384:
    case Algorithm::es384:
      return EVP_sha384();
    case Algorithm::rs512:
    case Algorithm::ps512:
    case Algorithm::es512:
      return EVP_sha512();
  }
  return nullptr;
}

bool is_rsa(Algorithm algorithm) { return algorithm < Algorithm::es256; }
bool is_pss(Algorithm algorithm) {
  return algorithm == Algorithm::ps256 || algorithm == Algorithm::ps384 || algorithm == Algorithm::ps512;
}

/// Checks what it builds: a point off its curve, or one of small order, is no key.
PublicKey built(const char* type, OSSL_PARAM* params) {
  const KeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  EVP_PKEY* made = nullptr;
  if (!context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &made, EVP_PKEY_PUBLIC_KEY, params) != 1)
    return nullptr;
  PublicKey key(made);
  const KeyContext checking(EVP_PKEY_CTX_new_from_pkey(nullptr, key.get(), nullptr));
  if (!checking || EVP_PKEY_public_check(checking.get()) != 1) return nullptr;
  return key;
}

std::optional<std::string> octets(const json::Value& jwk, std::string_view name) {
  const auto member = jwk.find(name);
  const auto text = member ? member->string() : std::nullopt;
  return text ? unbase64url(*text) : std::nullopt;
}

std::string text_of(const json::Value& jwk, std::string_view name) {
  const auto member = jwk.find(name);
  return member ? member->string().value_or("") : "";
}

PublicKey rsa_key(const json::Value& jwk, std::string& why) {
  const auto n = octets(jwk, "n"), e = octets(jwk, "e");
  if (!n || !e || n->empty() || e->empty() || e->size() > 8) {
    why = "an RSA key lacks n or e";
    return nullptr;
  }
  const Number modulus = number_from(*n), exponent = number_from(*e);
  const int bits = BN_num_bits(modulus.get());
  if (bits < KeySet::kRsaBits || bits > KeySet::kRsaMost || !BN_is_odd(modulus.get())) {
    why = fmt::format("an RSA key has {} bits; {} to {} are accepted", bits, KeySet::kRsaBits,
                      KeySet::kRsaMost);
    return nullptr;
  }
  if (!BN_is_odd(exponent.get()) || BN_is_one(exponent.get())) {
    why = "an RSA key has an exponent that verifies nothing";
    return nullptr;
  }
  const Builder builder(OSSL_PARAM_BLD_new());
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, modulus.get());
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, exponent.get());
  const Params params(OSSL_PARAM_BLD_to_param(builder.get()));
  auto key = built("RSA", params.get());
  if (!key) why = "an RSA key is none";
  return key;
}

PublicKey ec_key(const json::Value& jwk, const Curve*& curve, std::string& why) {
  const std::string name = text_of(jwk, "crv");
  curve = std::ranges::find(kCurves, name, &Curve::jwk);
  if (curve == std::end(kCurves)) {
    why = "an EC key is on a curve that is not accepted; P-256, P-384 and P-521 are";
    return nullptr;
  }
  const auto x = octets(jwk, "x"), y = octets(jwk, "y");
  if (!x || !y || x->size() != curve->bytes || y->size() != curve->bytes) {
    why = fmt::format("an EC key on {} has not two coordinates of {} bytes", name, curve->bytes);
    return nullptr;
  }
  const std::string point = "\x04" + *x + *y;
  const Builder builder(OSSL_PARAM_BLD_new());
  OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, curve->openssl, 0);
  OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size());
  const Params params(OSSL_PARAM_BLD_to_param(builder.get()));
  auto key = built("EC", params.get());
  if (!key) why = fmt::format("an EC key has a point that is not on {}", name);
  return key;
}

/// r and s side by side (RFC 7518 §3.4) as the DER that OpenSSL verifies; empty when they are no such pair.
std::string der_of(std::string_view raw, std::size_t half) {
  if (raw.size() != 2 * half) return {};
  Number r = number_from(raw.substr(0, half)), s = number_from(raw.substr(half));
  if (BN_is_zero(r.get()) || BN_is_zero(s.get())) return {};
  const Signature pair(ECDSA_SIG_new());
  if (ECDSA_SIG_set0(pair.get(), r.release(), s.release()) != 1) return {};
  unsigned char* der = nullptr;
  const int size = i2d_ECDSA_SIG(pair.get(), &der);
  if (size <= 0) return {};
  std::string out(reinterpret_cast<const char*>(der), static_cast<std::size_t>(size));
  OPENSSL_free(der);
  return out;
}

bool verified(EVP_PKEY* key, Algorithm algorithm, std::string_view text, std::string_view signature) {
  const DigestContext context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* options = nullptr;  // of the context
  if (!context || EVP_DigestVerifyInit(context.get(), &options, digest_of(algorithm), nullptr, key) != 1)
    return false;
  if (is_pss(algorithm) && (EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) != 1 ||
                            EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST) != 1))
    return false;
  return EVP_DigestVerify(context.get(), bytes_of(signature), signature.size(), bytes_of(text),
                          text.size()) == 1;
}

Digest print_of(EVP_PKEY* key) {
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(key, &der);
  if (size <= 0) return sha256(random_bytes(32));  // like no other
  const Digest out = sha256({reinterpret_cast<const char*>(der), static_cast<std::size_t>(size)});
  OPENSSL_free(der);
  return out;
}

}  // namespace

struct KeySet::Key {
  std::string kid;
  std::optional<Algorithm> only;  ///< its own `alg`, which narrows what its issuer signs with
  PublicKey key;
  const Curve* curve = nullptr;  ///< null: RSA
  Digest print{};                ///< of its public half as DER

  bool fits(Algorithm algorithm) const {
    if (only && *only != algorithm) return false;
    return curve ? curve->algorithm == algorithm : is_rsa(algorithm);
  }
};

KeySet::KeySet(std::vector<Key> keys) : keys_(std::move(keys)) {}
KeySet::KeySet(KeySet&&) noexcept = default;
KeySet& KeySet::operator=(KeySet&&) noexcept = default;
KeySet::~KeySet() = default;

Result<KeySet> KeySet::parse(std::string_view json) {
  const auto document = json::Document::parse(std::string(json));
  if (!document) return Failure(document.error());
  const auto list = document->root().find("keys");
  if (!list || !list->is(json::Kind::array))
    return client_error(Code::bad_request, "it is no JWK Set: there is no list \"keys\"");
  std::vector<Key> keys;
  std::string why = "it is empty";
  for (const auto& jwk : list->elements()) {
    if (keys.size() == kKeys) break;
    const std::string use = text_of(jwk, "use"), kind = text_of(jwk, "kty"), alg = text_of(jwk, "alg");
    if (!use.empty() && use != "sig") {
      why = "a key is for something other than signatures";
      continue;
    }
    Key key{.kid = text_of(jwk, "kid"), .only = algorithm_of(alg), .key = nullptr};
    if (!alg.empty() && !key.only) {
      why = fmt::format("a key is for the algorithm {}", json::quote(alg.substr(0, 32)));
      continue;
    }
    if (kind == "RSA") {
      key.key = rsa_key(jwk, why);
    } else if (kind == "EC") {
      key.key = ec_key(jwk, key.curve, why);
    } else {
      why = "a key is neither RSA nor EC";
    }
    if (!key.key || (key.only && !key.fits(*key.only))) continue;
    key.print = print_of(key.key.get());
    keys.push_back(std::move(key));
  }
  if (keys.empty()) return client_error(Code::bad_request, "the JWK Set has no key that can be used: " + why);
  return KeySet(std::move(keys));
}

std::size_t KeySet::size() const { return keys_.size(); }

bool KeySet::has(std::string_view kid) const {
  return std::ranges::any_of(keys_, [&](const Key& key) { return key.kid == kid; });
}

bool KeySet::has(const Digest& print) const {
  return std::ranges::any_of(keys_, [&](const Key& key) { return key.print == print; });
}

std::optional<Digest> KeySet::signer(Algorithm algorithm, std::optional<std::string_view> kid,
                                     std::string_view signed_bytes, std::string_view signature) const {
  std::size_t tried = 0;
  for (const Key& key : keys_) {
    if ((kid && key.kid != *kid) || !key.fits(algorithm)) continue;
    if (tried++ == kTried) return std::nullopt;
    const std::string der = key.curve ? der_of(signature, key.curve->bytes) : std::string(signature);
    if (!der.empty() && verified(key.key.get(), algorithm, signed_bytes, der)) return key.print;
  }
  return std::nullopt;
}

}  // namespace sallyport::identity
