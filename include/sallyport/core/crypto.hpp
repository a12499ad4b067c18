#pragma once
/// Digests, random bytes and authenticated encryption. Thin over OpenSSL; nothing here is invented.

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "sallyport/core/error.hpp"
#include "sallyport/core/secret.hpp"

namespace sallyport {

using Digest = std::array<unsigned char, 32>;

Digest sha256(std::string_view bytes);
std::string sha256_hex(std::string_view bytes);
Digest hmac_sha256(std::string_view key, std::string_view bytes);
inline std::string_view view(const Digest& d) { return {reinterpret_cast<const char*>(d.data()), d.size()}; }

/// From the system's generator; aborts if that fails, because nothing safe can follow.
std::string random_bytes(std::size_t n);
/// `n` random bytes as base64url text.
std::string random_id(std::size_t n = 16);

/// AES-256-GCM with a random 96-bit nonce: nonce || ciphertext || tag.
/// Requires: key has 32 bytes. `bound` is authenticated but not stored (associated data).
std::string seal(std::string_view key, std::string_view plain, std::string_view bound);
/// Errors: Code::bad_request when it was not sealed with this key and `bound`.
Result<std::string> unseal(std::string_view key, std::string_view sealed, std::string_view bound);

/// Ed25519 key pair and signatures (RFC 8032), for the journal's checkpoints.
struct SigningKey {
  Secret private_key;      ///< 32 raw bytes
  std::string public_key;  ///< 32 raw bytes
};
SigningKey make_signing_key();
Result<SigningKey> signing_key_from(std::string_view private_raw);
std::string sign(const SigningKey& key, std::string_view message);
bool verify(std::string_view public_raw, std::string_view message, std::string_view signature);

}  // namespace sallyport
