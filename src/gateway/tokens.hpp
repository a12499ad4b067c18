#pragma once
/// Bearer tokens at the door: verified once, known again by their digest.

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "sallyport/core/clock.hpp"
#include "sallyport/core/crypto.hpp"
#include "sallyport/core/task.hpp"
#include "sallyport/gateway/snapshot.hpp"

namespace sallyport::gateway {

struct Call;
class ShardState;

/// A token that was found good once. Immutable; any thread.
struct GoodToken {
  identity::VerifiedToken verified;
  std::string fingerprint;  ///< of its issuer's document at that time
  std::string grant{};      ///< that it stands for, where it is one of ours
};

/// Who vouches for a token now, by which set of keys.
struct Standing {
  const identity::Issuer* issuer =
      nullptr;  ///< null when another document, another key or the time ended that
  std::uint64_t version = 0;
};
Standing standing_of(const Snapshot& snapshot, const GoodToken& token, SystemTime now);

/// What one shard knows of the tokens that it saw: at most limits::kTokensKept, those seen last.
/// Threads: its shard's.
class TokenCache {
 public:
  struct Entry {
    std::shared_ptr<const GoodToken> token;  ///< null: its issuer said no
    SystemTime refused_until{};
    std::uint64_t version = 0;  ///< of its issuer's keys when it was last compared with them
    std::uint64_t table = 0;    ///< the serial of that under which `principal` holds; 0: none yet
    std::shared_ptr<const policy::Principal> principal;
  };
  Entry* find(const Digest& digest);
  Entry& keep(const Digest& digest, std::shared_ptr<const GoodToken> token, std::uint64_t version);
  void forget(const Digest& digest);

  /// Somebody asks an issuer about this token: whoever comes meanwhile waits for the answer. False where
  /// too many questions are under way; those about tokens that were good before have room of their own.
  bool begin_question(const Digest& digest, bool known);
  bool is_asked(const Digest& digest) const { return asked_.contains(digest); }
  Task<> answered(const Digest& digest);
  void end_question(const Digest& digest);
  /// True once in a while: what ails introspection belongs into the log, but not with every token.
  bool may_tell(SteadyTime now);

 private:
  struct Hash {
    std::size_t operator()(const Digest& digest) const;
  };
  using Table = std::unordered_map<Digest, Entry, Hash>;
  std::unordered_map<Digest, std::vector<std::shared_ptr<Slot<bool>>>, Hash> asked_;
  SteadyTime told_{};
  bool ever_told_ = false;
  Table young_, old_;  // what is not seen while `young_` fills up goes with `old_`
};

/// Who shows this token. Waits for its issuer's keys where they are not there yet. Sets the call's principal
/// and credential. Errors: unauthenticated; insufficient_scope; unavailable (the keys cannot be had).
Task<Result<void>> authenticate_token(Call& call, std::string_view token, const Clock& clock);

/// The principal of a token under the shard's snapshot; null when it no longer stands for anybody.
std::shared_ptr<const policy::Principal> principal_of(ShardState& here, const GoodToken& token,
                                                      SystemTime now);
/// All that makes a principal what it is, as one text.
std::string everything_of(const policy::Principal& principal);

}  // namespace sallyport::gateway
