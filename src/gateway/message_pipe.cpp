#include "message_pipe.hpp"

#include <spdlog/spdlog.h>
#include <limits>

#include "post_surely.hpp"
#include "sallyport/core/bytes.hpp"
#include "sallyport/core/limits.hpp"
#include "sallyport/mcp/compose.hpp"
#include "session.hpp"

namespace sallyport::gateway {
namespace {

/// Calls under way at one pipe.
constexpr std::size_t kInFlight = 1024;
/// No level was asked for yet: the server sends what it likes.
constexpr int kNoLevel = std::numeric_limits<int>::max();

Failure broken(std::string what) { return fail(Code::upstream_broken, Blame::upstream, std::move(what)); }

std::string text_member(const std::optional<json::Value>& object, std::string_view key) {
  const auto member = object ? object->find(key) : std::nullopt;
  return member ? member->string().value_or("") : "";
}

/// The client capability that a question needs; empty for what is no question.
std::string_view capability_of(mcp::Method method) {
  switch (method) {
    case mcp::Method::sampling_create_message:
      return "sampling";
    case mcp::Method::elicitation_create:
      return "elicitation";
    case mcp::Method::roots_list:
      return "roots";
    default:
      return {};
  }
}

bool has_member(const std::string& object, std::string_view key) {
  auto document = json::Document::parse(object, json::kUpstream);
  return document && document->root().find(key);
}

/// Runs on the caller's shard, where the call is still there when this starts: its end comes from the pipe's
/// shard, later. It may be gone before the client has answered.
Task<Result<QuestionAnswer>> put(const UpstreamCall* call, Question question) {
  const Ask ask = call->ask;
  co_return co_await ask(std::move(question));
}

}  // namespace

MessagePipe::MessagePipe(net::Shard& shard, std::shared_ptr<const CarrierKind> kind, PipeOwner owner)
    : shard_(shard),
      kind_(std::move(kind)),
      owner_(std::move(owner)),
      subscriptions_(*this),
      log_severity_(kNoLevel),
      idle_(shard) {}

Task<Result<bool>> MessagePipe::open(SteadyTime deadline) {
  const auto self = shared_from_this();
  const std::weak_ptr<MessagePipe> weak = self;
  started_ = std::chrono::steady_clock::now();
  asked_ = false;
  log_severity_ = kNoLevel;
  how_it_ended.clear();
  carrier_ = kind_->make(shard_);
  auto opened = co_await carrier_->open({.on_message =
                                             [weak](std::string text) {
                                               if (const auto pipe = weak.lock()) pipe->take(std::move(text));
                                             },
                                         .on_end =
                                             [weak](const std::string& how) {
                                               if (const auto pipe = weak.lock()) pipe->ended(how);
                                             }},
                                        deadline);
  if (!opened) carrier_.reset();
  co_return opened;
}

void MessagePipe::stop() {
  asked_ = true;
  idle_.clear();
  flight.value.reset();
  if (carrier_) carrier_->stop();
}

void MessagePipe::give_up() {
  given_up_ = true;
  idle_.clear();
  flight.value.reset();
  if (carrier_) carrier_->stop();
}

bool MessagePipe::post(std::string message, Carrier::Order order, Carrier::Refused refused) {
  return carrier_ && carrier_->send(std::move(message), order, std::move(refused));
}

Task<MessagePipe::Answer> MessagePipe::request(const UpstreamCall& call, const UpstreamIdentity& identity,
                                               net::Shard* home, std::shared_ptr<CallTicket> ticket,
                                               std::string own_params) {
  const auto self = shared_from_this();
  if (!carrier_)
    co_return fail(Code::upstream_unreachable, Blame::upstream, kind_->noun + " is not running", true);
  if (pending_.size() >= kInFlight)
    co_return fail(Code::limited, Blame::upstream, "too many calls under way", true);
  if (ticket && ticket->cancelled)
    co_return fail(Code::cancelled, Blame::client, "cancelled before it was sent");
  rest_when_idle();
  note_caller(call);
  modern_ = identity.modern();
  want_log_level(call, identity);
  const std::string id = next_id();
  const std::string params =
      own_params.empty()
          ? wire::upstream_params(call, identity,
                                  call.wants_progress ? std::string_view(id) : std::string_view{})
          : std::move(own_params);
  const auto pending = std::make_shared<PendingCall>(shard_, call, home);
  if (ticket) ticket->pending = pending;
  pending_[id] = pending;
  const std::uint64_t heard_before = heard();
  const bool sent = post(mcp::request_message(id, mcp::text_of(call.method), params), Carrier::Order::any,
                         [weak = std::weak_ptr(pending)](Error error) {
                           if (const auto refused = weak.lock())
                             refused->answer.deliver(Failure(std::move(error)));
                         });
  if (!sent) {
    pending_.erase(id);
    Failure closed =
        fail(Code::upstream_unreachable, Blame::upstream, kind_->noun + " does not take its input", true);
    // Nothing was tried, and until it has been replaced nothing else will be.
    closed.error().retry_after = std::chrono::ceil<std::chrono::seconds>(limits::kChildKillAfter);
    co_return closed;
  }
  arm(pending);
  Answer answer = co_await pending->answer;
  pending_.erase(id);
  pending->late.clear();
  count_silence(answer, heard_before);
  // The call first: an upstream that is told no while its call still stands may go on without the answer.
  if (!answer && (answer.error().code == Code::upstream_timeout || answer.error().code == Code::cancelled)) {
    notify("notifications/cancelled", "{\"requestId\":" + id + "}", Carrier::Order::before_what_follows);
  }
  for (const auto& [question, withdrawal] : std::exchange(pending->questions, {}))
    post(mcp::error_message(question, -32603, "The call that this was about has ended", {}));
  co_return answer;
}

void MessagePipe::count_silence(const Answer& answer, std::uint64_t heard_before) {
  if (heard() != heard_before) {
    unheard_ = 0;
  } else if (!answer && answer.error().code == Code::upstream_timeout) {
    // An answer that came too late, between two calls, is a sign of life as well.
    if (std::exchange(silent_since_, heard_before) != heard_before) unheard_ = 0;
    ++unheard_;
  }
}

void MessagePipe::arm(const std::shared_ptr<PendingCall>& pending) {
  pending->late.set_at(pending->due, [weak = std::weak_ptr(pending)] {
    if (const auto late = weak.lock())
      late->answer.deliver(fail(Code::upstream_timeout, Blame::upstream, "no answer within the deadline"));
  });
}

std::string MessagePipe::ask(mcp::Method method, std::string_view params, std::function<void(Answer)> done,
                             Carrier::Order order) {
  std::string id = next_id();
  own_[id] = std::move(done);
  const bool sent = post(mcp::request_message(id, mcp::text_of(method), params), order,
                         [weak = weak_from_this(), id](Error error) {
                           const auto self = weak.lock();
                           if (!self) return;
                           if (auto own = self->own_.extract(id)) own.mapped()(Failure(std::move(error)));
                         });
  if (sent) return id;
  own_.erase(id);
  return {};
}

bool MessagePipe::forget(const std::string& id) { return own_.erase(id) > 0; }

void MessagePipe::dismiss(const std::string& id) {
  if (forget(id)) notify("notifications/cancelled", "{\"requestId\":" + id + "}");
}

void MessagePipe::notify(std::string_view method, std::string_view params, Carrier::Order order) {
  post(mcp::notification_message(method, params), order);
}

void MessagePipe::tell(Notice::Kind kind, std::string id, std::string params) const {
  owner_.on_notice({.kind = kind,
                    .server = owner_.config->document.name,
                    .isolation = owner_.isolation,
                    .id = std::move(id),
                    .params = std::move(params)});
}

/// A legacy upstream has one level for everybody: the most verbose that any caller wants. Callers drop what
/// is beneath their own.
void MessagePipe::want_log_level(const UpstreamCall& call, const UpstreamIdentity& identity) {
  if (identity.modern() || call.log_level.empty()) return;
  const int wanted = log_severity(call.log_level);
  if (wanted < 0 || wanted >= log_severity_ || !has_member(identity.capabilities, "logging")) return;
  log_severity_ = wanted;
  ask(
      mcp::Method::logging_set_level, "{\"level\":" + json::quote(call.log_level) + "}", [](Answer) {},
      Carrier::Order::before_what_follows);
}

void MessagePipe::note_caller(const UpstreamCall& call) {
  if (call.background) return;
  if (caller_.empty()) caller_ = call.principal;
  callers_differ_ |= caller_ != call.principal;
}

void MessagePipe::rest_when_idle() {
  if (!kind_->rests && owner_.isolation.empty()) return;
  idle_.set(limits::kChildIdle, [this] {
    if (pending_.empty() && subscriptions_.empty()) return stop();
    rest_when_idle();
  });
}

void MessagePipe::take(std::string text) {
  if (trim(text).empty()) return;
  auto document = json::Document::parse(std::move(text), json::kUpstream);
  auto message = document ? mcp::read_upstream_message(document->root())
                          : Result<mcp::Envelope>(Failure(document.error()));
  if (!message) {
    // Some servers greet on standard output; what is no message harms nobody but is worth a word.
    spdlog::warn("server {}: sent what is no JSON-RPC message: {}", config().document.name,
                 message.error().what);
    return;
  }
  switch (message->kind) {
    case mcp::Envelope::Kind::request:
      return take_question(*message);
    case mcp::Envelope::Kind::notification:
      return take_notification(std::move(*document), *message);
    case mcp::Envelope::Kind::result:
    case mcp::Envelope::Kind::error:
      break;
  }
  UpstreamAnswer answer{.document = std::move(*document),
                        .payload = *message->payload,
                        .is_error = message->kind == mcp::Envelope::Kind::error,
                        .modern = modern_};
  if (const auto it = pending_.find(message->id); it != pending_.end()) {
    const auto pending = it->second;
    const std::size_t size = answer.document.bytes().size();
    if (size > limits::kUncounted && !answer.held.set(2 * size + answer.document.index_bytes())) {
      Failure no_room = fail(Code::limited, Blame::us, "bytes in flight");
      no_room.error().answered = true;
      return pending->answer.deliver(std::move(no_room));
    }
    pending->answer.deliver(std::move(answer));
  } else if (auto own = own_.extract(message->id)) {
    own.mapped()(std::move(answer));
  }
  // Anything else answers what ended by its deadline or a cancellation.
}

void MessagePipe::take_notification(json::Document document, const mcp::Envelope& message) {
  // Without `_meta`: what stands there was meant for us.
  const auto params = [&] { return message.params ? mcp::rebuild_params(message.params, {}, {}) : "{}"; };
  switch (message.method) {
    case mcp::Method::n_tools_changed:
    case mcp::Method::n_prompts_changed:
    case mcp::Method::n_resources_changed:
      return tell(Notice::Kind::list_changed);
    case mcp::Method::n_resource_updated:
      return tell(Notice::Kind::resource_updated, text_member(message.params, "uri"), params());
    case mcp::Method::n_cancelled: {
      const auto given = message.params ? message.params->find("requestId") : std::nullopt;
      const std::string id(given ? given->raw() : "");
      if (subscriptions_.closed_by(id)) return;
      for (const auto& [call, pending] : pending_) {
        const auto open = pending->questions.find(id);
        if (open == pending->questions.end()) continue;
        const auto withdrawal = open->second;
        close_question(pending, id, withdrawal);
        post_surely(*pending->home, [withdrawal] { withdrawal->happen(); });
        return;
      }
      return;
    }
    case mcp::Method::n_progress:
    case mcp::Method::n_message:
      return relay(std::move(document), message);
    default:
      break;
  }
  if (message.method_text == "notifications/tasks")
    return tell(Notice::Kind::task_changed, text_member(message.params, "taskId"), params());
  if (message.method_text == "notifications/subscriptions/acknowledged" && message.params)
    subscriptions_.acknowledged(*message.params);
}

void MessagePipe::relay(json::Document document, const mcp::Envelope& message) {
  if (!message.params) return;
  std::shared_ptr<PendingCall> pending;
  if (message.method == mcp::Method::n_progress) {
    const auto token = message.params->find("progressToken");
    const auto it = token ? pending_.find(std::string(token->raw())) : pending_.end();
    if (it != pending_.end()) pending = it->second;
  } else if (pending_.size() == 1 && !callers_differ_) {
    // Log messages on a pipe name no call: with several under way nobody can say whose they are, and one may
    // be about the call of somebody who has gone.
    pending = pending_.begin()->second;
  }
  if (!pending || !pending->call.on_notification) return;
  if (pending->home == &shard_) {
    pending->call.on_notification({message.method, *message.params});
    return;
  }
  const auto shared = std::make_shared<json::Document>(std::move(document));
  // The answer comes to the home shard through the same mailbox, after this: the call is still there.
  (void)pending->home->post([call = &pending->call, shared, method = message.method,
                             params = *message.params] { call->on_notification({method, params}); });
}

void MessagePipe::take_question(const mcp::Envelope& message) {
  if (message.method == mcp::Method::ping) {
    post(mcp::result_message(message.id, "{}"));
    return;
  }
  auto whose = whose_question(message);
  if (!whose) {
    spdlog::info("server {}: its '{}' was refused: {}", config().document.name,
                 message.method_text.substr(0, 60), whose.error().what);
    const int code = whose.error().code == Code::method_not_found ? -32601 : -32603;
    post(mcp::error_message(message.id, code, whose.error().what, {}));
    return;
  }
  const auto& pending = *whose;
  ++pending->asked;
  if (pending->questions.empty()) {
    pending->asked_at = std::chrono::steady_clock::now();
    pending->late.clear();
  }
  const auto withdrawal = pending->questions[message.id] = std::make_shared<Withdrawal>();
  Question question{.method = message.method,
                    .params = message.params ? std::string(message.params->raw()) : "{}",
                    .withdrawal = withdrawal};
  spawn(carry(shared_from_this(), pending, message.id, std::move(question)));
}

Result<std::shared_ptr<PendingCall>> MessagePipe::whose_question(const mcp::Envelope& message) const {
  const auto refused = [](Code code, const char* why) { return fail(code, Blame::upstream, why); };
  const std::string_view needed = capability_of(message.method);
  if (modern_ || needed.empty() || !has_member(owner_.capabilities, needed))
    return refused(Code::method_not_found, "The client does not offer this");
  std::shared_ptr<PendingCall> found;
  for (const auto& [id, pending] : pending_) {
    if (!pending->call.ask) continue;
    if (found)
      return refused(Code::invalid_params,
                     "Several calls are under way: nobody can say whose question it is");
    found = pending;
  }
  if (!found) return refused(Code::method_not_found, "No call is under way whose client could be asked");
  if (found->asked >= limits::kQuestionRounds)
    return refused(Code::invalid_params, "The call has asked too many questions");
  if (found->questions.contains(message.id))
    return refused(Code::invalid_params, "This id is already used by an open question");
  return found;
}

Task<> MessagePipe::carry(std::shared_ptr<MessagePipe> self, std::shared_ptr<PendingCall> pending,
                          std::string id, Question question) {
  const UpstreamCall* call = &pending->call;
  const auto withdrawal = question.withdrawal;
  auto answer = co_await net::run_on<Result<QuestionAnswer>>(
      *pending->home, [call, question = std::move(question)] { return put(call, question); });
  if (!close_question(pending, id, withdrawal)) co_return;
  if (!answer) {
    self->post(mcp::error_message(id, -32603, "The client could not be asked", {}));
  } else if (answer->is_error) {
    self->post("{\"jsonrpc\":\"2.0\",\"id\":" + id + ",\"error\":" + answer->raw + "}");
  } else {
    self->post(mcp::result_message(id, answer->raw));
  }
}

bool MessagePipe::close_question(const std::shared_ptr<PendingCall>& pending, const std::string& id,
                                 const std::shared_ptr<Withdrawal>& withdrawal) {
  // Another may be open under its id by now.
  const auto open = pending->questions.find(id);
  if (open == pending->questions.end() || open->second != withdrawal) return false;
  pending->questions.erase(open);
  if (pending->questions.empty()) {
    pending->due += std::chrono::steady_clock::now() - pending->asked_at;
    arm(pending);
  }
  return true;
}

void MessagePipe::ended(const std::string& how) {
  const auto self = shared_from_this();
  how_it_ended = given_up_ ? "answered nothing any more and was stopped" : how;
  idle_.clear();
  // The carrier may be on the stack below us.
  shard_.at_turn_end([dead = std::shared_ptr<Carrier>(std::move(carrier_))] {});
  flight.value.reset();
  subscriptions_.end();
  if (on_end) on_end(asked_, std::chrono::steady_clock::now() - started_);
  const auto waiting = pending_;
  for (const auto& [id, pending] : waiting)
    pending->answer.deliver(broken(kind_->noun + " " + how_it_ended + " while the call ran"));
  for (auto& [id, done] : std::exchange(own_, {})) done(broken(kind_->noun + " " + how_it_ended));
}

}  // namespace sallyport::gateway
