// Calls whose upstream asks the client something, in every pairing of eras (mcp-protocol section 5).

#include "mcp_service.hpp"
#include "sallyport/core/limits.hpp"
#include "sallyport/mcp/compose.hpp"

namespace sallyport::gateway {
namespace {

/// Puts an upstream's questions to a legacy client, on the stream of the call that they belong to. Outlives
/// the call where a question does.
struct Asking {
  explicit Asking(Call& c) : here(c.here), session(*c.session), principal(c.principal_name()), call(&c) {}
  ShardState& here;
  const Session session;
  const std::string principal;
  Call* call;  ///< null once the call has ended
  std::vector<std::pair<mcp::Id, Questions::Waiting>> open{};
  std::string final_action{};  ///< the client has cancelled or declined: it is not asked again
  int asked = 0;

  /// The client need not answer any more.
  void take_back(const mcp::Id& id, std::string_view why) const {
    if (!call || call->cancel.requested()) return;
    say(*call, mcp::notification_message("notifications/cancelled",
                                         "{\"requestId\":" + id + ",\"reason\":" + json::quote(why) + "}"));
  }
  void end() {
    for (const auto& [id, waiting] : open) take_back(id, "the call has ended");
    call = nullptr;
    for (const auto& [id, waiting] : std::exchange(open, {}))
      waiting->deliver(question_refused("The call has ended"));
  }
};

Task<QuestionAnswer> ask_client(std::shared_ptr<Asking> asking, Question question) {
  if (!asking->call) co_return question_refused("The call has ended");
  if (!may_ask(asking->session.capabilities, question))
    co_return question_refused("The client does not offer this");
  if (question.method == mcp::Method::elicitation_create && !asking->final_action.empty())
    co_return QuestionAnswer{.raw = "{\"action\":\"" + asking->final_action + "\"}"};
  if (++asking->asked > limits::kQuestionRounds * 4)
    co_return question_refused("Too many questions in one call");
  const auto waiting = std::make_shared<Slot<QuestionAnswer>>();
  const auto id = asking->here.questions.open(asking->session.nonce, asking->principal, waiting);
  if (!id) co_return question_refused("Too many open questions");
  if (!say(*asking->call,
           mcp::request_message(*id, mcp::text_of(question.method), params_for(question, false)))) {
    asking->here.questions.close(*id);
    co_return question_refused("The client cannot be reached: it takes no event stream");
  }
  asking->open.emplace_back(*id, waiting);
  net::Deadline late(asking->here.shard);
  late.set(limits::kQuestionWait, [asking, waiting, id] {
    asking->take_back(*id, "timeout");
    waiting->deliver(question_refused("The client did not answer in time"));
  });
  if (question.withdrawal) {
    question.withdrawal->then([asking, waiting, id] {
      asking->take_back(*id, "the server has taken it back");
      waiting->deliver(question_refused("It was taken back"));
    });
  }
  QuestionAnswer answer = co_await *waiting;
  if (question.withdrawal) question.withdrawal->then(nullptr);
  asking->here.questions.close(*id);
  std::erase_if(asking->open, [&](const auto& one) { return one.second == waiting; });
  if (const auto action = final_action(question, answer); !action.empty()) asking->final_action = action;
  co_return answer;
}

/// Only results of 2026 servers have types: what an older one calls so is its own.
bool wants_input(const UpstreamAnswer& answer) {
  if (!answer.modern || answer.is_error || !answer.payload.is(json::Kind::object)) return false;
  const auto type = answer.payload.find("resultType");
  return type && type->string() == "input_required";
}

/// The questions of one `input_required` result, asked all at once. The answers: `inputResponses`, raw.
/// Errors: the client's own error to a question that has no word for "no".
struct Round {
  std::vector<std::pair<std::string, Question>> questions;
  std::vector<QuestionAnswer> answers;
  std::size_t left = 0;
  Slot<bool> done;
};

Task<> ask_one(std::shared_ptr<Round> round, std::size_t i, std::shared_ptr<Asking> asking) {
  round->answers[i] = co_await ask_client(std::move(asking), round->questions[i].second);
  if (--round->left == 0) round->done.deliver(true);
}

Task<Result<std::string>> ask_round(std::shared_ptr<Asking> asking, json::Value requests) {
  const auto round = std::make_shared<Round>();
  for (const auto& member : requests.members()) {
    const auto method = member.value.find("method");
    const auto params = member.value.find("params");
    round->questions.emplace_back(
        member.key(), Question{.method = mcp::method_from(method ? method->string().value_or("") : ""),
                               .params = params ? std::string(params->raw()) : "{}"});
  }
  round->answers.resize(round->questions.size());
  round->left = round->questions.size();
  for (std::size_t i = 0; i < round->questions.size(); ++i) spawn(ask_one(round, i, asking));
  if (!round->questions.empty()) (void)co_await round->done;

  std::string out = "{";
  for (std::size_t i = 0; i < round->questions.size(); ++i) {
    const auto& [key, question] = round->questions[i];
    QuestionAnswer& answer = round->answers[i];
    if (answer.is_error) {
      if (question.method != mcp::Method::elicitation_create)
        co_return fail(Code::cancelled, Blame::client,
                       std::string(mcp::text_of(question.method)) + " was answered with an error");
      answer.raw = R"({"action":"cancel"})";
    }
    out += (i > 0 ? "," : "") + json::quote(key) + ":" + answer.raw;
  }
  co_return out + "}";
}

}  // namespace

Task<Result<Turn>> McpService::converse(Call& call, const Target& target, UpstreamCall upstream,
                                        std::string isolation, const std::optional<RequestState>& state) {
  if (state && !state->dialogue.empty()) return resume(call, *state);
  if (!call.modern) return rounds(call, target, std::move(upstream), std::move(isolation));
  return begin(call, target, std::move(upstream), std::move(isolation));
}

Task<Result<Turn>> McpService::rounds(Call& call, const Target& target, UpstreamCall upstream,
                                      std::string isolation) {
  const auto asking = std::make_shared<Asking>(call);
  const struct End {
    Asking& asking;
    ~End() { asking.end(); }
  } end{*asking};
  // Whoever cancels the call need not wait for the client's answer.
  const auto cancelled = call.cancel.on_request(
      [&shard = call.here.shard, asking] { shard.at_turn_end([asking] { asking->end(); }); });
  upstream.ask = [asking](Question question) { return ask_client(asking, std::move(question)); };
  for (int round = 0;; ++round) {
    auto answer = co_await target.server->upstream->call(upstream, isolation);
    if (!answer || !wants_input(*answer)) co_return Turn{.answer = std::move(answer)};
    if (round == limits::kQuestionRounds)
      co_return fail(Code::upstream_broken, Blame::upstream, "asks the client again and again");
    std::erase_if(upstream.replace, [](const auto& member) {
      return member.first == "inputResponses" || member.first == "requestState";
    });
    if (const auto requests = answer->payload.find("inputRequests")) {
      auto responses = co_await ask_round(asking, *requests);
      if (call.cancel.requested()) co_return fail(Code::cancelled, Blame::client, "cancelled by the caller");
      if (!responses) co_return Failure(responses.error());
      upstream.replace.emplace_back("inputResponses", std::move(*responses));
    }
    if (const auto state = answer->payload.find("requestState"))
      upstream.replace.emplace_back("requestState", std::string(state->raw()));
    upstream.deadline = std::chrono::steady_clock::now() + target.server->config->document.timeout;
  }
}

Task<Result<Turn>> McpService::begin(Call& call, const Target& target, UpstreamCall upstream,
                                     std::string isolation) {
  const auto dialogue = std::make_shared<Dialogue>(call.here.shard, upstream.capabilities);
  struct Keep {
    std::shared_ptr<const json::Document> body;
    std::shared_ptr<const Snapshot> snapshot;
    net::HeldBytes held;
  };
  auto watch = call.cancel.on_request([dialogue] { dialogue->cancel(); });
  if (call.cancel.requested()) co_return fail(Code::cancelled, Blame::client, "cancelled by the caller");
  dialogue->start(target.server->upstream, std::move(upstream), std::move(isolation),
                  std::make_shared<Keep>(Keep{call.body, call.snapshot, std::move(call.held)}));
  Turn turn = co_await dialogue->next(
      [this, &call](mcp::Method method, json::Value params) { relay(call, method, params); });
  if (turn.answer) co_return turn;
  if (!call.here.parked.add(call.id, call.principal_name(), dialogue)) {
    dialogue->cancel();
    // It has begun and asked something: a repeat may act twice.
    Failure crowded = fail(Code::limited, Blame::us, "too many calls wait for their clients");
    crowded.error().answered = true;
    co_return crowded;
  }
  call.dialogue = call.id;
  park(call.here, call.id, *dialogue);
  co_return turn;
}

void McpService::park(ShardState& state, const std::string& id, Dialogue& dialogue) {
  dialogue.expire_after(limits::kQuestionWait, [&state, id] {
    state.parked.erase(id);
    note_abandoned(state, id);
  });
}

void McpService::note_abandoned(ShardState& state, const std::string& id) {
  state.journal.note("abandoned", "\"call\":" + json::quote(id));
  state.commit_soon();
}

Task<Result<Turn>> McpService::resume(Call& call, RequestState state) {
  const auto gone = [] {
    return client_error(Code::invalid_params,
                        "The call that asked this has ended. Start it again without requestState and "
                        "inputResponses.");
  };
  if (state.start != start_ || state.shard < 0 || state.shard >= shards_.size()) co_return gone();
  const auto given = call.message.message.params->find("inputResponses");
  const std::string responses(given ? given->raw() : "{}");
  net::Shard& home = shards_[state.shard];
  ShardState* there = states_[static_cast<std::size_t>(state.shard)].get();

  // Where this request is answered, for what the upstream says meanwhile; null once it was.
  struct Reader {
    McpService* service;
    Call* call;
  };
  const auto reader = std::make_shared<Reader>(Reader{this, &call});
  const struct Detach {
    Reader& reader;
    ~Detach() { reader.call = nullptr; }
  } detach{*reader};
  Dialogue::Tell tell = [reader, &shard = call.here.shard](mcp::Method method, json::Value params) {
    if (shard.is_current()) {
      if (reader->call) reader->service->relay(*reader->call, method, params);
      return;
    }
    (void)shard.post([reader, method, raw = std::string(params.raw())] {
      const auto document = json::Document::parse(raw, json::kUpstream);
      if (document && reader->call) reader->service->relay(*reader->call, method, document->root());
    });
  };
  const auto attempt = std::make_shared<Attempt>();
  const auto cancelled = call.cancel.on_request([there, &home, id = state.dialogue, attempt] {
    (void)home.post([there, id, attempt] {
      attempt->given_up = true;
      // What another request goes on with is not ours to end.
      if (!attempt->taken) return;
      if (const auto dialogue = there->parked.find(id)) dialogue->cancel();
    });
  });
  call.dialogue = state.dialogue;
  co_return co_await net::run_on<Result<Turn>>(
      home, [there, attempt, id = state.dialogue, round = state.round, responses, tell] {
        return continue_parked(*there, attempt, id, round, responses, tell);
      });
}

Task<Result<Turn>> McpService::continue_parked(ShardState& state, std::shared_ptr<Attempt> attempt,
                                               std::string id, int round, std::string responses,
                                               Dialogue::Tell tell) {
  const auto dialogue = state.parked.find(id);
  // An answer to an earlier round has been given already; it must not count twice.
  if (!dialogue || dialogue->round() != round || dialogue->attached())
    co_return client_error(
        Code::invalid_params,
        "The call that asked this has gone on or ended. Start it again without requestState "
        "and inputResponses.");
  if (attempt->given_up) co_return fail(Code::cancelled, Blame::client, "cancelled by the caller");
  const auto document = json::Document::parse(std::move(responses));
  if (!document) co_return Failure(document.error());
  attempt->taken = true;
  if (auto taken = dialogue->answer(document->root()); !taken) co_return Failure(taken.error());
  Turn turn = co_await dialogue->next(std::move(tell));
  if (turn.answer) {
    state.parked.erase(id);
  } else {
    park(state, id, *dialogue);
  }
  co_return turn;
}

Result<Answer> McpService::input_required(Call& call, const Turn& turn) {
  call.input_required = true;
  const RequestState state{.digest = request_digest(call.message.message.method, call.message.message.params),
                           .call = call.id,
                           .expires = unix_millis(clock_.now() + limits::kQuestionWait) / 1000,
                           .dialogue = call.dialogue,
                           .shard = turn.shard,
                           .round = turn.round,
                           .start = start_};
  std::string out = "{\"resultType\":\"input_required\",\"inputRequests\":{";
  for (const auto& asked : turn.asked) {
    if (&asked != turn.asked.data()) out += ',';
    out += json::quote(asked.key) + ":{\"method\":" + json::quote(mcp::text_of(asked.question.method)) +
           ",\"params\":" + params_for(asked.question, true) + "}";
  }
  out += "},\"requestState\":" + json::quote(seal_state(sealer_, state, call.bound())) +
         ",\"_meta\":{\"io.modelcontextprotocol/serverInfo\":" + call.endpoint->server_info + "}}";
  return RpcResult{std::move(out)};
}

}  // namespace sallyport::gateway
