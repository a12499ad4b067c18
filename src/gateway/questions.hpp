#pragma once
/// Questions of upstreams that wait for an answer of a client: what may be asked, and who waits.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "sallyport/core/task.hpp"
#include "sallyport/gateway/upstream.hpp"
#include "shares.hpp"

namespace sallyport::gateway {

/// Does a client with these capabilities (raw object) take this question? `elicitation: {}` means forms only
/// (mcp-protocol section 2.7).
bool may_ask(std::string_view capabilities, const Question& question);

/// What an upstream hears when a question cannot be carried.
QuestionAnswer question_refused(std::string_view why);

/// Answers that end an elicitation for good: `cancel` and `decline`. The action, or empty.
std::string_view final_action(const Question& question, const QuestionAnswer& answer);

/// A question as a client of that era expects it: URL elicitations have an id in 2025-11-25 and none after.
std::string params_for(const Question& question, bool modern);

/// Questions put to legacy clients, whose answers are POSTs of their own and may come in on any shard. The id
/// under which a client is asked says which shard waits. Threads: its shard's.
class Questions {
 public:
  using Waiting = std::shared_ptr<Slot<QuestionAnswer>>;

  explicit Questions(int shard) : shard_(shard) {}

  /// The JSON-RPC id (raw) to ask `session` (its nonce) under; nullopt when too many are open, of all
  /// principals or of the one whose session it is.
  std::optional<mcp::Id> open(const std::string& session, const std::string& principal, Waiting waiting);
  void close(const mcp::Id& id);
  /// False when nobody waits for it any more, or when another session was asked.
  bool answer(const mcp::Id& id, const std::string& session, QuestionAnswer answer);
  std::size_t size() const { return open_.size(); }

  /// The shard that an id of ours names; nullopt for ids that we never gave.
  static std::optional<int> shard_of(const mcp::Id& id);

 private:
  struct Open {
    std::string session, principal;
    Waiting waiting;
  };
  const int shard_;
  std::uint64_t asked_ = 0;
  std::unordered_map<mcp::Id, Open> open_;
  Shares of_one_;
};

}  // namespace sallyport::gateway
