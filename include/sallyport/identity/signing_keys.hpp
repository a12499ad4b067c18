#pragma once
/// The keys that our own access tokens are signed with: ES256, each derived from a seed in the vault.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sallyport/core/secret.hpp"

namespace sallyport::identity {

/// Immutable; any thread.
class SigningKeys {
 public:
  /// Of seeds of 32 bytes; the first signs, all are published.
  explicit SigningKeys(const std::vector<Secret>& seeds);
  ~SigningKeys();
  SigningKeys(const SigningKeys&) = delete;
  SigningKeys& operator=(const SigningKeys&) = delete;

  /// The public halves as a JWK Set (RFC 7517), the one that signs first.
  const std::string& key_set() const { return key_set_; }
  /// A JWT of `typ` at+jwt (RFC 9068) over these claims, a JSON object.
  std::string access_token(std::string_view claims) const;

 private:
  struct Key;
  std::vector<std::unique_ptr<Key>> keys_;
  std::string key_set_;
};

}  // namespace sallyport::identity
