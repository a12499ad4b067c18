// What a legacy upstream asks while it works on a call, and the sessions that make it possible.
#include "sallyport/core/limits.hpp"
#include "scripted_mcp.hpp"

using namespace sallyport;
using namespace sallyport::testing;
using gateway::Notice;
using gateway::Question;
using gateway::QuestionAnswer;

namespace {

const char* const kCapabilities = R"({"elicitation":{"form":{}}})";

Json elicitation(const Json& id) {
  return {{"jsonrpc", "2.0"},
          {"id", id},
          {"method", "elicitation/create"},
          {"params", {{"mode", "form"}, {"message", "Account?"}}}};
}

/// Answers questions from a test's hand: at once, or when it is let go.
struct Person {
  std::atomic<int> asked{0}, withdrawn{0};
  std::atomic<bool> may_answer{true};
  std::atomic<bool> declines{false};
  std::mutex mutex;
  std::vector<Question> questions;

  gateway::Ask ask() {
    return [this](Question question) { return answer(*this, std::move(question)); };
  }
  bool wait_asked(int n = 1) const {
    for (int i = 0; i < 1000 && asked < n; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    return asked >= n;
  }
  static Task<QuestionAnswer> answer(Person& self, Question question) {
    const auto withdrawal = question.withdrawal;
    {
      const std::lock_guard lock(self.mutex);
      self.questions.push_back(std::move(question));
    }
    ++self.asked;
    const auto taken_back = [&] { return withdrawal && withdrawal->happened(); };
    while (!self.may_answer && !taken_back())
      co_await net::sleep_for(*net::Shard::current(), std::chrono::milliseconds(5));
    const bool declines = self.declines;
    if (taken_back()) ++self.withdrawn;
    if (declines) co_return QuestionAnswer{R"({"code":-1,"message":"no"})", true};
    co_return QuestionAnswer{R"({"action":"accept","content":{"acct":"A-1"}})"};
  }
};

Calling with(Person& person, const std::string& capabilities = kCapabilities) {
  return {.capabilities = capabilities, .ask = person.ask()};
}

/// A tool that puts `before` on its stream and answers when `answers` responses of ours have come.
ScriptedMcp::Handler asks(ScriptedMcp& mcp, std::vector<Json> before, std::size_t answers = 1) {
  return [&mcp, before, answers](RawSocket& socket, const Heard& heard) {
    std::string first;
    for (const Json& each : before) first += ScriptedMcp::event(each);
    ScriptedMcp::open_stream(socket, first);
    for (int i = 0; i < 1000 && mcp.count("response") < answers && !gone(socket); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    socket.send(ScriptedMcp::event(ScriptedMcp::text_result(heard.message, "thank you")));
    return false;
  };
}

}  // namespace

TEST_CASE(
    "a legacy upstream hears exactly what this caller can be asked, in a session of that caller alone") {
  ScriptedMcp mcp(ScriptedMcp::Era::legacy);
  UpstreamFixture gateway(mcp);
  Person person;
  CHECK(gateway.call() == "fine");
  CHECK(gateway.call(with(person)) == "fine");
  CHECK(gateway.call(with(person), 1) == "fine");
  auto other = with(person);
  other.principal = "agent:other";
  CHECK(gateway.call(other) == "fine");
  CHECK(gateway.call(with(person, R"({"roots":{}})")) == "fine");
  CHECK(gateway.call() == "fine");

  const auto handshakes = mcp.heard("initialize");
  REQUIRE(handshakes.size() == 4);
  CHECK(handshakes[0].message["params"]["capabilities"] == Json::object());
  CHECK(handshakes[1].message["params"]["capabilities"] == Json::parse(kCapabilities));
  CHECK(handshakes[2].message["params"]["capabilities"] == Json::parse(kCapabilities));
  CHECK(handshakes[3].message["params"]["capabilities"] == Json::parse(R"({"roots":{}})"));
  CHECK(mcp.count("server/discover") == 1);
  CHECK(mcp.count("notifications/initialized") == 4);

  std::vector<std::string> sessions;
  for (const auto& call : mcp.heard("tools/call")) sessions.push_back(call.session());
  CHECK(sessions == std::vector<std::string>{"session-1", "session-2", "session-2", "session-3", "session-4",
                                             "session-1"});
  gateway.close();
  // All of them are ended.
  std::set<std::string> ended;
  for (const auto& each : mcp.heard("DELETE")) ended.insert(each.session());
  CHECK(ended == std::set<std::string>{"session-1", "session-2", "session-3", "session-4"});
}

TEST_CASE("a question on the call's stream is carried to the client and answered in the same session") {
  ScriptedMcp mcp(ScriptedMcp::Era::legacy);
  UpstreamFixture gateway(mcp);
  Person person;
  std::atomic<int> progress = 0;
  mcp.on("tools/call", asks(mcp, {elicitation("ask-1"),
                                  {{"jsonrpc", "2.0"},
                                   {"method", "notifications/progress"},
                                   {"params", {{"progressToken", 1}, {"progress", 1}}}}}));
  person.may_answer = false;
  auto how = with(person);
  how.on_notification = [&](const gateway::UpstreamNotification&) { ++progress; };
  auto call = gateway.calling(0, how);
  REQUIRE(person.wait_asked());
  // Progress goes on being read while somebody thinks.
  for (int i = 0; i < 1000 && progress == 0; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  CHECK(progress == 1);
  CHECK(mcp.count("response") == 0);
  person.may_answer = true;
  CHECK(call.get() == "thank you");
  const Heard answer = mcp.await("response");
  CHECK(answer.message == Json{{"jsonrpc", "2.0"},
                               {"id", "ask-1"},
                               {"result", {{"action", "accept"}, {"content", {{"acct", "A-1"}}}}}});
  CHECK(answer.session() == "session-2");
  CHECK(answer.header("MCP-Protocol-Version") == "2025-11-25");
  CHECK(person.questions[0].method == mcp::Method::elicitation_create);
  CHECK(Json::parse(person.questions[0].params)["message"] == "Account?");
}

TEST_CASE("what the client answers with an error reaches the upstream as an error") {
  ScriptedMcp mcp(ScriptedMcp::Era::legacy);
  UpstreamFixture gateway(mcp);
  Person person;
  person.declines = true;
  mcp.on("tools/call", asks(mcp, {elicitation(77)}));
  CHECK(gateway.call(with(person)) == "thank you");
  CHECK(mcp.await("response").message ==
        Json{{"jsonrpc", "2.0"}, {"id", 77}, {"error", {{"code", -1}, {"message", "no"}}}});
}

TEST_CASE("a question that nobody can be asked is refused, a ping answered, and the call goes on") {
  ScriptedMcp mcp(ScriptedMcp::Era::legacy);
  UpstreamFixture gateway(mcp);
  mcp.on("tools/call",
         asks(mcp, {elicitation("q"), {{"jsonrpc", "2.0"}, {"id", "p"}, {"method", "ping"}}}, 2));
  CHECK(gateway.call() == "thank you");
  std::map<std::string, Json> answers;
  for (const auto& each : mcp.heard("response")) answers[each.message["id"]] = each.message;
  CHECK(answers["q"]["error"]["code"] == -32601);
  CHECK(answers["p"]["result"] == Json::object());
  CHECK(mcp.count("initialize") == 1);
}

TEST_CASE("N44 an upstream that asks without end is told no, and cut off when it does not listen") {
  ScriptedMcp mcp(ScriptedMcp::Era::legacy);
  UpstreamFixture gateway(mcp);
  Person person;
  person.may_answer = false;
  std::vector<Json> many;
  for (int i = 0; i < 20; ++i) many.push_back(elicitation(i));
  mcp.on("tools/call", asks(mcp, many, 4));
  auto call = gateway.calling(0, with(person));
  REQUIRE(person.wait_asked(16));
  mcp.await("response", 4);
  CHECK(call.get() == "thank you");
  CHECK(person.asked == 16);
  for (const auto& each : mcp.heard("response")) CHECK(each.message["error"]["code"] == -32603);
  person.may_answer = true;

  for (int i = 20; i < 4000; ++i) many.push_back(elicitation(i));
  mcp.on("response", [&](RawSocket& socket, const Heard&) { return socket.rest().empty(); });
  mcp.on("tools/call", asks(mcp, many, 100000));
  CHECK(gateway.call({.within = std::chrono::seconds(8)}) == "upstream_broken");
}

TEST_CASE("a modern upstream may not ask: the call is broken off") {
  ScriptedMcp mcp(ScriptedMcp::Era::modern);
  UpstreamFixture gateway(mcp);
  Person person;
  mcp.on("tools/call", asks(mcp, {elicitation("ask-1")}));
  CHECK(gateway.call(with(person)) == "upstream_broken");
  CHECK(person.asked == 0);
  CHECK(mcp.heard("tools/call")[0].message["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] ==
        Json::parse(kCapabilities));
}

TEST_CASE("a question on the session's own stream belongs to the one call under way, on whichever shard") {
  ScriptedMcp mcp(ScriptedMcp::Era::legacy);
  const auto tap = mcp.tap();
  mcp.on("GET", ScriptedMcp::streams(tap));
  UpstreamFixture gateway(mcp);
  Person person;
  mcp.on("tools/call", [&](RawSocket& socket, const Heard& heard) {
    tap->event(elicitation("on-get"));
    mcp.await("response", mcp.count("tools/call"));
    return ScriptedMcp::reply(socket, 200, ScriptedMcp::text_result(heard.message, "thank you"));
  });
  for (const int shard : {0, 1}) {
    CAPTURE(shard);
    CHECK(gateway.call(with(person), shard) == "thank you");
  }
  CHECK(person.asked == 2);
  for (const auto& each : mcp.heard("response")) {
    CHECK(each.message["id"] == "on-get");
    CHECK(each.message["result"]["action"] == "accept");
    CHECK(each.session() == "session-2");
  }
  // The stream was there before the first call.
  CHECK(mcp.heard("GET")[0].session() == "session-2");
  CHECK(mcp.count("GET") == 1);
}

TEST_CASE("a question on the session's own stream that fits no call, or two, is refused") {
  ScriptedMcp mcp(ScriptedMcp::Era::legacy);
  const auto tap = mcp.tap();
  mcp.on("GET", ScriptedMcp::streams(tap));
  UpstreamFixture gateway(mcp);
  Person person;
  CHECK(gateway.call(with(person)) == "fine");
  tap->event(elicitation("nobody"));
  // The call that is over has left the session soon; asked again until it has.
  CHECK(mcp.await("response").message["error"]["code"] == -32603);

  std::atomic<bool> end{false};
  mcp.on("tools/call", [&](RawSocket& socket, const Heard& heard) {
    while (!end) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    return ScriptedMcp::reply(socket, 200, ScriptedMcp::text_result(heard.message));
  });
  auto first = gateway.calling(0, with(person));
  auto second = gateway.calling(1, with(person));
  mcp.await("tools/call", 3);
  tap->event(elicitation("two"));
  const Heard refused = mcp.await("response", 2);
  CHECK(refused.message["id"] == "two");
  CHECK(refused.message["error"]["code"] == -32603);
  end = true;
  CHECK(first.get() == "fine");
  CHECK(second.get() == "fine");
  CHECK(person.asked == 0);
}

TEST_CASE("the deadline of a call stands still while a question is open, and only then") {
  ScriptedMcp mcp(ScriptedMcp::Era::legacy);
  UpstreamFixture gateway(mcp);
  Person person;
  person.may_answer = false;
  mcp.on("tools/call", asks(mcp, {elicitation("slow")}));
  auto how = with(person);
  how.within = std::chrono::milliseconds(400);
  auto call = gateway.calling(0, how);
  REQUIRE(person.wait_asked());
  CHECK(call.wait_for(std::chrono::milliseconds(900)) == std::future_status::timeout);
  person.may_answer = true;
  CHECK(call.get() == "thank you");

  // Answered, but then the tool does not come to an end.
  mcp.on("tools/call", asks(mcp, {elicitation("slow")}, 1000));
  CHECK(gateway.call(how) == "upstream_timeout");
  CHECK(mcp.await("notifications/cancelled").session() == "session-2");
}

TEST_CASE("a question that the upstream takes back is taken from the client, and the deadline goes on") {
  const Json taken_back = {
      {"jsonrpc", "2.0"}, {"method", "notifications/cancelled"}, {"params", {{"requestId", "q"}}}};
  for (const bool on_own_stream : {true, false}) {
    CAPTURE(on_own_stream);
    ScriptedMcp mcp(ScriptedMcp::Era::legacy);
    const auto tap = mcp.tap();
    mcp.on("GET", ScriptedMcp::streams(tap));
    UpstreamFixture gateway(mcp);
    Person person;
    person.may_answer = false;
    CHECK(gateway.call(with(person)) == "fine");
    mcp.on("tools/call", [&](RawSocket& socket, const Heard&) {
      if (on_own_stream) ScriptedMcp::open_stream(socket, ScriptedMcp::event(elicitation("q")));
      if (!on_own_stream) tap->event(elicitation("q"));
      person.wait_asked();
      if (on_own_stream) socket.send(ScriptedMcp::event(taken_back));
      if (!on_own_stream) tap->event(taken_back);
      for (int i = 0; i < 2000 && !gone(socket); ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
      return false;
    });
    auto how = with(person);
    how.within = std::chrono::seconds(2);
    CHECK(gateway.call(how) == "upstream_timeout");
    CHECK(person.asked == 1);
    for (int i = 0; i < 1000 && person.withdrawn == 0; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    CHECK(person.withdrawn == 1);
    mcp.await("notifications/cancelled");
    CHECK(mcp.count("response") == 0);
  }
}

TEST_CASE("a caller who gives up ends the call at once, whoever is being asked") {
  ScriptedMcp mcp(ScriptedMcp::Era::legacy);
  UpstreamFixture gateway(mcp);
  Person person;
  person.may_answer = false;
  mcp.on("tools/call", asks(mcp, {elicitation("slow")}, 1000));
  auto how = with(person);
  how.cancel = std::make_shared<Cancel>();
  auto call = gateway.calling(1, how);
  REQUIRE(person.wait_asked());
  REQUIRE(gateway.shard(1).post([cancel = how.cancel] { cancel->request(); }));
  CHECK(call.get() == "cancelled");
  mcp.await("notifications/cancelled");
  person.may_answer = true;
  gateway.close();
  CHECK(mcp.count("response") == 0);
}

TEST_CASE("a session of a caller's own that the upstream has lost is made again, and nothing runs twice") {
  ScriptedMcp mcp(ScriptedMcp::Era::legacy);
  UpstreamFixture gateway(mcp);
  Person person;
  std::atomic<int> ran{0};
  mcp.on("tools/call", [&](RawSocket& socket, const Heard& heard) {
    if (heard.session() == "session-2") return ScriptedMcp::reply(socket, 404, nullptr);
    ++ran;
    return ScriptedMcp::reply(socket, 200, ScriptedMcp::text_result(heard.message));
  });
  CHECK(gateway.call(with(person)) == "fine");
  CHECK(ran == 1);
  CHECK(mcp.heard("tools/call").back().session() == "session-3");
  CHECK(mcp.heard("initialize").back().message["params"]["capabilities"] == Json::parse(kCapabilities));
}

TEST_CASE("the room for sessions is made of those that rest: none of a call under way") {
  ScriptedMcp mcp(ScriptedMcp::Era::legacy);
  UpstreamFixture gateway(mcp, 1);
  const auto end = std::make_shared<std::atomic<bool>>(false);
  mcp.on("tools/call", [end](RawSocket& socket, const Heard& heard) {
    while (heard.message["params"]["arguments"].contains("hold") && !*end && !gone(socket))
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    return ScriptedMcp::reply(socket, 200, ScriptedMcp::text_result(heard.message));
  });
  auto oldest = gateway.calling(
      0, {.within = std::chrono::minutes(10), .isolation = "oldest", .arguments = {{"hold", true}}});
  const std::string held = mcp.await("tools/call").session();
  std::map<std::string, std::string> sessions;
  for (const std::string who : {"first", "second", "third", "first"}) {
    REQUIRE(gateway.call({.isolation = who}) == "fine");
    sessions[who] = mcp.heard("tools/call").back().session();
  }
  for (std::size_t i = 0; i < limits::kUpstreamSessions - 2; ++i)
    REQUIRE(gateway.call({.isolation = "caller " + std::to_string(i)}) == "fine");
  // What was used last counts, not what was made last.
  mcp.await("DELETE", 2);
  std::set<std::string> ended;
  for (const auto& each : mcp.heard("DELETE")) ended.insert(each.session());
  CHECK(ended == std::set{sessions["second"], sessions["third"]});
  CHECK_FALSE(ended.contains(held));
  *end = true;
  CHECK(oldest.get() == "fine");
}

TEST_CASE("the log level of a legacy session is raised once, to the most talkative level that is wanted") {
  ScriptedMcp mcp(ScriptedMcp::Era::legacy, {{"tools", Json::object()}, {"logging", Json::object()}});
  UpstreamFixture gateway(mcp);
  const auto level = [&](const std::string& wanted, int shard) {
    return gateway.call({.log_level = wanted}, shard) == "fine";
  };
  CHECK(level("", 0));
  CHECK(mcp.count("logging/setLevel") == 0);
  CHECK(level("warning", 0));
  CHECK(level("warning", 1));
  CHECK(level("error", 0));
  REQUIRE(mcp.count("logging/setLevel") == 1);
  CHECK(mcp.heard("logging/setLevel")[0].message["params"] == Json{{"level", "warning"}});
  CHECK(level("debug", 1));
  CHECK(level("info", 0));
  CHECK(level("debug", 0));
  REQUIRE(mcp.count("logging/setLevel") == 2);
  CHECK(mcp.heard("logging/setLevel")[1].message["params"] == Json{{"level", "debug"}});
  CHECK(mcp.heard("logging/setLevel")[1].session() == "session-1");
}

TEST_CASE("a legacy upstream without logging is not bothered with levels") {
  ScriptedMcp mcp(ScriptedMcp::Era::legacy);
  UpstreamFixture gateway(mcp);
  CHECK(gateway.call({.log_level = "debug"}) == "fine");
  CHECK(mcp.count("logging/setLevel") == 0);
}
