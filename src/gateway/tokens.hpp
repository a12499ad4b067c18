#pragma once
/// Bearer tokens at the door: verified once, known again by their digest.

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "sallyport/core/clock.hpp"
#include "sallyport/core/crypto.hpp"
#include "sallyport/core/task.hpp"
#include "sallyport/gateway/snapshot.hpp"

namespace sallyport::gateway {

struct Call;

/// A token that was found good once. Immutable; any thread.
struct GoodToken {
  identity::VerifiedToken verified;
  std::string fingerprint;  ///< of its issuer's document at that time
};

/// The issuer of a token, as long as it vouches for it; null when another document, another key or the time
/// has ended that.
const identity::Issuer* issuer_of(const Snapshot& snapshot, const GoodToken& token, SystemTime now);

/// What one shard knows of the tokens that it saw: at most limits::kTokensKept, those seen last.
/// Threads: its shard's.
class TokenCache {
 public:
  struct Entry {
    std::shared_ptr<const GoodToken> token;  ///< null: its issuer said no
    SystemTime refused_until{};
    std::uint64_t version = 0;  ///< of its issuer's keys when it was last compared with them
    std::shared_ptr<const identity::IssuerTable> table;  ///< under which `principal` holds
    std::shared_ptr<const policy::Principal> principal;
  };
  Entry* find(const Digest& digest);
  Entry& keep(const Digest& digest, std::shared_ptr<const GoodToken> token);
  std::size_t size() const { return young_.size() + old_.size(); }
  std::size_t asking = 0;  ///< questions to issuers under way

 private:
  struct Hash {
    std::size_t operator()(const Digest& digest) const;
  };
  using Table = std::unordered_map<Digest, Entry, Hash>;
  Table young_, old_;  // what is not seen while `young_` fills up goes with `old_`
};

/// Who shows this token. Waits for its issuer's keys where they are not there yet. Sets the call's principal
/// and credential. Errors: unauthenticated; insufficient_scope; unavailable (the keys cannot be had).
Task<Result<void>> authenticate_token(Call& call, std::string_view token, const Clock& clock);

/// The principal of a token under a snapshot; null when it no longer stands for anybody.
std::shared_ptr<const policy::Principal> principal_of(const Snapshot& snapshot, const GoodToken& token,
                                                      SystemTime now);

}  // namespace sallyport::gateway
