// Upstreams behind a pipe of messages, at the upstream's interface: whose question it is, what is watched,
// what is told. The pipe is a child process's.
#include <csignal>

#include "upstream_bench.hpp"

using namespace sallyport::testing;

namespace {

namespace mcp = sallyport::mcp;
namespace net = sallyport::net;
namespace limits = sallyport::limits;

/// A child process in a mode of the peer, and what it wrote down.
struct Bed : Ledger {
  explicit Bed(const std::string& mode, const std::string& more = "", int shards = 2)
      : bench("kind: Server\nname: up\ntransport: {type: stdio, command: \"" STDIO_PEER "\", args: [" + mode +
                  ", \"" + path() + "\"]}\n" + more,
              "", shards) {}
  UpstreamBench bench;
};

/// Answers every question; remembers what was asked, and where.
struct Client {
  explicit Client(std::string answer = R"({"action":"accept"})", bool is_error = false)
      : answer_(std::move(answer)), is_error_(is_error) {}

  sallyport::gateway::Ask ask() {
    return [this](Question question) { return take(std::move(question)); };
  }
  sallyport::Task<QuestionAnswer> take(Question question) {
    ++asked;
    shard = net::Shard::current()->index();
    method = question.method;
    params = question.params;
    const auto until = std::chrono::steady_clock::now() + think;
    const auto taken_back = [&] { return question.withdrawal && question.withdrawal->happened(); };
    while (std::chrono::steady_clock::now() < until && !taken_back())
      co_await net::sleep_for(*net::Shard::current(), 1ms);
    if (taken_back()) ++withdrawn;
    ++answered;
    co_return QuestionAnswer{.raw = answer_, .is_error = is_error_};
  }

  std::chrono::milliseconds think{1};
  std::atomic<int> asked = 0, withdrawn = 0, answered = 0, shard = -1;
  mcp::Method method = mcp::Method::unknown;
  std::string params;

 private:
  const std::string answer_;
  const bool is_error_;
};

const std::string kSampling = R"({"elicitation":{"form":{}},"sampling":{}})";

}  // namespace

TEST_CASE(
    "an upstream's question reaches the client of the one call under way, and its answer the upstream") {
  Bed bed("legacy", "isolation: principal\n");
  for (const int shard : {0, 1}) {
    CAPTURE(shard);
    Client client;
    const std::string told =
        bed.bench.call(shard, "ask", {{"method", "elicitation/create"}},
                       {.isolation = "alice", .capabilities = kSampling, .ask = client.ask()});
    CHECK(Json::parse(told) ==
          Json{{"jsonrpc", "2.0"}, {"id", "question"}, {"result", {{"action", "accept"}}}});
    CHECK(client.asked == 1);
    CHECK(client.shard == shard);
    CHECK(client.method == mcp::Method::elicitation_create);
    CHECK(Json::parse(client.params)["maxTokens"] == 1);
  }
  Client refuses(R"({"code":-1,"message":"User rejected it"})", true);
  const Json told = Json::parse(bed.bench.call(
      0, "ask", Json::object(), {.isolation = "alice", .capabilities = kSampling, .ask = refuses.ask()}));
  CHECK(told["error"]["message"] == "User rejected it");
  CHECK(bed.count("greeted with " + kSampling) == 1);
  CHECK(bed.count("start") == 1);
}

TEST_CASE("a question that nobody can be asked is refused, and the call goes on") {
  struct Row {
    const char* mode;
    const char* method;
    const char* isolation;
    std::string capabilities;
    bool has_ask;
  };
  const Row rows[] = {
      {"legacy", "sampling/createMessage", "", kSampling, true},        // shared: declares nothing
      {"legacy", "sampling/createMessage", "alice", "{}", true},        // not declared
      {"legacy", "roots/list", "alice", kSampling, true},               // not that one
      {"legacy", "tools/list", "alice", kSampling, true},               // no question
      {"legacy", "sampling/createMessage", "alice", kSampling, false},  // the caller cannot be asked
      {"modern", "sampling/createMessage", "alice", kSampling, true},   // not in that era
  };
  for (const Row& row : rows) {
    CAPTURE(row.mode);
    CAPTURE(row.method);
    CAPTURE(row.isolation);
    Bed bed(row.mode, "isolation: principal\n");
    Client client;
    const Json told =
        Json::parse(bed.bench.call(0, "ask", {{"method", row.method}},
                                   {.isolation = row.isolation,
                                    .capabilities = row.capabilities,
                                    .ask = row.has_ask ? client.ask() : sallyport::gateway::Ask()}));
    CHECK(told["error"]["code"] == -32601);
    CHECK(client.asked == 0);
  }
}

TEST_CASE("with two calls under way nobody can say whose question it is: it is refused") {
  Bed bed("legacy", "isolation: principal\n");
  Client one, two;
  const std::string file = bed.file("go");
  auto waiting = bed.bench.begin_call(0, "wait", {{"file", file}},
                                      {.isolation = "alice", .capabilities = kSampling, .ask = one.ask()});
  REQUIRE(bed.noted("call wait"));
  const Json told = Json::parse(bed.bench.call(
      1, "ask", Json::object(), {.isolation = "alice", .capabilities = kSampling, .ask = two.ask()}));
  CHECK(told["error"]["code"] == -32603);
  std::ofstream(file) << "now";
  CHECK(waiting.get() == "released");
  CHECK(one.asked + two.asked == 0);
}

TEST_CASE("a call's deadline stands still while its question is open, and goes on afterwards") {
  Bed bed("legacy", "isolation: principal\n");
  Client slow;
  slow.think = 700ms;
  const CallOptions options{.isolation = "alice", .capabilities = kSampling, .ask = slow.ask()};
  CHECK(bed.bench.call(0, "echo", Json::object(), options) == "{}");
  CallOptions hasty = options;
  hasty.within = 300ms;
  CHECK(Json::parse(bed.bench.call(0, "ask", Json::object(), hasty)).contains("result"));
  CHECK(slow.asked == 1);
  CHECK(bed.bench.call(0, "ask and stop", Json::object(), hasty) == "upstream_timeout");
  CHECK(slow.asked == 2);
}

TEST_CASE(
    "when a call ends with its question open, the upstream hears an error, and the late answer is of no "
    "use") {
  for (const int shard : {0, 1}) {
    CAPTURE(shard);
    Bed bed("legacy", "isolation: principal\n");
    Client slow;
    slow.think = 500ms;
    sallyport::Cancel cancel;
    auto call = bed.bench.begin_call(
        shard, "ask", Json::object(),
        {.isolation = "alice", .capabilities = kSampling, .ask = slow.ask(), .cancel = &cancel});
    REQUIRE(UpstreamBench::until([&] { return slow.asked == 1; }));
    bed.bench.on(shard, [&cancel]() -> sallyport::Task<int> {
      return [](sallyport::Cancel* c) -> sallyport::Task<int> {
        c->request();
        co_return 0;
      }(&cancel);
    });
    CHECK(call.get() == "cancelled");
    CHECK(bed.noted("cancelled "));
    CHECK(bed.noted("answered "));
    CHECK(bed.lines().back().find("-32603") != std::string::npos);
    // The client's own answer comes now, and goes nowhere.
    CHECK(UpstreamBench::until([&] { return slow.answered == 1; }));
    CHECK(bed.bench.call(shard, "wait", {{"file", "/"}}, {.isolation = "alice", .capabilities = kSampling}) ==
          "released");
    CHECK(bed.count("answered ") == 1);
  }
}

TEST_CASE("a question that the upstream takes back is taken from the client, and the deadline goes on") {
  for (const int shard : {0, 1}) {
    CAPTURE(shard);
    Bed bed("legacy", "isolation: principal\n");
    Client slow;
    slow.think = 30s;
    CallOptions options{.isolation = "alice", .capabilities = kSampling, .ask = slow.ask()};
    CHECK(bed.bench.call(shard, "echo", Json::object(), options) == "{}");
    options.within = 2s;
    CHECK(bed.bench.call(shard, "ask and withdraw", Json::object(), options) == "upstream_timeout");
    CHECK(UpstreamBench::until([&] { return slow.answered == 1; }));
    CHECK(slow.withdrawn == 1);
    options.within = 10s;
    CHECK(bed.bench.call(shard, "echo", Json::object(), options) == "{}");
    CHECK(bed.count("answered ") == 0);
  }
}

TEST_CASE("a question under the id of one that was taken back is another one") {
  for (const int shard : {0, 1}) {
    CAPTURE(shard);
    Bed bed("legacy", "isolation: principal\n");
    Client client;
    client.think = 500ms;
    const CallOptions options{.isolation = "alice", .capabilities = kSampling, .ask = client.ask()};
    const Json told = Json::parse(bed.bench.call(shard, "ask anew", Json::object(), options));
    CHECK(told["result"] == Json{{"action", "accept"}});
    CHECK(client.asked == 2);
    CHECK(client.withdrawn == 1);
    CHECK(bed.count("answered ") == 1);
  }
}

TEST_CASE("a caller's child is made for its capabilities; a modern one hears them with every call") {
  for (const std::string mode : {"legacy", "modern"}) {
    CAPTURE(mode);
    Bed bed(mode, "isolation: principal\n");
    const auto pid = [&](const std::string& isolation, const std::string& capabilities) {
      return bed.bench.call(0, "pid", Json::object(), {.isolation = isolation, .capabilities = capabilities});
    };
    const std::string sampling = pid("alice", kSampling), none = pid("alice", "{}");
    CHECK((sampling == none) == (mode == "modern"));
    CHECK(pid("alice", kSampling) == sampling);
    CHECK(pid("alice", "{}") == none);
    CHECK(pid("bob", kSampling) != sampling);
    CHECK(pid("", kSampling) == pid("", "{}"));
    CHECK(bed.count("start") == (mode == "modern" ? 3 : 4));
    CHECK(bed.count("greeted with " + kSampling) == (mode == "modern" ? 0 : 2));
  }
}

TEST_CASE("what a shared child logs reaches nobody once it has had calls of two principals") {
  for (const bool shared : {true, false}) {
    CAPTURE(shared);
    Bed bed("legacy", shared ? "" : "isolation: principal\n");
    const auto talk = [&](const std::string& who) {
      int messages = 0;
      CHECK(bed.bench.call(0, "talk", Json::object(),
                           {.principal = who,
                            .isolation = shared ? "" : who,
                            .on_notification = [&](const sallyport::gateway::UpstreamNotification& heard) {
                              messages += heard.method == mcp::Method::n_message;
                            }}) == "talked");
      return messages;
    };
    CHECK(talk("agent:alice") > 0);
    CHECK(talk("agent:alice") > 0);
    CHECK((talk("agent:bob") > 0) == !shared);
    CHECK((talk("agent:alice") > 0) == !shared);
  }
}

TEST_CASE("children of their own: nobody's calls take all the places, and those that rest make room") {
  Bed bed("modern", "isolation: session\n", 1);
  const auto child = [&](const std::string& whose) {
    return bed.bench.call(0, "pid", Json::object(), {.isolation = whose});
  };
  const auto alive_at_last = [&](std::size_t wanted) {
    return UpstreamBench::until([&] {
      const auto lines = bed.lines();
      return wanted ==
             static_cast<std::size_t>(std::count_if(lines.begin(), lines.end(), [](const auto& line) {
               return line.starts_with("start ") && ::kill(std::stoi(line.substr(6)), 0) == 0;
             }));
    });
  };
  constexpr std::size_t kShare = limits::kChildren - limits::kChildren / 4;
  const std::string file = bed.file("go");
  std::vector<std::future<std::string>> calls;
  for (std::size_t i = 0; i < kShare; ++i)
    calls.push_back(bed.bench.begin_call(
        0, "wait", {{"file", file}},
        {.isolation = "s" + std::to_string(i) + " alice", .within = std::chrono::minutes(2)}));
  REQUIRE(UpstreamBench::until([&] { return bed.count("call wait") == kShare; }, 30s));
  CHECK(child("one-more alice") == "limited again");

  const std::string first = child("s0 bob");
  for (std::size_t i = 1; i < limits::kChildren - kShare; ++i) (void)child("s" + std::to_string(i) + " bob");
  CHECK(child("s0 bob") == first);
  const std::string second = child("s1 bob");
  const std::string last = child("s15 bob");
  CHECK(alive_at_last(limits::kChildren));
  CHECK(std::stoi(child("one-more carol")) > 0);
  CHECK(alive_at_last(limits::kChildren));
  CHECK(child("s0 bob") == first);
  CHECK(child("s1 bob") == second);
  CHECK(child("s15 bob") == last);

  std::ofstream(file) << "go";
  for (auto& call : calls) CHECK(call.get() == "released");
  CHECK(std::stoi(child("one-more alice")) > 0);
  CHECK(alive_at_last(limits::kChildren));
}

TEST_CASE(
    "a watched resource of a 2025 child: subscribed to once, told of, again after a crash, and ended once") {
  Bed bed("legacy-watch");
  auto& bench = bed.bench;
  CHECK(bench.watch(Topic::resource, "note://one") == "ok");
  CHECK(bench.watch(Topic::resource, "note://one") == "ok");
  CHECK(bed.count("subscribe note://one") == 1);
  CHECK(bench.call(0, "touch", {{"uri", "note://one"}}) == "touched");
  REQUIRE(UpstreamBench::until([&] { return bench.notices(Notice::Kind::resource_updated).size() == 1; }));
  const Notice notice = bench.notices(Notice::Kind::resource_updated)[0];
  CHECK(notice.id == "note://one");
  CHECK(notice.server == "up");
  CHECK(Json::parse(notice.params) == Json{{"uri", "note://one"}});

  CHECK(bench.watch(Topic::resource, "no:thing").starts_with("upstream_broken"));
  CHECK(bench.watch(Topic::task, "t1").starts_with("upstream_broken"));

  CHECK(bench.call(0, "crash") == "upstream_broken");
  CHECK(bed.noted("subscribe note://one", 2));
  CHECK(UpstreamBench::until([&] { return bench.notices(Notice::Kind::resource_updated).size() == 2; }));

  bench.unwatch(Topic::resource, "note://one");
  CHECK(bed.count("unsubscribe") == 0);
  bench.unwatch(Topic::resource, "note://one");
  CHECK(bed.noted("unsubscribe note://one"));
}

TEST_CASE(
    "a modern child is listened to: for its lists at once, and with a larger filter for what is watched") {
  Bed bed("modern-watch");
  auto& bench = bed.bench;
  CHECK_FALSE(bench.upstream->notifies());
  CHECK(bench.call(0, "echo") == "{}");
  CHECK(bed.noted(R"(listen {"resourcesListChanged":true,"toolsListChanged":true})"));
  CHECK(UpstreamBench::until([&] { return bench.upstream->notifies(); }));

  CHECK(bench.watch(Topic::resource, "note://one") == "ok");
  CHECK(bed.noted("cancelled "));
  CHECK(bench.watch(Topic::resource, "no:thing").starts_with("upstream_broken"));
  CHECK(bench.watch(Topic::resource, "note://one") == "ok");
  CHECK(bench.watch(Topic::task, "t1") == "ok");
  CHECK(
      bed.count(
          R"(listen {"resourceSubscriptions":["note://one"],"resourcesListChanged":true,"taskIds":["t1"],"toolsListChanged":true})") ==
      1);
  CHECK(bench.call(0, "touch", {{"uri", "note://one"}}) == "touched");
  CHECK(bench.call(0, "work", {{"task", "t1"}}) == "at work");
  REQUIRE(UpstreamBench::until([&] {
    return bench.notices(Notice::Kind::task_changed).size() == 1 &&
           bench.notices(Notice::Kind::resource_updated).size() == 1;
  }));
  CHECK(bench.notices(Notice::Kind::task_changed)[0].id == "t1");
  CHECK(Json::parse(bench.notices(Notice::Kind::task_changed)[0].params) ==
        Json{{"taskId", "t1"}, {"status", "working"}});

  // The server ends the subscription: it is opened again, and what may have been missed is told.
  const auto listens = bed.count("listen");
  CHECK(bench.call(0, "hang up") == "hung up");
  CHECK(bed.noted("listen", listens + 1));
  CHECK(UpstreamBench::until([&] {
    return bench.notices(Notice::Kind::list_changed).size() == 1 &&
           bench.notices(Notice::Kind::resource_updated).size() == 2;
  }));
  CHECK(bench.upstream->notifies());

  CHECK(bench.call(0, "crash") == "upstream_broken");
  CHECK_FALSE(bench.upstream->notifies());
  CHECK(UpstreamBench::until([&] { return bench.upstream->notifies(); }));
  CHECK(bed.count("start") == 2);
}

TEST_CASE("every new start of a child that tells of its lists is told, as what it offers may be new") {
  Bed bed("legacy");
  CHECK(bed.bench.call(0, "echo") == "{}");
  for (std::size_t starts = 2; starts < 4; ++starts) {
    CHECK(bed.bench.call(0, "crash") == "upstream_broken");
    REQUIRE(UpstreamBench::until([&] { return bed.bench.call(0, "echo") == "{}"; }));
    CHECK(bed.count("start") == starts);
    CHECK(bed.bench.notices(Notice::Kind::list_changed).size() == starts - 1);
  }
}

TEST_CASE("a call that was given up before it is made reaches no child, whichever shard it comes from") {
  Bed bed("legacy");
  CHECK(bed.bench.call(0, "echo") == "{}");
  for (const int shard : {0, 1}) {
    CAPTURE(shard);
    const std::string told = bed.bench.on(shard, [&]() -> sallyport::Task<std::string> {
      sallyport::Cancel cancel;
      cancel.request();
      co_return co_await UpstreamBench::call_task(bed.bench.upstream, "pid", Json::object(),
                                                  {.cancel = &cancel});
    });
    CHECK(told.starts_with("cancelled"));
  }
  CHECK(bed.bench.call(0, "echo") == "{}");
  CHECK(bed.count("call pid") == 0);
}

TEST_CASE("a modern child may end its subscription by a cancellation: it is opened again") {
  Bed bed("modern-watch");
  auto& bench = bed.bench;
  CHECK(bench.watch(Topic::resource, "note://one") == "ok");
  REQUIRE(UpstreamBench::until([&] { return bench.upstream->notifies(); }));
  const auto listens = bed.count("listen");
  CHECK(bench.call(0, "let go") == "let go");
  CHECK(bed.noted("listen", listens + 1));
  CHECK(UpstreamBench::until([&] {
    return bench.notices(Notice::Kind::list_changed).size() == 1 &&
           bench.notices(Notice::Kind::resource_updated).size() == 1;
  }));
  CHECK(bench.upstream->notifies());
}

TEST_CASE("what a modern child refuses to tell of takes nothing else along, and nobody waits for it") {
  Bed bed("modern-watch");
  auto& bench = bed.bench;
  CHECK(bench.watch(Topic::resource, "note://one") == "ok");
  CHECK(bench.watch(Topic::resource, "bad:thing") ==
        "upstream_broken: refuses subscriptions: -32602 Not these");
  CHECK(bench.watch(Topic::resource, "note://two") == "ok");
  CHECK(bench.watch(Topic::resource, "once:thing") == "ok");
  CHECK(bench.upstream->notifies());

  // The next process refuses what the first one took: the others are watched there all the same.
  CHECK(bench.call(0, "crash") == "upstream_broken");
  REQUIRE(UpstreamBench::until([&] { return bench.notices(Notice::Kind::resource_updated).size() == 2; }));
  CHECK(UpstreamBench::until([&] { return bench.upstream->notifies(); }));
  CHECK(bench.call(0, "touch", {{"uri", "note://two"}}) == "touched");
  REQUIRE(UpstreamBench::until([&] { return bench.notices(Notice::Kind::resource_updated).size() == 3; }));
  CHECK(bench.notices(Notice::Kind::resource_updated)[2].id == "note://two");
}

TEST_CASE("a 2025 child that promises to tell of its lists notifies while it runs") {
  Bed bed("legacy");
  CHECK_FALSE(bed.bench.upstream->notifies());
  CHECK(bed.bench.call(0, "grow") == "grown");
  CHECK(bed.bench.upstream->notifies());
  CHECK(UpstreamBench::until([&] { return bed.bench.notices(Notice::Kind::list_changed).size() == 1; }));
  CHECK(bed.bench.call(0, "crash") == "upstream_broken");
  CHECK_FALSE(bed.bench.upstream->notifies());
}

TEST_CASE("a 2025 child is set to the most verbose log level that any call wants, once") {
  Bed bed("legacy");
  for (const char* level : {"", "error", "emergency", "error", "debug", "info", ""})
    CHECK(bed.bench.call(0, "echo", Json::object(), {.log_level = level}) == "{}");
  CHECK(bed.count("set level") == 2);
  CHECK(bed.count("set level error") == 1);
  CHECK(bed.count("set level debug") == 1);
}

TEST_CASE("a child that closes its output or its input and lives on is replaced; no call runs twice") {
  for (const std::string mode : {"modern", "legacy"}) {
    for (const std::string end : {"output", "input"}) {
      CAPTURE(mode);
      CAPTURE(end);
      Bed bed(mode);
      const std::string told = bed.bench.call(0, "close " + end);
      CHECK(told == (end == "input" ? "closed" : "upstream_broken"));
      // What was in the pipe when the input was closed may have run, for all that anybody knows.
      std::vector<std::string> failed;
      bool tripped = false;
      CHECK(UpstreamBench::until([&] {
        const std::string next = bed.bench.call(1, "echo", {{"n", 1}});
        tripped = tripped || bed.bench.upstream->health().breaker.open;
        if (next != "{\"n\":1}") failed.push_back(next);
        return next == "{\"n\":1}";
      }));
      REQUIRE(failed.size() >= 1);
      // What was not tried says nothing of the children of others.
      CHECK_FALSE(tripped);
      const bool lost = end == "input" && failed.front() == "upstream_broken";
      CHECK(std::all_of(failed.begin() + (lost ? 1 : 0), failed.end(),
                        [](const auto& one) { return one == "upstream_unreachable again"; }));
      CHECK(bed.count("call close") == 1);
      CHECK(bed.count("call echo") == 1);
      CHECK(bed.count("start") == 2);
    }
  }
}

TEST_CASE("a child from which nothing comes during as many calls as open the breaker is replaced") {
  Bed bed("modern");
  CHECK(bed.bench.call(0, "freeze") == "frozen");
  std::vector<std::future<std::string>> lost;
  // One that has longer than the others is in flight when the child is given up.
  lost.push_back(bed.bench.begin_call(0, "echo", Json::object(), {}));
  for (int i = 0; i < limits::kBreakerFailures; ++i)
    CHECK(bed.bench.call(1, "echo", Json::object(), {.within = 50ms}) == "upstream_timeout");
  CHECK(lost[0].get() == "upstream_broken");
  CHECK(UpstreamBench::until([&] { return bed.bench.call(0, "echo") == "{}"; }));
  CHECK(bed.count("start") == 2);
  CHECK(bed.count("call echo") == 1);
}

TEST_CASE("while the breaker is open, two calls that find a child silent are enough to replace it") {
  Bed bed("legacy");
  CHECK(bed.bench.call(0, "freeze") == "frozen");
  for (int i = 0; i < limits::kBreakerFailures; ++i)
    CHECK(bed.bench.call(0, "echo", Json::object(), {.within = 50ms}) == "upstream_timeout");
  int probes = 0;
  CHECK(UpstreamBench::until([&] {
    // The first may be spent on the start.
    probes += bed.bench.call(0, "never", Json::object(), {.within = 300ms}) == "upstream_timeout" ? 1 : 0;
    return probes == 2;
  }));
  CHECK(UpstreamBench::until([&] { return bed.bench.call(0, "echo") == "{}"; }));
  CHECK(bed.count("start") == 3);
  CHECK(bed.count("call never") == 2);
}

TEST_CASE("a child that is slow with some calls and answers others, or late, stays") {
  Bed bed("modern");
  const auto times_out = [&](const std::string& tool, const Json& arguments) {
    CHECK(bed.bench.call(0, tool, arguments, {.within = 20ms}) == "upstream_timeout");
  };
  for (int i = 0; i < 12; ++i) {
    if (i % 4 == 0) CHECK(bed.bench.call(0, "echo") == "{}");
    times_out("never", Json::object());
  }
  CHECK(bed.bench.call(0, "echo") == "{}");
  for (int i = 1; i < limits::kBreakerFailures; ++i) times_out("wait", {{"file", bed.file("go")}});
  std::ofstream(bed.file("go")) << "";
  REQUIRE(bed.noted("released", limits::kBreakerFailures - 1));
  times_out("never", Json::object());
  CHECK(UpstreamBench::until([&] { return bed.bench.call(0, "echo") == "{}"; }));
  CHECK(bed.count("start") == 1);
}
