// Faults in the middle of a call, through the whole program: upstreams that break off (F06) and clients that
// go away (F07). Whatever happens, a call has one intent, and one outcome that says what became of it.
#include "faulty_peers.hpp"
#include "stream_reader.hpp"

using namespace sallyport::testing;

namespace {

using Era = ScriptedMcp::Era;

struct Sort {
  const char* name;
  std::function<std::unique_ptr<Peer>()> make;
};
const Sort kSorts[] = {
    {"HTTP 2026", [] { return std::make_unique<HttpPeer>(Era::modern); }},
    {"HTTP 2025", [] { return std::make_unique<HttpPeer>(Era::legacy); }},
    {"child 2026", [] { return std::make_unique<ChildPeer>("modern"); }},
    {"child 2025", [] { return std::make_unique<ChildPeer>("legacy"); }},
    {"SSE 2024", [] { return std::make_unique<SsePeer>(); }},
};

const Json kForm = {{"elicitation", {{"form", Json::object()}}}};

/// A client of either era, which wants to know how far its calls are.
class Client {
 public:
  Client(const GatewayFixture& gateway, bool modern)
      : gateway_(gateway), session(modern ? "" : gateway.initialize("2025-11-25", "/mcp", kForm)) {}

  std::string request(const std::string& tool, Json params = Json::object()) const {
    params["name"] = "up__" + tool;
    if (!params.contains("arguments")) params["arguments"] = Json::object();
    if (session.empty()) {
      const Json meta = {{"progressToken", "p"}, {"io.modelcontextprotocol/clientCapabilities", kForm}};
      return GatewayFixture::request("POST", "/mcp",
                                     gateway_.bearer() + GatewayFixture::media() +
                                         GatewayFixture::modern_headers("tools/call", "up__" + tool),
                                     GatewayFixture::modern_body("tools/call", params, 7, meta));
    }
    params["_meta"] = {{"progressToken", "p"}};
    return GatewayFixture::request(
        "POST", "/mcp", gateway_.bearer() + GatewayFixture::media() + session_header(),
        Json{{"jsonrpc", "2.0"}, {"id", 7}, {"method", "tools/call"}, {"params", params}}.dump());
  }
  StreamReader call(const std::string& tool, const Json& params = Json::object()) const {
    return StreamReader(gateway_.connect(), request(tool, params));
  }
  /// Calls, and hears how far it is.
  StreamReader begun(const std::string& tool) const {
    StreamReader stream = call(tool);
    REQUIRE(stream.head.status == 200);
    CHECK(stream.message()["params"]["progressToken"] == "p");
    return stream;
  }
  std::string session_header() const {
    return "Mcp-Session-Id: " + session + "\r\nMCP-Protocol-Version: 2025-11-25\r\n";
  }
  void send(const Json& message) const {
    CHECK(gateway_.post(message.dump(), session_header()).status == 202);
  }
  void cancel() const {
    send({{"jsonrpc", "2.0"}, {"method", "notifications/cancelled"}, {"params", {{"requestId", 7}}}});
  }

 private:
  const GatewayFixture& gateway_;

 public:
  const std::string session;
};

void leave(RawSocket& socket, bool reset) {
  if (reset) {
    socket.reset();
  } else {
    socket.close();
  }
}

/// What the journal says of the calls to a tool, one after the other. Each has one intent and one outcome.
std::vector<std::string> outcomes(const GatewayFixture& gateway, const std::string& tool) {
  const auto records = gateway.journal();
  std::vector<std::string> out;
  for (const Json& intent : records) {
    if (intent.value("type", "") != "intent" || intent.value("target", "") != "up/" + tool) continue;
    std::string all;
    for (const Json& record : records) {
      if (record.value("type", "") == "outcome" && record["call"] == intent["call"])
        all += "[" + record["status"].get<std::string>() + " " + record.value("code", "") + "]";
    }
    out.push_back(all);
  }
  return out;
}
/// The same, waited for: an answer does not wait for its outcome to be written.
void check_outcomes(const GatewayFixture& gateway, const std::string& tool,
                    const std::vector<std::string>& wanted) {
  UpstreamBench::until([&] { return outcomes(gateway, tool) == wanted; });
  CHECK(Json(outcomes(gateway, tool)) == Json(wanted));
}

/// Nothing of any call is left.
void check_quiet(const GatewayFixture& gateway) {
  for (const char* gauge : {"sallyport_requests_in_flight", "sallyport_streams", "sallyport_open_questions",
                            "sallyport_upstream_in_flight{server=\"up\"}"}) {
    CAPTURE(gauge);
    CHECK(metric_becomes(gateway, gauge, 0));
  }
}

bool works_again(const GatewayFixture& gateway) {
  return UpstreamBench::until([&] { return gateway.still_works(); });
}

}  // namespace

TEST_CASE(
    "F06 an upstream that breaks off in the middle of its answer: no half of it is told, an error ends the "
    "stream, and nothing runs twice") {
  struct Row {
    const char* why;
    std::function<std::unique_ptr<Peer>()> make;
    bool answered = false;
    std::size_t resumed = 0;
  };
  const auto http = [](Era era, Breaking how) {
    return [era, how] { return std::make_unique<HttpPeer>(era, how); };
  };
  const Row rows[] = {
      {"2026, closed", http(Era::modern, {})},
      {"2026, reset", http(Era::modern, {.reset = true})},
      {"2026 with event ids", http(Era::modern, {.ids = true})},
      {"2025, closed", http(Era::legacy, {})},
      {"2025, reset", http(Era::legacy, {.reset = true})},
      {"2025 with event ids, and no way back", http(Era::legacy, {.ids = true}), false, 2},
      {"2025 with event ids, taken up again", http(Era::legacy, {.ids = true, .resumes = true}), true, 2},
      {"2025 with event ids, reset and taken up again",
       http(Era::legacy, {.ids = true, .reset = true, .resumes = true}), true, 2},
      {"child of 2026", kSorts[2].make},
      {"child of 2025", kSorts[3].make},
      {"SSE of 2024", kSorts[4].make},
  };
  for (const Row& row : rows) {
    CAPTURE(row.why);
    const auto peer = row.make();
    GatewayFixture gateway(peer->document());
    for (const bool modern : {true, false}) {
      CAPTURE(modern);
      REQUIRE(works_again(gateway));
      StreamReader stream = Client(gateway, modern).begun("half");
      const Json last = stream.message();
      CHECK(last["id"] == 7);
      if (row.answered) {
        CHECK(last["result"]["content"][0]["text"] == "fine");
      } else {
        CHECK(last["error"]["code"] == 1004);
        CHECK(last["error"]["data"]["reason"] == "upstream_broken");
        CHECK_FALSE(last["error"]["data"].contains("retry"));
      }
      CHECK(stream.ended());
    }
    check_outcomes(gateway, "half",
                   std::vector<std::string>(2, row.answered ? "[ok ]" : "[broken upstream_broken]"));
    CHECK(peer->calls("half") == 2);
    CHECK(peer->resumed() == row.resumed);
    CHECK(works_again(gateway));
    check_quiet(gateway);
  }
}

TEST_CASE(
    "F07 a 2026 client that leaves its call, before the first byte or later, cancels it upstream within a "
    "second") {
  for (const Sort& sort : kSorts) {
    CAPTURE(sort.name);
    const auto peer = sort.make();
    GatewayFixture gateway(peer->document());
    REQUIRE(works_again(gateway));
    const Client client(gateway, true);
    std::size_t left = 0;
    for (const bool reset : {false, true}) {
      CAPTURE(reset);
      for (const std::string tool : {"never", "begin"}) {
        CAPTURE(tool);
        RawSocket socket;
        if (tool == "begin") {
          socket = std::move(client.begun(tool).socket());
        } else {
          socket = gateway.connect();
          socket.send(client.request(tool));
          REQUIRE(UpstreamBench::until([&] { return peer->calls(tool) == left / 2 + 1; }));
        }
        const auto begin = std::chrono::steady_clock::now();
        leave(socket, reset);
        ++left;
        CHECK(gateway.recorded("outcome", {{"status", "cancelled"}, {"code", "cancelled"}}, left));
        CHECK(UpstreamBench::until([&] { return peer->cancellations() == left; }));
        CHECK(std::chrono::steady_clock::now() - begin < 1s);
      }
    }
    for (const char* tool : {"never", "begin"}) check_outcomes(gateway, tool, {2, "[cancelled cancelled]"});
    check_quiet(gateway);
    CHECK(gateway.still_works());
    CHECK(peer->cancellations() == 4);
  }
}

TEST_CASE("F07 a 2025 client that leaves its call has not cancelled it; it may come back and do so") {
  for (const Sort& sort : kSorts) {
    CAPTURE(sort.name);
    const auto peer = sort.make();
    GatewayFixture gateway(peer->document());
    REQUIRE(works_again(gateway));
    const Client client(gateway, false);
    leave(client.begun("begin").socket(), true);
    // One of 2026 that leaves after it: by then the first has been missed as well.
    leave(Client(gateway, true).begun("begin").socket(), true);
    check_outcomes(gateway, "begin", {"", "[cancelled cancelled]"});
    CHECK(UpstreamBench::until([&] { return peer->cancellations() == 1; }));
    client.cancel();
    check_outcomes(gateway, "begin", {"[cancelled cancelled]", "[cancelled cancelled]"});
    CHECK(UpstreamBench::until([&] { return peer->cancellations() == 2; }));
    check_quiet(gateway);
  }
}

TEST_CASE("F07 a client that leaves in the middle of its request has begun nothing") {
  HttpPeer peer(Era::modern);
  GatewayFixture gateway(peer.document());
  for (const bool modern : {true, false}) {
    const std::string request = Client(gateway, modern).request("echo");
    for (const bool reset : {false, true}) {
      RawSocket socket = gateway.connect();
      socket.send(std::string_view(request).substr(0, request.size() - 1));
      REQUIRE(metric_becomes(gateway, "sallyport_requests_in_flight", 1));
      leave(socket, reset);
      check_quiet(gateway);
    }
  }
  CHECK(gateway.count("intent") == 0);
  CHECK(gateway.recorded("refusal", {{"reason", "cancelled"}}, 4));
  CHECK(peer.calls("echo") == 0);
}

TEST_CASE("F07 a 2025 client that leaves while it is asked can come back for the question, and answer it") {
  HttpPeer peer(Era::legacy);
  GatewayFixture gateway(peer.document());
  const Client client(gateway, false);
  StreamReader stream = client.call("ask");
  const auto priming = stream.next();
  REQUIRE(priming.has_value());
  while (stream.message().value("method", "") != "elicitation/create") {
  }
  leave(stream.socket(), false);
  StreamReader back = get_stream(gateway, client.session, "Last-Event-ID: " + priming->id + "\r\n");
  Json asked = back.message();
  while (asked.value("method", "") == "notifications/progress") asked = back.message();
  CHECK(asked["method"] == "elicitation/create");
  client.send({{"jsonrpc", "2.0"}, {"id", asked["id"]}, {"result", {{"action", "decline"}}}});
  CHECK(back.message()["result"]["content"][0]["text"] == "fine");
  CHECK(peer.mcp.heard("response").back().message["result"] == Json{{"action", "decline"}});
  check_outcomes(gateway, "ask", {"[ok ]"});
  CHECK(peer.calls("ask") == 1);
  CHECK(peer.cancellations() == 0);
  check_quiet(gateway);
}

TEST_CASE("F07 a 2025 client that ends its session while it is asked ends the call and the question") {
  for (const bool child : {false, true}) {
    CAPTURE(child);
    const auto peer = kSorts[child ? 3 : 1].make();
    GatewayFixture gateway(peer->document("isolation: principal\n"));
    const Client client(gateway, false);
    StreamReader stream = client.call("ask", {{"arguments", {{"method", "elicitation/create"}}}});
    while (stream.message().value("method", "") != "elicitation/create") {
    }
    leave(stream.socket(), true);
    CHECK(
        gateway.raw(GatewayFixture::request("DELETE", "/mcp", gateway.bearer() + client.session_header(), ""))
            .status == 204);
    check_outcomes(gateway, "ask", {"[cancelled cancelled]"});
    CHECK(UpstreamBench::until([&] { return peer->cancellations() == 1; }));
    if (const auto* its = dynamic_cast<const ChildPeer*>(peer.get())) CHECK(its->ledger.noted("answered "));
    CHECK(peer->calls("ask") == 1);
    check_quiet(gateway);
  }
}

TEST_CASE("F07 a 2026 client that has answered a 2025 upstream's question and leaves cancels the call") {
  HttpPeer peer(Era::legacy);
  GatewayFixture gateway(peer.document());
  const Client client(gateway, true);
  const Json asked = [&] {
    StreamReader stream = client.call("ask_on");
    Json last = stream.head.body.empty() ? stream.message() : stream.head.json();
    while (last.value("method", "") == "notifications/progress") last = stream.message();
    return last["result"];
  }();
  REQUIRE(asked["resultType"] == "input_required");
  RawSocket socket = gateway.connect();
  socket.send(client.request("ask_on", {{"requestState", asked["requestState"]},
                                        {"inputResponses", {{"q1", {{"action", "decline"}}}}}}));
  CHECK(peer.mcp.await("response").message["result"]["action"] == "decline");
  leave(socket, false);
  check_outcomes(gateway, "ask_on", {"[input_required ]", "[cancelled cancelled]"});
  CHECK(UpstreamBench::until([&] { return peer.cancellations() == 1; }));
  CHECK(peer.calls("ask_on") == 1);
  check_quiet(gateway);
}

TEST_CASE("F07 a client that leaves its listening leaves no subscription behind, and no call in the record") {
  for (const std::string mode : {"legacy-watch", "modern-watch"}) {
    CAPTURE(mode);
    ChildPeer peer(mode);
    GatewayFixture gateway(peer.document());
    for (const bool reset : {false, true}) {
      StreamReader listener = listen(gateway, {{"resourceSubscriptions", {"note://one"}}});
      CHECK(listener.message()["params"]["notifications"] == Json{{"resourceSubscriptions", {"note://one"}}});
      const std::string lists = R"(listen {"resourcesListChanged":true,"toolsListChanged":true})";
      const std::string end = mode == "legacy-watch" ? "unsubscribe note://one" : lists;
      const auto before = peer.ledger.count(end);
      leave(listener.socket(), reset);
      CHECK(peer.ledger.noted(end, before + 1));
    }
    StreamReader session = get_stream(gateway, gateway.initialize());
    REQUIRE(session.next().has_value());
    leave(session.socket(), true);
    check_quiet(gateway);
    CHECK(gateway.count("intent") + gateway.count("outcome") == 0);
  }
}

TEST_CASE("a server that stops while an upstream holds back its lists ends at once, and lets go of it") {
  for (const Era era : {Era::modern, Era::legacy}) {
    HttpPeer peer(era);
    const auto left = std::make_shared<std::atomic<bool>>(false);
    peer.mcp.on("tools/list", [left](RawSocket& socket, const Heard&) {
      while (!gone(socket)) std::this_thread::sleep_for(5ms);
      *left = true;
      return false;
    });
    GatewayFixture gateway(peer.document());
    peer.mcp.await("tools/list");
    const auto begin = std::chrono::steady_clock::now();
    gateway.server.reset();
    CHECK(std::chrono::steady_clock::now() - begin < 3s);
    CHECK(UpstreamBench::until([&] { return left->load(); }));
  }
}
