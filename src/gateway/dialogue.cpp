#include "dialogue.hpp"

#include <algorithm>
#include <utility>

#include "sallyport/core/limits.hpp"

namespace sallyport::gateway {

Dialogue::Dialogue(net::Shard& shard, std::string capabilities)
    : shard_(shard), capabilities_(std::move(capabilities)), expiry_(shard) {}

void Dialogue::start(std::shared_ptr<Upstream> upstream, UpstreamCall call, std::string isolation,
                     std::shared_ptr<const void> keep) {
  call.cancel = &cancel_;
  // The call's own frame keeps us: these live inside of it.
  call.on_notification = [this](const UpstreamNotification& notification) {
    if (tell_) tell_(notification.method, notification.params);
  };
  // A 2026 client has no stream that could be broken off, and the request that began this will be gone.
  call.on_break = nullptr;
  call.ask = [weak = weak_from_this()](Question question) -> Task<QuestionAnswer> {
    return ask(weak.lock(), std::move(question));
  };
  spawn(run(shared_from_this(), std::move(upstream), std::move(call), std::move(isolation), std::move(keep)));
}

Task<> Dialogue::run(std::shared_ptr<Dialogue> self, std::shared_ptr<Upstream> upstream, UpstreamCall call,
                     std::string isolation, [[maybe_unused]] std::shared_ptr<const void> keep) {
  auto answer = co_await upstream->call(std::move(call), std::move(isolation));
  self->answer_ = std::move(answer);
  for (const auto& open : std::exchange(self->open_, {}))
    open->answer.deliver(question_refused("The call has ended"));
  self->wake();
}

Task<QuestionAnswer> Dialogue::ask(std::shared_ptr<Dialogue> self, Question question) {
  if (!self || self->answer_) co_return question_refused("The call has ended");
  if (!may_ask(self->capabilities_, question)) co_return question_refused("The client does not offer this");
  if (question.method == mcp::Method::elicitation_create && !self->final_action_.empty())
    co_return QuestionAnswer{.raw = "{\"action\":\"" + self->final_action_ + "\"}"};
  if (++self->asked_ > limits::kQuestionRounds * 4) {
    self->shard_.at_turn_end([self] { self->cancel(); });
    co_return question_refused("Too many questions in one call");
  }
  const auto open = std::make_shared<Open>();
  open->key = "q" + std::to_string(self->asked_);
  open->question = std::move(question);
  self->open_.push_back(open);
  self->new_questions_ = true;
  self->wake();
  if (open->question.withdrawal) {
    open->question.withdrawal->then([weak = std::weak_ptr(self), open] {
      const auto its = weak.lock();
      if (!its || std::erase(its->open_, open) == 0) return;
      its->new_questions_ = its->new_questions_ && !its->open_.empty();
      open->answer.deliver(question_refused("It was taken back"));
    });
  }
  QuestionAnswer answer = co_await open->answer;
  if (open->question.withdrawal) open->question.withdrawal->then(nullptr);
  if (const auto action = final_action(open->question, answer); !action.empty()) self->final_action_ = action;
  co_return answer;
}

bool Dialogue::news() const { return answer_ || new_questions_; }

void Dialogue::wake() {
  // At the end of the turn: what an upstream asks in one breath becomes one round.
  shard_.at_turn_end([self = shared_from_this()] {
    if (self->waiting_ && self->news()) std::exchange(self->waiting_, nullptr)->deliver(true);
  });
}

Task<Turn> Dialogue::next(Tell tell) {
  const auto self = shared_from_this();
  expiry_.clear();
  tell_ = std::move(tell);
  // Questions that were left unanswered are asked again at once.
  while (!news() && open_.empty()) {
    const auto slot = waiting_ = std::make_shared<Slot<bool>>();
    co_await *slot;
  }
  tell_ = nullptr;
  Turn turn{.shard = shard_.index(), .round = ++round_};
  new_questions_ = false;
  if (answer_) {
    turn.answer = std::move(answer_);
  } else {
    for (const auto& open : open_) turn.asked.push_back({open->key, open->question});
  }
  co_return turn;
}

Result<void> Dialogue::answer(json::Value responses) {
  for (const auto& member : responses.members()) {
    if (!member.value.is(json::Kind::object))
      return client_error(Code::invalid_params, "inputResponses must hold one object for each key.");
  }
  const auto pending = open_;
  for (const auto& open : pending) {
    const auto response = responses.find(open->key);
    if (!response) continue;
    std::erase(open_, open);
    open->answer.deliver({.raw = std::string(response->raw())});
  }
  return {};
}

void Dialogue::expire_after(Duration time, std::function<void()> gone) {
  expiry_.set(time, [weak = weak_from_this(), gone = std::move(gone)] {
    const auto self = weak.lock();
    gone();
    if (self) self->cancel();
  });
}

bool Dialogues::add(const std::string& id, const std::string& principal, std::shared_ptr<Dialogue> dialogue) {
  if (waiting_.size() >= limits::kParkedCalls || !of_one_.take(principal, limits::kParkedOfOne)) return false;
  waiting_.emplace(id, Waiting{std::move(dialogue), principal});
  return true;
}

std::shared_ptr<Dialogue> Dialogues::find(const std::string& id) const {
  const auto it = waiting_.find(id);
  return it == waiting_.end() ? nullptr : it->second.dialogue;
}

void Dialogues::erase(const std::string& id) {
  const auto it = waiting_.find(id);
  if (it == waiting_.end()) return;
  of_one_.give(it->second.principal);
  waiting_.erase(it);
}

std::vector<std::pair<std::string, std::shared_ptr<Dialogue>>> Dialogues::take_all() {
  std::vector<std::pair<std::string, std::shared_ptr<Dialogue>>> all;
  for (const auto& [id, waiting] : waiting_) all.emplace_back(id, waiting.dialogue);
  waiting_.clear();
  of_one_ = {};
  return all;
}

}  // namespace sallyport::gateway
