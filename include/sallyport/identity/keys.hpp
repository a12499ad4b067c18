#pragma once
/// API keys at the door: which principal a key stands for.

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "sallyport/core/clock.hpp"
#include "sallyport/core/error.hpp"
#include "sallyport/policy/rules.hpp"
#include "sallyport/store/registry.hpp"

namespace sallyport::identity {

/// Immutable table of the keys in force. Look-up is by the key's id, comparison by digest in constant time.
class KeyTable {
 public:
  struct Entry {
    store::ApiKey key;
    std::shared_ptr<const policy::Principal> principal;
  };
  /// Keys of disabled agents and revoked keys are left out; teams are resolved from the documents.
  static std::shared_ptr<const KeyTable> build(const std::vector<store::ApiKey>& keys,
                                               const std::vector<store::AnyDocument>& documents);
  /// Errors: unauthenticated (one text for every reason: unknown, revoked, expired, malformed).
  Result<const Entry*> check(std::string_view text, SystemTime now) const;
  std::size_t size() const { return by_id_.size(); }

 private:
  std::unordered_map<std::string, Entry> by_id_;
};

/// The token of `Authorization: Bearer x` (scheme case-insensitive, RFC 6750 §2.1); nullopt when absent; error when malformed.
Result<std::optional<std::string_view>> bearer_token(std::optional<std::string_view> authorization);

}  // namespace sallyport::identity
