// F05, F06 and F07 for model calls: providers that hang, drip or break off, and clients that leave; and what
// routes make of providers that fail.
#include <algorithm>
#include <atomic>

#include "model_rig.hpp"
#include "stream_reader.hpp"
#include "upstream_bench.hpp"

using namespace sallyport::testing;

namespace {

const std::string kStreamHead =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

std::string chunk(const std::string& text) {
  char size[16];
  std::snprintf(size, sizeof size, "%zx", text.size());
  return std::string(size) + "\r\n" + text + "\r\n";
}
/// The frames of a chat stream up to and with its first content.
std::string first_words() {
  const std::string frames = FakeProvider::chat_frames();
  return frames.substr(0, frames.find("\n\n", frames.find("Hel")) + 2);
}
/// Its frames before any content.
std::string no_words() {
  return FakeProvider::chat_frames().substr(0, FakeProvider::chat_frames().find("\n\n") + 2);
}

const char* const kResponsesStream = R"({"model":"openai/gpt-5-mini","stream":true,"input":"Hi"})";
/// One frame of a Responses stream.
std::string response_frame(const std::string& type, const std::string& members) {
  return "event: response." + type + "\ndata: {\"type\":\"response." + type + "\"," + members + "}\n\n";
}
/// The data of its frames.
std::vector<Json> data_of(const std::string& frames) {
  std::vector<Json> out;
  for (auto at = frames.find("data: "); at != std::string::npos; at = frames.find("data: ", at + 1))
    out.push_back(Json::parse(frames.substr(at + 6, frames.find('\n', at) - at - 6), nullptr, false));
  return out;
}

/// The same call of a chat provider by a client of its wire and by one of another, whole and streamed.
struct Sort {
  std::string name;
  std::string path, body;
  bool streamed;
};
std::vector<Sort> sorts() {
  std::vector<Sort> out;
  for (const bool streamed : {false, true}) {
    const std::string more = streamed ? R"("stream":true,)" : "";
    out.push_back(
        {"chat", "/v1/chat/completions",
         R"({"model":"openai/gpt-5-mini",)" + more + R"("messages":[{"role":"user","content":"Hi"}]})",
         streamed});
    out.push_back({"messages", "/v1/messages",
                   R"({"model":"openai/gpt-5-mini","max_tokens":50,)" + more +
                       R"("messages":[{"role":"user","content":"Hi"}]})",
                   streamed});
    out.push_back({"responses", "/v1/responses",
                   R"({"model":"openai/gpt-5-mini",)" + more + R"("input":"Hi"})", streamed});
  }
  return out;
}

void check_nothing_left(const ModelRig& rig) {
  for (const char* gauge : {"sallyport_requests_in_flight", "sallyport_streams", "sallyport_bytes_in_flight",
                            "sallyport_connections", "sallyport_upstream_connections_busy"}) {
    CAPTURE(gauge);
    CHECK(metric_becomes(rig.gateway, gauge, 0));
  }
}

/// The outcomes in the record once there are so many; each intent has one.
std::vector<Json> outcomes(const ModelRig& rig, std::size_t wanted) {
  std::vector<Json> out;
  UpstreamBench::until([&] {
    out.clear();
    for (Json& record : rig.gateway.journal())
      if (record["type"] == "outcome") out.push_back(std::move(record));
    return out.size() >= wanted;
  });
  CHECK(out.size() == wanted);
  CHECK(rig.gateway.count("intent") == wanted);
  return out;
}

/// Of a provider that has no other wire than chat.
const char* const kChatAlone = "openai-compatible";

}  // namespace

TEST_CASE(
    "F05 a provider that says nothing, half of something, or drips: one error at the deadline, and all that "
    "the "
    "call held is given back") {
  struct Harm {
    std::string name;
    FakeProvider::OnSocket take;
    bool words = false;  // the client of a stream has heard something
  };
  const auto drip = [](RawSocket& s, const std::string& text) {
    for (const char byte : text) {
      if (!s.send(std::string(1, byte))) return;
      std::this_thread::sleep_for(50ms);
    }
  };
  const std::string whole = FakeProvider::json(FakeProvider::chat());
  const Harm harms[] = {
      {"nothing", [](RawSocket& s, const auto&) { (void)s.more(); }},
      {"half a head", [&](RawSocket& s, const auto&) { s.send(whole.substr(0, 20)), (void)s.more(); }},
      {"drips its head", [&](RawSocket& s, const auto&) { drip(s, whole); }},
      {"half a body",
       [&](RawSocket& s, const FakeProvider::Asked& asked) {
         s.send(asked.body.value("stream", false) ? kStreamHead + chunk(no_words())
                                                  : whole.substr(0, whole.size() - 50));
         (void)s.more();
       }},
      {"drips its body",
       [&](RawSocket& s, const FakeProvider::Asked& asked) {
         const auto head = whole.find("\r\n\r\n") + 4;
         s.send(asked.body.value("stream", false) ? kStreamHead : whole.substr(0, head));
         drip(s, asked.body.value("stream", false) ? chunk(no_words()) : whole.substr(head));
       }},
      {"first words, then nothing",
       [&](RawSocket& s, const FakeProvider::Asked& asked) {
         s.send(asked.body.value("stream", false) ? kStreamHead + chunk(first_words())
                                                  : whole.substr(0, whole.size() - 2));
         (void)s.more();
       },
       true},
  };
  ModelRig rig("", kModelPolicy, "timeout: 400ms\n", kChatAlone);
  std::size_t calls = 0;
  for (const Harm& harm : harms) {
    rig.openai.on_socket(harm.take);
    for (const Sort& sort : sorts()) {
      CAPTURE(harm.name);
      CAPTURE(sort.name);
      CAPTURE(sort.streamed);
      const auto begin = std::chrono::steady_clock::now();
      const Response answer = rig.post(sort.path, sort.body);
      const auto took = std::chrono::steady_clock::now() - begin;
      CHECK(took >= 380ms);
      CHECK(took < 1900ms);
      ++calls;
      CHECK(rig.openai.asked().size() == calls);
      if (harm.words && sort.streamed) {
        CHECK(answer.status == 200);
        CHECK(answer.body.find("Hel") != std::string::npos);
        CHECK(answer.body.find("error") != std::string::npos);
        for (const char* end : {"[DONE]", "message_stop", "response.completed"})
          CHECK(answer.body.find(end) == std::string::npos);
      } else {
        CHECK(answer.status == 504);
        CHECK(answer.json()["error"].contains("message"));
      }
    }
  }
  rig.openai.on_socket({});
  for (const Json& outcome : outcomes(rig, calls)) CHECK(outcome["status"] == "timeout");
  check_nothing_left(rig);
  CHECK(rig.chat().status == 200);
}

TEST_CASE(
    "F06 a provider that breaks off in the middle of its answer: no half of an event is told, an error ends "
    "the "
    "answer, the tokens so far are recorded, and nothing runs twice") {
  ModelRig rig("", kModelPolicy, "", kChatAlone);
  std::size_t calls = 0;
  const std::string half =
      R"(data: {"id":"c1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"HALF)";
  const std::string usage = FakeProvider::chat_usage_frame();
  for (const bool reset : {false, true}) {
    for (const bool told_usage : {false, true}) {
      rig.openai.on_socket([&](RawSocket& s, const FakeProvider::Asked& asked) {
        if (asked.body.value("stream", false)) {
          // The last event is all there but for the blank line that ends it.
          s.send(kStreamHead + chunk(first_words() + (told_usage ? usage : "") + half) +
                 chunk(R"("}}]})"
                       "\n"));
        } else {
          const std::string whole = FakeProvider::json(FakeProvider::chat());
          s.send(whole.substr(0, whole.size() - 30));
        }
        if (reset) s.reset();
      });
      for (const Sort& sort : sorts()) {
        CAPTURE(sort.name);
        CAPTURE(sort.streamed);
        CAPTURE(reset);
        CAPTURE(told_usage);
        const Response answer = rig.post(sort.path, sort.body);
        ++calls;
        CHECK(rig.openai.asked().size() == calls);
        CHECK(answer.body.find("HALF") == std::string::npos);
        CHECK(answer.body.find("error") != std::string::npos);
        if (!sort.streamed) CHECK(answer.status == 502);
        for (const char* end : {"[DONE]", "message_stop", "response.completed"})
          CHECK(answer.body.find(end) == std::string::npos);
        const Json outcome = outcomes(rig, calls).back();
        // A reset may overtake the bytes before it; then the call failed before its first word.
        if (!reset) CHECK(outcome["status"] == "broken");
        CHECK(outcome["status"] != "ok");
        if (sort.streamed && told_usage && !reset)
          CHECK(outcome.at("model").value("tokens", Json::object()).value("output", 0) == 5);
      }
    }
  }
  check_nothing_left(rig);
  CHECK(rig.anthropic.asked().empty());
}

TEST_CASE(
    "F07 a client that leaves a model call, before its first byte or later, frees the provider within a "
    "second") {
  ModelRig rig("", kModelPolicy, "", kChatAlone);
  std::atomic<int> begun = 0, left = 0;
  std::atomic<bool> words = false;
  rig.openai.on_socket([&](RawSocket& s, const FakeProvider::Asked& asked) {
    if (words)
      s.send(asked.body.value("stream", false) ? kStreamHead + chunk(first_words()) : "HTTP/1.1 200 OK\r\n");
    ++begun;
    while (s.more()) {
    }
    ++left;
  });
  int calls = 0;
  for (const bool said : {false, true}) {
    words = said;
    for (const bool reset : {false, true}) {
      for (const Sort& sort : sorts()) {
        CAPTURE(sort.name);
        CAPTURE(sort.streamed);
        CAPTURE(said);
        CAPTURE(reset);
        RawSocket client = rig.gateway.connect();
        client.send(GatewayFixture::request(
            "POST", sort.path, rig.gateway.bearer() + "Content-Type: application/json\r\n", sort.body));
        ++calls;
        REQUIRE(UpstreamBench::until([&] { return begun == calls; }));
        if (said && sort.streamed) CHECK(client.until("Hel").find("200 OK") != std::string::npos);
        const auto begin = std::chrono::steady_clock::now();
        if (reset) {
          client.reset();
        } else {
          client.close();
        }
        CHECK(UpstreamBench::until([&] { return left == calls; }));
        CHECK(std::chrono::steady_clock::now() - begin < 1s);
      }
    }
  }
  for (const Json& outcome : outcomes(rig, static_cast<std::size_t>(calls)))
    CHECK(outcome["status"] == "cancelled");
  check_nothing_left(rig);
}

TEST_CASE(
    "a route goes on to the next provider when one fails, refuses, hangs or breaks before its first word") {
  ModelRig rig;
  struct Harm {
    std::string name;
    FakeProvider::OnSocket take;
    int status;  // as the record has it
  };
  const Harm harms[] = {
      {"refuses", [](RawSocket& s, const auto&) { s.send(FakeProvider::json("{}", 500)); }, 500},
      {"closes", [](RawSocket&, const auto&) {}, 502},
      {"no JSON", [](RawSocket& s, const auto&) { s.send(FakeMcp::http(200, "text/html", "<p>")); }, 502},
      {"breaks off its stream",
       [](RawSocket& s, const auto&) {
         s.send(FakeProvider::stream("data: {\"id\":\"c1\",\"choices\":[]}\n\n"));
       },
       502},
      {"hangs", [](RawSocket& s, const auto&) { (void)s.more(); }, 408},
  };
  for (const Harm& harm : harms) {
    CAPTURE(harm.name);
    rig.openai.on_socket(harm.take);
    const Response answer = rig.chat(kChatStream, fallback(R"(,"request_timeout":500)"));
    CHECK(answer.status == 200);
    CHECK(answer.body.find("Hello") != std::string::npos);
    CHECK(answer.header("x-portkey-last-used-option-index") == "config.targets[1]");
    CHECK(answer.header("x-portkey-provider") == "anthropic");
    bool found = false;
    for (int i = 0; i < 200 && !found; ++i) {
      for (const Json& record : rig.gateway.journal())
        found = found || (record["type"] == "outcome" && record["model"]["attempts"].size() == 2 &&
                          record["model"]["attempts"][0]["status"] == harm.status);
      if (!found) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    CHECK(found);
  }
}

TEST_CASE(
    "a route passes over a provider that has no place for the request, and tells what one that failed has "
    "said before") {
  const std::string two = R"({"model":"gpt-5-mini","n":2,"messages":[{"role":"user","content":"Hi"}]})";
  const std::string openai = R"({"provider":"@openai"})";
  const std::string anthropic =
      R"({"provider":"@anthropic","override_params":{"model":"claude-sonnet-4-5"}})";
  const auto route = [](const std::string& targets) {
    return R"(x-portkey-config: {"strategy":{"mode":"fallback","on_status_codes":[429]},)"
           R"("retry":{"attempts":3,"on_status_codes":[400,501]},"targets":[)" +
           targets + "]}\r\n";
  };
  ModelRig rig("", kModelPolicy, "", kChatAlone);

  SUBCASE("to one that has a place for it") {
    const Response answer = rig.chat(two, route(anthropic + "," + openai));
    CHECK(answer.status == 200);
    CHECK(answer.body == FakeProvider::chat());
    CHECK(answer.header("x-portkey-last-used-option-index") == "config.targets[1]");
    const Json attempts = rig.outcome()["model"]["attempts"];
    REQUIRE(attempts.size() == 2);
    CHECK(attempts[0]["status"] == 400);
    CHECK(attempts[1]["status"] == 200);
  }
  SUBCASE("to one that counts tokens") {
    rig.anthropic.on_call([](const auto&) { return FakeProvider::json(R"({"input_tokens":7})"); });
    const Response answer = rig.post("/v1/messages/count_tokens", R"({"model":"gpt-5-mini","messages":[]})",
                                     route(openai + "," + anthropic));
    CHECK(answer.status == 200);
    CHECK(answer.json()["input_tokens"] == 7);
    CHECK(rig.openai.asked().empty());
  }
  SUBCASE("and with nobody left an earlier answer stands") {
    const std::string slow = R"({"error":{"message":"slow down","type":"requests"}})";
    rig.openai.on_call([&](const auto&) { return FakeProvider::json(slow, 429, "retry-after: 7\r\n"); });
    const Response answer = rig.chat(two, route(openai + "," + anthropic));
    CHECK(answer.status == 429);
    CHECK(answer.body == slow);
    CHECK(answer.header("retry-after") == "7");
    CHECK(answer.header("x-portkey-provider") == kChatAlone);
    CHECK(answer.header("x-portkey-last-used-option-index") == "config.targets[0]");
    CHECK(rig.openai.asked().size() == 1);
    const Json outcome = rig.outcome();
    CHECK(outcome["status"] == "error");
    CHECK(outcome["model"]["provider"] == "openai");
    CHECK(outcome["model"]["attempts"].size() == 2);
  }
  SUBCASE("and with nobody at all it says so, without trying again") {
    const Response answer = rig.chat(two, route(anthropic + "," + anthropic));
    CHECK(answer.status == 400);
    CHECK(answer.body.find("unsupported_by_target: n:") != std::string::npos);
    CHECK(rig.outcome()["model"]["attempts"].size() == 2);
  }
  SUBCASE("but a body that is malformed ends it") {
    const Response answer =
        rig.chat(R"({"model":"gpt-5-mini","messages":7})", route(anthropic + "," + openai));
    CHECK(answer.status == 400);
    CHECK(rig.outcome()["model"]["attempts"].size() == 1);
    CHECK(rig.openai.asked().empty());
  }
  CHECK(rig.openai.asked().size() <= 1);
  check_nothing_left(rig);
}

TEST_CASE("a stream that breaks after its first word says so and is not called again elsewhere") {
  ModelRig rig;
  rig.openai.on_socket([](RawSocket& s, const auto&) {
    s.send(kStreamHead);
    s.send(chunk(first_words()));
  });
  const Response same = rig.chat(kChatStream, fallback());
  CHECK(same.status == 200);
  CHECK(same.body.find("Hel") != std::string::npos);
  CHECK(same.body.find("\"error\"") != std::string::npos);
  CHECK(same.body.find("[DONE]") == std::string::npos);
  const Response other = rig.post(
      "/v1/messages",
      R"({"model":"openai/gpt-5-mini","max_tokens":50,"stream":true,"messages":[{"role":"user","content":"Hi"}]})");
  CHECK(other.body.find("event: error") != std::string::npos);
  CHECK(other.body.find("message_stop") == std::string::npos);
  CHECK(rig.anthropic.asked().empty());
  CHECK(rig.gateway.recorded("outcome", {{"status", "broken"}}, 2));
}

TEST_CASE(
    "a Responses stream that fails before its first word reaches a client of that wire as it is, and others "
    "as a status") {
  const std::string response = R"("response":{"id":"resp_p1","object":"response","status":")";
  const std::string failed =
      response_frame("created", R"("sequence_number":0,)" + response + "in_progress\"}") +
      response_frame(
          "failed",
          R"("sequence_number":1,)" + response +
              R"(failed","error":{"code":"rate_limit_exceeded","message":"Rate limit reached. Please try again in 11.054s."}})");
  ModelRig rig;
  rig.openai.on_call([&](const auto&) { return FakeProvider::stream(failed); });

  SUBCASE("alone") {
    const Response answer = rig.post("/v1/responses", kResponsesStream);
    CHECK(answer.status == 200);
    CHECK(answer.header("Content-Type") == "text/event-stream");
    CHECK(answer.header("x-portkey-provider") == "openai");
    CHECK(answer.body == failed);
    CHECK(rig.openai.asked().size() == 1);
    const Json outcome = outcomes(rig, 1).back();
    CHECK(outcome["status"] == "error");
    CHECK(outcome["model"]["attempts"][0]["status"] == 429);
  }
  SUBCASE("before another target") {
    rig.anthropic.on_call([](const auto&) { return FakeProvider::json(FakeProvider::messages()); });
    const Response answer = rig.post("/v1/responses", kResponsesStream, fallback());
    CHECK(answer.status == 200);
    CHECK(answer.header("x-portkey-provider") == "anthropic");
    CHECK(answer.body.find("response.failed") == std::string::npos);
    CHECK(answer.body.find("response.completed") != std::string::npos);
    CHECK(rig.anthropic.asked().size() == 1);
  }
  SUBCASE("as the last of several") {
    rig.anthropic.on_call([](const auto&) { return FakeProvider::json("{}", 500); });
    const Response answer = rig.post(
        "/v1/responses", kResponsesStream,
        R"(x-portkey-config: {"strategy":{"mode":"fallback"},"targets":[{"provider":"@anthropic","override_params":{"model":"claude-sonnet-4-5"}},{"provider":"@openai"}]})"
        "\r\n");
    CHECK(answer.status == 200);
    CHECK(answer.body == failed);
  }
  SUBCASE("to a client of another wire") {
    const Response answer =
        rig.post("/v1/chat/completions", R"({"model":"openai/gpt-5-mini","stream":true,"input":"Hi"})");
    CHECK(answer.status == 429);
    CHECK(answer.json()["error"]["code"] == "rate_limit_exceeded");
  }
  check_nothing_left(rig);
}

TEST_CASE("a Responses stream that breaks off ends in one event more, of the same response") {
  struct Row {
    std::string name;
    std::vector<std::string> numbers;  // of its frames
    std::int64_t last;
  };
  const Row rows[] = {
      {"numbered", {"0", "1", "2"}, 3},
      {"numbered from elsewhere", {"7", "9", "11"}, 12},
      {"without numbers", {}, 3},
      {"with numbers that are none", {"-5", "9223372036854775807", "\"x\""}, 3},
  };
  ModelRig rig;
  for (const Row& row : rows) {
    CAPTURE(row.name);
    std::size_t next = 0;
    const auto number = [&] {
      return row.numbers.empty() ? "" : "\"sequence_number\":" + row.numbers[next++] + ",";
    };
    const std::string response = R"("response":{"id":"resp_p1","object":"response","status":"in_progress"})";
    std::string frames = response_frame("created", number() + response);
    frames += response_frame("in_progress", number() + response);
    frames += response_frame(
        "output_text.delta",
        number() + R"("item_id":"msg_1","output_index":0,"content_index":0,"delta":"Hel","logprobs":[])");
    rig.openai.on_socket([&](RawSocket& s, const auto&) { s.send(kStreamHead + chunk(frames)); });
    const Response answer = rig.post("/v1/responses", kResponsesStream);
    CHECK(answer.status == 200);
    REQUIRE(answer.body.starts_with(frames));
    const auto rest = data_of(answer.body.substr(frames.size()));
    REQUIRE(rest.size() == 1);
    CHECK(rest[0]["type"] == "response.failed");
    CHECK(rest[0]["sequence_number"] == row.last);
    CHECK(rest[0]["response"]["id"] == "resp_p1");
    CHECK(rest[0]["response"]["status"] == "failed");
    CHECK(rest[0]["response"]["error"].contains("message"));
  }
}

TEST_CASE("what a provider has counted before its first word is recorded, whatever became of the answer") {
  const std::string start =
      "event: message_start\n"
      R"(data: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-4-5","content":[],"usage":{"input_tokens":10,"output_tokens":1,"cache_read_input_tokens":4}}})"
      "\n\n";
  const std::string error =
      "event: error\n"
      R"(data: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}})"
      "\n\n";
  const std::string ask =
      R"({"model":"anthropic/claude-sonnet-4-5","max_tokens":50,"stream":true,"messages":[{"role":"user","content":"Hi"}]})";
  const Json counted{{"input", 10}, {"cache_read", 4}, {"output", 1}};
  ModelRig rig("", kModelPolicy, "", kChatAlone);

  SUBCASE("it breaks off, or says that it failed") {
    for (const bool says : {false, true}) {
      CAPTURE(says);
      rig.anthropic.on_socket(
          [&](RawSocket& s, const auto&) { s.send(kStreamHead + chunk(start + (says ? error : ""))); });
      CHECK(rig.post("/v1/messages", ask).status == (says ? 529 : 502));
      const Json model = outcomes(rig, says ? 2 : 1).back()["model"];
      CHECK(model.value("tokens", Json()) == counted);
      CHECK(model.contains("cost_usd"));
    }
  }
  SUBCASE("its client leaves") {
    std::atomic<bool> begun = false;
    rig.anthropic.on_socket([&](RawSocket& s, const auto&) {
      s.send(kStreamHead + chunk(start));
      begun = true;
      (void)s.more();
    });
    RawSocket client = rig.gateway.connect();
    client.send(GatewayFixture::request("POST", "/v1/messages",
                                        rig.gateway.bearer() + "Content-Type: application/json\r\n", ask));
    REQUIRE(UpstreamBench::until([&] { return begun.load(); }));
    // While these were answered, on every shard, what the provider has sent was read.
    for (int i = 0; i < 4; ++i) CHECK(rig.chat().status == 200);
    client.close();
    const auto all = outcomes(rig, 5);
    const auto left = std::ranges::find(all, "cancelled", [](const Json& one) { return one["status"]; });
    REQUIRE(left != all.end());
    CHECK((*left)["model"].value("tokens", Json()) == counted);
  }
  SUBCASE("another provider answers in its place") {
    rig.anthropic.on_socket([&](RawSocket& s, const auto&) { s.send(kStreamHead + chunk(start)); });
    rig.openai.on_call([](const auto&) {
      return FakeProvider::stream(FakeProvider::chat_frames() + FakeProvider::chat_usage_frame() +
                                  "data: [DONE]\n\n");
    });
    const Response answer = rig.post(
        "/v1/messages", ask,
        R"(x-portkey-config: {"strategy":{"mode":"fallback"},"targets":[{"provider":"@anthropic"},{"provider":"@openai","override_params":{"model":"gpt-5-mini"}}]})"
        "\r\n");
    CHECK(answer.status == 200);
    const Json model = outcomes(rig, 1).back()["model"];
    CHECK(model["tokens"]["output"] == 5);
    REQUIRE(model["attempts"].size() == 2);
    CHECK(model["attempts"][0].value("tokens", Json()) == counted);
    CHECK(model["attempts"][0].contains("cost_usd"));
    CHECK(model["attempts"][1].value("tokens", Json()) == model["tokens"]);
  }
}

TEST_CASE("a call that waits for its client to go is ended with it, and its provider hears no more of it") {
  ModelRig rig;
  std::atomic<bool> gone = false;
  rig.openai.on_socket([&](RawSocket& s, const auto&) {
    s.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" +
           FakeProvider::chat_frames().substr(0, FakeProvider::chat_frames().rfind("data:")));
    gone = !s.more();
  });
  {
    RawSocket client = rig.gateway.connect();
    client.send(GatewayFixture::request("POST", "/v1/chat/completions",
                                        rig.gateway.bearer() + "Content-Type: application/json\r\n",
                                        kChatStream));
    CHECK(client.until("Hel").find("200 OK") != std::string::npos);
  }
  CHECK(rig.gateway.recorded("outcome", {{"status", "cancelled"}}));
  for (int i = 0; i < 500 && !gone; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  CHECK(gone);
}

TEST_CASE("a rate that a provider limits is waited for as it says, and the attempts are counted") {
  ModelRig rig;
  std::atomic<int> calls = 0;
  rig.openai.on_call([&](const FakeProvider::Asked&) {
    return ++calls < 3
               ? FakeProvider::json(R"({"error":{"message":"slow down"}})", 429, "retry-after-ms: 20\r\n")
               : FakeProvider::json(FakeProvider::chat());
  });
  const Response answer =
      rig.chat(kChat,
               "x-portkey-config: "
               "{\"provider\":\"@openai\",\"retry\":{\"attempts\":3,\"use_retry_after_header\":true}}\r\n");
  CHECK(answer.status == 200);
  CHECK(answer.header("x-portkey-retry-attempt-count") == "2");
  CHECK(rig.outcome()["model"]["attempts"].size() == 3);
}

TEST_CASE("time that a request gives a target and that runs out with nobody left is a 408") {
  ModelRig rig;
  rig.openai.on_socket([](RawSocket& s, const auto&) { (void)s.more(); });
  const Response answer =
      rig.chat(kChat, "x-portkey-config: {\"provider\":\"@openai\",\"request_timeout\":100}\r\n");
  CHECK(answer.status == 408);
  CHECK(answer.json()["error"]["type"] == "timeout_error");
  CHECK(answer.json()["error"]["message"] == "Request exceeded the timeout sent in the request: 100ms");
  CHECK(rig.gateway.recorded("outcome", {{"status", "timeout"}}));
}

TEST_CASE("a target that has failed often enough is left out until its cool-down is over") {
  ModelRig rig;
  rig.openai.on_call([](const FakeProvider::Asked&) { return FakeProvider::json("{}", 503); });
  REQUIRE(
      rig.gateway
          .apply("kind: Route\nname: main\nconfig: {strategy: {mode: fallback, cb_config: "
                 "{failure_threshold: 2, "
                 "cooldown_interval: 30000}}, targets: [{provider: \"@openai\"}, {provider: \"@anthropic\", "
                 "override_params: {model: claude-sonnet-4-5}}]}\n")
          .has_value());
  RawSocket client = rig.gateway.connect();  // one connection, one shard
  for (int i = 0; i < 4; ++i) {
    client.send(GatewayFixture::request(
        "POST", "/v1/chat/completions",
        rig.gateway.bearer() + "Content-Type: application/json\r\nx-portkey-config: main\r\n", kChat));
    CHECK(Response{client.answer()}.header("x-portkey-provider") == "anthropic");
  }
  CHECK(rig.openai.asked().size() == 2);
}
