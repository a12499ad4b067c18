// Upstreams over HTTP+SSE (2024-11-05): one stream down, a POST for each message up (N33, N35, N44, N45).
#include "fake_sse.hpp"
#include "upstream_bench.hpp"

using namespace sallyport::testing;

namespace {

std::string document(const FakeSse& upstream, const std::string& more = "") {
  return "---\nkind: Server\nname: up\ntransport: {type: sse, url: \"" + upstream.url() +
         "\", allow_private: true}\n" + more;
}

std::string header(const std::string& request, const std::string& name) {
  const auto at = request.find("\r\n" + name + ": ");
  if (at == std::string::npos) return "";
  const auto from = at + name.size() + 4;
  return request.substr(from, request.find("\r\n", from) - from);
}

}  // namespace

TEST_CASE("N33 a 2024-11-05 server behind SSE serves clients of both eras, with its own credential") {
  FakeSse upstream;
  GatewayFixture gateway("kind: Credential\nname: theirs\nvalue: canary-upstream-credential\n" +
                         document(upstream, "credential: theirs\n") + kDefaultPolicy);
  const Response list = gateway.modern("tools/list");
  CHECK(list.body.find("\"up__echo\"") != std::string::npos);
  CHECK(gateway.still_works());
  const std::string session = gateway.initialize();
  const Response legacy =
      gateway.legacy(session, "tools/call", {{"name", "up__echo"}, {"arguments", {{"text", "ho"}}}}, "a");
  CHECK(legacy.json()["id"] == "a");
  CHECK(legacy.body.find("ho") != std::string::npos);
  REQUIRE(upstream.gets().size() == 1);
  CHECK(upstream.gets()[0].starts_with("GET /sse HTTP/1.1\r\n"));
  CHECK(header(upstream.gets()[0], "Accept") == "text/event-stream");
  CHECK(header(upstream.gets()[0], "Authorization") == "Bearer canary-upstream-credential");
  for (const std::string& post : upstream.posts()) {
    CHECK(post.starts_with("POST /messages?session=1 HTTP/1.1\r\n"));
    CHECK(header(post, "Authorization") == "Bearer canary-upstream-credential");
    CHECK(header(post, "Content-Type") == "application/json");
    CHECK(post.find(gateway.key) == std::string::npos);
  }
  CHECK(upstream.count("initialize") == 1);
  CHECK(upstream.count("notifications/initialized") == 1);
  CHECK(upstream.count("server/discover") == 0);
}

TEST_CASE("an SSE server's list_changed brings its new tool to the clients' lists") {
  FakeSse upstream;
  GatewayFixture gateway(document(upstream) + kDefaultPolicy);
  const auto listed = [&] {
    return gateway.modern("tools/list").body.find("\"up__grown\"") != std::string::npos;
  };
  CHECK(gateway.still_works());
  CHECK(!listed());
  upstream.push(std::string("event: other\ndata: no message\n\n"));
  upstream.push(Json{{"jsonrpc", "2.0"}, {"method", "notifications/unknown"}});
  UpstreamBench bench(document(upstream));
  CHECK(bench.call(0, "grow") == "grown");  // tells every stream
  CHECK(UpstreamBench::until(listed, 5s));
  CHECK(bench.upstream->notifies());
  CHECK(bench.notices(Notice::Kind::list_changed).size() == 1);
}

TEST_CASE("calls over SSE: many at once on one stream, progress in order, a cancel that reaches the server") {
  FakeSse upstream;
  UpstreamBench bench(document(upstream));
  std::vector<std::future<std::string>> calls;
  for (int i = 0; i < 16; ++i) calls.push_back(bench.begin_call(i % 2, "echo", {{"i", i}}, {}));
  for (int i = 0; i < 16; ++i)
    CHECK(calls[static_cast<std::size_t>(i)].get() == "{\"i\":" + std::to_string(i) + "}");
  CHECK(upstream.gets().size() == 1);

  for (const int shard : {0, 1}) {
    std::vector<std::int64_t> progress;
    CHECK(bench.call(shard, "talk", Json::object(),
                     {.on_notification = [&](const sallyport::gateway::UpstreamNotification& notification) {
                       progress.push_back(*notification.params.find("progress")->integer());
                     }}) == "talked");
    CHECK(progress == std::vector<std::int64_t>{1, 2, 3});
  }

  CHECK(bench.call(0, "never", Json::object(), {.within = 200ms}) == "upstream_timeout");
  CHECK(UpstreamBench::until([&] { return upstream.count("notifications/cancelled") == 1; }));
  CHECK(bench.call(0, "echo") == "{}");
  CHECK(upstream.gets().size() == 1);
}

TEST_CASE(
    "N45 a stream that is lost in the middle of a call: one typed error, one execution, then a new stream") {
  FakeSse upstream;
  UpstreamBench bench(document(upstream));
  CHECK(bench.call(0, "drop") == "upstream_broken");
  CHECK(upstream.count("tools/call") == 1);
  CHECK(bench.upstream->health().state == "down");
  CHECK(bench.upstream->health().problem.find("connection was closed by the server") != std::string::npos);
  CHECK_FALSE(bench.upstream->notifies());
  CHECK(UpstreamBench::until([&] {
    const std::string next = bench.call(0, "echo");
    if (next != "{}") CHECK(next == "upstream_unreachable again");
    return next == "{}";
  }));
  CHECK(upstream.gets().size() == 2);
  CHECK(upstream.count("initialize") == 2);
  CHECK(bench.upstream->health().state == "up");
}

TEST_CASE("a message that the server refuses fails alone; a session it does not know is opened again") {
  FakeSse upstream;
  UpstreamBench bench(document(upstream));
  auto other = bench.begin_call(1, "never", Json::object(), {.within = 1s});
  CHECK(bench.call(0, "refused") == "upstream_broken");
  CHECK(bench.call(0, "echo") == "{}");
  CHECK(other.get() == "upstream_timeout");
  CHECK(upstream.gets().size() == 1);
  CHECK(bench.call(0, "gone") == "upstream_unreachable again");
  CHECK(UpstreamBench::until([&] { return bench.call(0, "echo") == "{}"; }));
  CHECK(upstream.gets().size() == 2);
}

TEST_CASE("N44 an event beyond its bound ends the stream, not us") {
  FakeSse upstream;
  UpstreamBench bench(document(upstream));
  CHECK(bench.call(0, "huge") == "upstream_broken");
  CHECK(UpstreamBench::until([&] { return bench.call(0, "echo") == "{}"; }));
}

TEST_CASE("a question over a shared SSE connection is refused") {
  FakeSse upstream;
  UpstreamBench bench(document(upstream));
  CHECK(bench.call(0, "ask") == "asked");
  CHECK(UpstreamBench::until([&] {
    const auto posts = upstream.posts();
    return std::any_of(posts.begin(), posts.end(),
                       [](const auto& post) { return post.find("-32601") != std::string::npos; });
  }));
}

TEST_CASE("N35 messages go to the stream's own origin only, however the endpoint is written") {
  FakeSse elsewhere;
  const std::string foreign = std::to_string(elsewhere.port());
  struct Row {
    std::string endpoint, path;  // what it leads to; empty: refused
  };
  for (const Row& row : {Row{"http://127.0.0.1:{port}/m?a=b", "/m?a=b"}, Row{"//127.0.0.1:{port}/m", "/m"},
                         Row{"/m?session=%2F", "/m?session=%2F"}, Row{"m", "/base/m"},
                         Row{"?session=1", "/base/sse?session=1"}, Row{"./m", "/base/m"}, Row{"../m", "/m"},
                         Row{"  /m  ", "/m"}, Row{"http://127.0.0.1:" + foreign + "/m", ""},
                         Row{"//127.0.0.1:" + foreign + "/m", ""}, Row{"http://localhost:{port}/m", ""},
                         Row{"https://127.0.0.1:{port}/m", ""}, Row{"http://user@127.0.0.1:{port}/m", ""},
                         Row{"file:///etc/passwd", ""}, Row{"http://169.254.169.254/m", ""}, Row{"", ""},
                         Row{"/m#part", ""}}) {
    CAPTURE(row.endpoint);
    FakeSse upstream(row.endpoint, "/base/sse?key=1");
    UpstreamBench bench(document(upstream), "Authorization: Bearer secret\r\n");
    if (row.path.empty()) {
      const std::string outcome = bench.call(0, "echo", Json::object(), {.within = 3s});
      CHECK(outcome.starts_with("upstream_"));
      CHECK(upstream.posts().empty());
    } else {
      CHECK(bench.call(0, "echo") == "{}");
      REQUIRE(!upstream.posts().empty());
      CHECK(upstream.posts()[0].starts_with("POST " + row.path + " HTTP/1.1\r\n"));
    }
  }
  CHECK(elsewhere.posts().empty());
  CHECK(elsewhere.gets().empty());
}

TEST_CASE("what is no SSE server, and what refuses the credential, is named in words that help") {
  struct Row {
    int status;
    const char* words;
  };
  for (const Row& row : {Row{404, "HTTP 404 to GET"}, Row{401, "refuses a call without a credential"},
                         Row{200, "no event stream"}}) {
    FakeUpstream upstream(
        sallyport::net::testing::always(FakeMcp::http(row.status, "text/plain", "not here")));
    UpstreamBench bench("kind: Server\nname: up\ntransport: {type: sse, url: \"" + upstream.url() +
                        "\", allow_private: true}\n");
    CHECK(bench.call(0, "echo") == "upstream_broken");
    CHECK(bench.upstream->health().state == "down");
    CHECK(bench.upstream->health().problem.find(row.words) != std::string::npos);
  }
}
