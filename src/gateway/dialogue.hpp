#pragma once
/// An upstream call that asks in the middle, as 2025 servers do, made for a client that is asked between
/// requests, as 2026 clients are: the call stays open while the client is away (mcp-protocol section 5).

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "questions.hpp"
#include "sallyport/core/cancel.hpp"
#include "sallyport/gateway/upstream.hpp"
#include "sallyport/net/shard.hpp"
#include "shares.hpp"

namespace sallyport::gateway {

/// What a request learns of a dialogue: the answer, or what the upstream wants to know first.
struct Turn {
  struct Asked {
    std::string key;
    Question question;
  };
  std::optional<Result<UpstreamAnswer>> answer{};
  std::vector<Asked> asked{};
  int shard = 0, round = 0;
};

/// Threads: its shard's.
class Dialogue : public std::enable_shared_from_this<Dialogue> {
 public:
  /// Passes on what the upstream says meanwhile; only while a request is attached.
  using Tell = std::function<void(mcp::Method, json::Value)>;

  /// `capabilities` of the client, raw: what it cannot be asked is refused at once.
  Dialogue(net::Shard& shard, std::string capabilities);

  /// Makes the call. `keep` lives as long as the call does: what its views look into.
  void start(std::shared_ptr<Upstream> upstream, UpstreamCall call, std::string isolation,
             std::shared_ptr<const void> keep);
  /// The next turn of events for the request that is attached now. One at a time.
  Task<Turn> next(Tell tell);
  bool attached() const { return waiting_ != nullptr; }
  /// The client's answers, by key; what it leaves out is asked again. Errors: invalid_params (an answer that
  /// is no object).
  Result<void> answer(json::Value responses);
  int round() const { return round_; }
  bool ended() const { return answer_.has_value(); }
  /// Cancels the call when nobody has come back by then; `gone` runs with it.
  void expire_after(Duration time, std::function<void()> gone);
  void cancel() { cancel_.request(); }

 private:
  struct Open {
    std::string key;
    Question question;
    Slot<QuestionAnswer> answer;
  };
  static Task<> run(std::shared_ptr<Dialogue> self, std::shared_ptr<Upstream> upstream, UpstreamCall call,
                    std::string isolation, std::shared_ptr<const void> keep);
  static Task<QuestionAnswer> ask(std::shared_ptr<Dialogue> self, Question question);
  void wake();
  bool news() const;

  net::Shard& shard_;
  const std::string capabilities_;
  Cancel cancel_;
  Tell tell_;
  std::vector<std::shared_ptr<Open>> open_;
  std::optional<Result<UpstreamAnswer>> answer_;
  std::shared_ptr<Slot<bool>> waiting_;
  std::string final_action_;  // the client has cancelled or declined: it is not asked again
  int asked_ = 0, round_ = 0;
  bool new_questions_ = false;
  net::Deadline expiry_;
};

/// The dialogues of one shard that wait for their clients, by id. Threads: its shard's.
class Dialogues {
 public:
  /// False when too many wait already, of all principals or of this one.
  bool add(const std::string& id, const std::string& principal, std::shared_ptr<Dialogue> dialogue);
  /// Null when there is none of this id.
  std::shared_ptr<Dialogue> find(const std::string& id) const;
  void erase(const std::string& id);
  std::size_t size() const { return waiting_.size(); }
  /// All of them; none is left.
  std::vector<std::pair<std::string, std::shared_ptr<Dialogue>>> take_all();

 private:
  struct Waiting {
    std::shared_ptr<Dialogue> dialogue;
    std::string principal;
  };
  std::unordered_map<std::string, Waiting> waiting_;
  Shares of_one_;
};

}  // namespace sallyport::gateway
