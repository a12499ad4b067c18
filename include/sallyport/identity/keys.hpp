#pragma once
/// API keys at the door: which principal a key stands for.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "sallyport/core/clock.hpp"
#include "sallyport/core/crypto.hpp"
#include "sallyport/core/error.hpp"
#include "sallyport/identity/directory.hpp"
#include "sallyport/policy/rules.hpp"
#include "sallyport/store/registry.hpp"

namespace sallyport::identity {

/// Immutable table of the keys in force. Look-up is by the key's id, comparison by digest in constant time.
class KeyTable {
 public:
  struct Entry {
    store::ApiKey key;
    std::shared_ptr<const policy::Principal> principal;
    Digest digest{};  ///< of the key's whole text
  };
  /// Keys of disabled agents and revoked keys are left out.
  static std::shared_ptr<const KeyTable> build(const std::vector<store::ApiKey>& keys,
                                               const Directory& directory);
  /// The entry lives as long as this table. Whether `key.admin` fits what is asked is the caller's to judge.
  /// Errors: unauthenticated (one text for every reason: unknown, revoked, expired, malformed).
  Result<const Entry*> check(std::string_view text, SystemTime now) const;
  /// The key of that id, for a caller who has shown it before; null when it is no longer in force.
  const Entry* find(std::string_view id, SystemTime now) const;
  std::size_t size() const { return by_id_.size(); }

 private:
  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;
  };
  std::unordered_map<std::string, Entry, Hash, std::equal_to<>> by_id_;
};

/// What begins as our keys do is a key, and no token.
bool is_api_key(std::string_view text);

/// The token of `Authorization: Bearer x` (scheme case-insensitive, RFC 6750 §2.1); nullopt when absent.
/// Errors: unauthenticated, for another scheme and for what is not a token.
Result<std::optional<std::string_view>> bearer_token(std::optional<std::string_view> authorization);

}  // namespace sallyport::identity
