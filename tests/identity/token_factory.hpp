#pragma once
/// An issuer's private keys: makes tokens and key sets, good ones and bad ones.

#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <memory>
#include <string>

#include "sallyport/core/bytes.hpp"

namespace sallyport::identity::testing {

class SigningIssuer {
 public:
  static SigningIssuer rsa(std::string kid, unsigned bits = 2048) {
    return {std::move(kid), EVP_RSA_gen(bits), 0};
  }
  /// `curve`: "P-256", "P-384" or "P-521".
  static SigningIssuer ec(std::string kid, const std::string& curve = "P-256") {
    return {std::move(kid), EVP_EC_gen(curve.c_str()),
            curve == "P-256"   ? 32U
            : curve == "P-384" ? 48U
                               : 66U,
            curve};
  }

  const std::string& kid() const { return kid_; }

  /// The public key as a JWK; `more` is added to it: `,"alg":"RS256"`.
  std::string jwk(const std::string& more = "") const {
    const std::string head = R"({"kid":")" + kid_ + R"(",)";
    if (half_ == 0)
      return head + R"("kty":"RSA","n":")" + number(OSSL_PKEY_PARAM_RSA_N) + R"(","e":")" +
             number(OSSL_PKEY_PARAM_RSA_E) + "\"" + more + "}";
    return head + R"("kty":"EC","crv":")" + curve_ + R"(","x":")" + number(OSSL_PKEY_PARAM_EC_PUB_X, half_) +
           R"(","y":")" + number(OSSL_PKEY_PARAM_EC_PUB_Y, half_) + "\"" + more + "}";
  }

  /// A token over these texts, signed as `algorithm` says ("RS256", "PS384", "ES512", ...).
  std::string token(const std::string& algorithm, const std::string& header,
                    const std::string& payload) const {
    const std::string text = base64url(header) + "." + base64url(payload);
    return text + "." + base64url(signature(algorithm, text));
  }
  /// With the ordinary header.
  std::string token(const std::string& algorithm, const std::string& payload) const {
    return token(algorithm, R"({"typ":"JWT","alg":")" + algorithm + R"(","kid":")" + kid_ + "\"}", payload);
  }

  std::string signature(const std::string& algorithm, const std::string& text) const {
    const EVP_MD* digest = algorithm.ends_with("256")   ? EVP_sha256()
                           : algorithm.ends_with("384") ? EVP_sha384()
                                                        : EVP_sha512();
    const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
    EVP_PKEY_CTX* options = nullptr;
    EVP_DigestSignInit(context.get(), &options, digest, nullptr, key_.get());
    if (algorithm.starts_with("PS")) {
      EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING);
      EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST);
    }
    const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
    std::size_t size = 0;
    EVP_DigestSign(context.get(), nullptr, &size, bytes, text.size());
    std::string out(size, '\0');
    EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(out.data()), &size, bytes, text.size());
    out.resize(size);
    return half_ == 0 ? out : side_by_side(out);
  }

 private:
  SigningIssuer(std::string kid, EVP_PKEY* key, unsigned half, std::string curve = "")
      : kid_(std::move(kid)), curve_(std::move(curve)), half_(half), key_(key, EVP_PKEY_free) {}

  std::string number(const char* name, unsigned width = 0) const {
    BIGNUM* value = nullptr;
    EVP_PKEY_get_bn_param(key_.get(), name, &value);
    std::string out(width == 0 ? static_cast<std::size_t>(BN_num_bytes(value)) : width, '\0');
    BN_bn2binpad(value, reinterpret_cast<unsigned char*>(out.data()), static_cast<int>(out.size()));
    BN_free(value);
    return base64url(out);
  }

  std::string side_by_side(const std::string& der) const {
    const auto* at = reinterpret_cast<const unsigned char*>(der.data());
    const std::unique_ptr<ECDSA_SIG, decltype(&ECDSA_SIG_free)> pair(
        d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size())), ECDSA_SIG_free);
    std::string out(2UL * half_, '\0');
    auto* to = reinterpret_cast<unsigned char*>(out.data());
    BN_bn2binpad(ECDSA_SIG_get0_r(pair.get()), to, static_cast<int>(half_));
    BN_bn2binpad(ECDSA_SIG_get0_s(pair.get()), to + half_, static_cast<int>(half_));
    return out;
  }

  std::string kid_, curve_;
  unsigned half_;  ///< bytes of r and of s; 0: RSA
  std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key_;
};

inline std::string key_set(const std::vector<std::string>& jwks) {
  std::string out = "{\"keys\":[";
  for (const auto& jwk : jwks) out += (out.ends_with('[') ? "" : ",") + jwk;
  return out + "]}";
}

}  // namespace sallyport::identity::testing
