#include "upstream_http_question.hpp"

#include <spdlog/spdlog.h>
#include <algorithm>

#include "sallyport/core/limits.hpp"
#include "sallyport/mcp/compose.hpp"

namespace sallyport::gateway::http {

AskedCall::AskedCall(std::shared_ptr<Link> link, Ask ask, SteadyTime deadline, Cancel* outer)
    : link_(std::move(link)),
      ask_(std::move(ask)),
      replies_(link_),
      clock_(std::in_place, *net::Shard::current()),
      deadline_(deadline) {
  start_clock();
  if (outer) outer_ = outer->on_request([this] { cancel_.request(); });
}

void AskedCall::start_clock() {
  if (deadline_ == SteadyTime::max()) return;
  clock_->set_at(deadline_, [this] {
    late_ = true;
    cancel_.request();
  });
}

void AskedCall::stop_clock() {
  if (deadline_ == SteadyTime::max()) return;
  left_ = deadline_ - std::chrono::steady_clock::now();
  clock_->clear();
}

Error AskedCall::truth(Error error) const {
  if (!late_ || error.code != Code::cancelled) return error;
  return {.code = Code::upstream_timeout,
          .blame = Blame::upstream,
          .what = "the deadline passed before the exchange with the upstream was complete",
          .retry = error.retry};
}

Result<void> AskedCall::take(Identity identity, const mcp::Envelope& request) {
  if (request.method == mcp::Method::ping) return replies_.pong(std::move(identity), request.id);
  if (!is_question(request.method) || !ask_)
    return replies_.refuse(std::move(identity), request.id, -32601,
                           "Method not found: the client declared nothing that would allow it.");
  // A stream that is taken up again may bring what it has brought already.
  if (open_.contains(request.id)) return {};
  if (open_.size() >= limits::kUpstreamQuestions)
    return replies_.refuse(std::move(identity), request.id, -32603, "Too many questions are open.");
  take(std::move(identity), request.id,
       {.method = request.method, .params = request.params ? std::string(request.params->raw()) : "{}"});
  return {};
}

void AskedCall::take(Identity identity, mcp::Id id, Question question) {
  if (open_.contains(id)) return;
  if (over_ || !ask_ || open_.size() >= limits::kUpstreamQuestions) {
    (void)replies_.refuse(std::move(identity), id, ask_ ? -32603 : -32601,
                          "There is nobody to ask at the moment.");
    return;
  }
  if (open_.empty()) stop_clock();
  open_[id] = question.withdrawal = std::make_shared<Withdrawal>();
  spawn(carry(shared_from_this(), std::move(identity), std::move(id), std::move(question)));
}

Task<> AskedCall::carry(std::shared_ptr<AskedCall> self, Identity identity, mcp::Id id, Question question) {
  const auto withdrawal = question.withdrawal;
  const QuestionAnswer answer = co_await self->ask_(std::move(question));
  // An upstream that has taken it back hears nothing of it; another may be open under its id.
  if (withdrawal->happened() || !self->close(id) || self->over_) co_return;
  std::string message =
      "{\"jsonrpc\":\"2.0\",\"id\":" + id + (answer.is_error ? ",\"error\":" : ",\"result\":");
  message += answer.raw;
  message += '}';
  auto told = co_await self->link_->tell(identity, std::move(message), limits::kSideRequest);
  if (!told)
    spdlog::warn("server {}: an answer to its question was not taken: {}",
                 self->link_->config().document.name, told.error().what);
}

bool AskedCall::close(const mcp::Id& id) {
  if (open_.erase(id) == 0) return false;
  if (open_.empty() && !over_) {
    deadline_ = std::chrono::steady_clock::now() + left_;
    start_clock();
  }
  return true;
}

void AskedCall::withdraw(const mcp::Id& id) {
  const auto it = open_.find(id);
  if (it == open_.end()) return;
  const auto withdrawal = it->second;
  close(id);
  withdrawal->happen();
}

void AskedCall::end() {
  over_ = true;
  outer_ = {};
  clock_.reset();
}

}  // namespace sallyport::gateway::http
