// Threats N01-N15: what a hostile or broken HTTP client may send. Every row asserts the status, that the
// upstream saw nothing, that a refusal was recorded without a secret, and that the next good request works.
#include "gateway_fixture.hpp"

using namespace sallyport::testing;

namespace {

struct Row {
  const char* id;
  const char* why;
  std::string bytes;
  std::vector<int> statuses;  ///< any of these
  bool closes = true;
};

std::string call_body() {
  return GatewayFixture::modern_body("tools/call",
                                     {{"name", "up__echo"}, {"arguments", {{"text", "framing"}}}});
}

class Bytes {
 public:
  explicit Bytes(const GatewayFixture& gateway) : gateway_(gateway) {}
  /// A good call's head with extra lines and, by default, its Content-Length.
  std::string call(const std::string& lines, const std::string& version = "HTTP/1.1", bool with_length = true,
                   const std::string& host = "Host: localhost\r\n") const {
    const std::string body = call_body();
    return "POST /mcp " + version + "\r\n" + host + gateway_.bearer() + GatewayFixture::media() +
           GatewayFixture::modern_headers("tools/call", "up__echo") + lines +
           (with_length ? "Content-Length: " + std::to_string(body.size()) + "\r\n" : "") + "\r\n" + body;
  }
  std::string target(const std::string& target) const {
    const std::string body = call_body();
    return "POST " + target + " HTTP/1.1\r\nHost: localhost\r\n" + gateway_.bearer() +
           GatewayFixture::media() + GatewayFixture::modern_headers("tools/call", "up__echo") +
           "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  }
  std::string chunked(const std::string& body) const {
    return call("Transfer-Encoding: chunked\r\n", "HTTP/1.1", false).substr(0, head_size()) + body;
  }

 private:
  std::size_t head_size() const {
    return call("Transfer-Encoding: chunked\r\n", "HTTP/1.1", false).find("\r\n\r\n") + 4;
  }
  const GatewayFixture& gateway_;
};

void check_rows(GatewayFixture& gateway, FakeMcp& upstream, const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    CAPTURE(row.id);
    CAPTURE(row.why);
    const std::size_t calls = upstream.call_count();
    RawSocket socket = gateway.connect();
    socket.send(row.bytes);
    const Response answer{socket.answer()};
    CAPTURE(answer.status);
    CHECK(std::find(row.statuses.begin(), row.statuses.end(), answer.status) != row.statuses.end());
    if (row.closes) CHECK(socket.at_end());
    CHECK(upstream.call_count() == calls);
    CHECK(answer.body.find(gateway.key) == std::string::npos);
    CHECK(gateway.still_works());
  }
}

}  // namespace

TEST_CASE("N01-N08 N11 a head that two readers could frame differently is refused and the connection ends") {
  FakeMcp upstream;
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  const Bytes bytes(gateway);
  const std::string five = "hello";
  std::vector<Row> rows{
      {"N01", "length and chunked", bytes.call("Transfer-Encoding: chunked\r\n"), {400}},
      {"N02", "two different lengths", bytes.call("Content-Length: 1\r\n"), {400}},
      {"N02",
       "two equal lengths",
       bytes.call("Content-Length: " + std::to_string(call_body().size()) + "\r\n"),
       {400}},
      {"N02", "a list of lengths", bytes.call("Content-Length: 5, 6\r\n", "HTTP/1.1", false), {400}},
      {"N02", "plus sign", bytes.call("Content-Length: +5\r\n", "HTTP/1.1", false), {400}},
      {"N02", "hexadecimal", bytes.call("Content-Length: 0x5\r\n", "HTTP/1.1", false), {400}},
      {"N02", "empty", bytes.call("Content-Length: \r\n", "HTTP/1.1", false), {400}},
      {"N02",
       "beyond 64 bits",
       bytes.call("Content-Length: 18446744073709551621\r\n", "HTTP/1.1", false),
       {400}},
      {"N03", "unknown coding", bytes.call("Transfer-Encoding: xchunked\r\n", "HTTP/1.1", false), {400, 501}},
      {"N03",
       "chunked is not last",
       bytes.call("Transfer-Encoding: chunked, identity\r\n", "HTTP/1.1", false),
       {400, 501}},
      {"N03",
       "chunked twice",
       bytes.call("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "HTTP/1.1", false),
       {400, 501}},
      {"N03",
       "vertical tab before chunked",
       bytes.call("Transfer-Encoding: \x0b"
                  "chunked\r\n",
                  "HTTP/1.1", false),
       {400, 501}},
      {"N04", "chunked in HTTP/1.0", bytes.call("Transfer-Encoding: chunked\r\n", "HTTP/1.0", false), {400}},
      {"N04", "a body without length in HTTP/1.0", bytes.call("", "HTTP/1.0", false), {400, 411, 415}},
      {"N07", "chunk size beyond 64 bits", bytes.chunked("FFFFFFFFFFFFFFFFF\r\nx"), {400}},
      {"N07", "negative chunk size", bytes.chunked("-1\r\nx"), {400}},
      {"N07", "chunk extension without end", bytes.chunked("1;ext=" + std::string(65536, 'a')), {400}},
      {"N07", "bare LF in chunk framing", bytes.chunked("1\nx\n0\n\n"), {400}},
      {"N08", "bare CR in a value", bytes.call("X-A: a\rb\r\n"), {400}},
      {"N08", "NUL in a value", bytes.call(std::string("X-A: a\0b\r\n", 10)), {400}},
      {"N08", "folded line", bytes.call("X-A: a\r\n b\r\n"), {400}},
      {"N08", "space before the colon", bytes.call("X-A : a\r\n"), {400}},
      {"N08", "empty name", bytes.call(": a\r\n"), {400}},
      {"N11",
       "Connection names what others trust",
       bytes.call("Connection: authorization, mcp-name\r\n"),
       {400}},
  };
  check_rows(gateway, upstream, rows);
  CHECK(gateway.journal_bytes().find(gateway.key) == std::string::npos);
  CHECK(gateway.count("refusal") > 0);
}

TEST_CASE("N05 bytes after an upgrade request are never taken for the upgraded protocol") {
  FakeMcp upstream;
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  const Bytes bytes(gateway);
  RawSocket socket = gateway.connect();
  socket.send(bytes.call("Upgrade: foo\r\nConnection: upgrade\r\n") +
              "GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const int status = socket.answer().status;
  CHECK((status == 200 || status == 400));
  CHECK(upstream.call_count() <= 1);
  for (const std::string& call : upstream.calls()) CHECK(call.find("smuggled") == std::string::npos);
  CHECK(gateway.still_works());
}

TEST_CASE("N06 a body that follows a refused head is never read as a request") {
  FakeMcp upstream;
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  const std::string inner = GatewayFixture::request(
      "POST", "/mcp",
      gateway.bearer() + GatewayFixture::media() + GatewayFixture::modern_headers("tools/call", "up__echo"),
      call_body());
  RawSocket socket = gateway.connect();
  socket.send("POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: " +
              std::to_string(inner.size() + 10) + "\r\n\r\n" + inner);
  const Response answer{socket.answer()};
  CHECK(answer.status == 401);
  CHECK(answer.header("WWW-Authenticate").starts_with("Bearer"));
  CHECK(socket.rest().empty());
  CHECK(upstream.call_count() == 0);
  CHECK(gateway.still_works());
}

TEST_CASE("N07 trailers are dropped: they never become header fields") {
  FakeMcp upstream;
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  const std::string body = call_body();
  char size[16];
  std::snprintf(size, sizeof size, "%zx", body.size());
  const std::string head = "POST /mcp HTTP/1.1\r\nHost: localhost\r\n" + GatewayFixture::media() +
                           GatewayFixture::modern_headers("tools/call", "up__echo");
  const std::string chunks =
      "Transfer-Encoding: chunked\r\n\r\n" + std::string(size) + "\r\n" + body + "\r\n0\r\n";
  CHECK(gateway.raw(head + chunks + gateway.bearer() + "\r\n").status == 401);
  CHECK(upstream.call_count() == 0);
  CHECK(gateway.raw(head + gateway.bearer() + chunks + "Mcp-Name: up__secret\r\n\r\n").status == 200);
  CHECK(upstream.call_count() == 1);
}

TEST_CASE("N09 N10 header values stay literal and forwarded twins change nothing") {
  FakeMcp upstream;
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  const Bytes bytes(gateway);
  for (const std::string line :
       {"X-Note: a%0d%0aX-Role: admin\r\n", "X_Forwarded_User: root\r\n", "x-forwarded-user: root\r\n",
        "X-Forwarded-Uri: /healthz\r\n", "X-Forwarded-For: 127.0.0.1\r\n"}) {
    CAPTURE(line);
    CHECK(gateway.raw(bytes.call(line)).status == 200);
  }
  for (const std::string& call : upstream.calls()) {
    const std::string head = call.substr(0, call.find("\r\n\r\n"));
    for (const char* never : {"X-Role", "Forwarded", "forwarded", "X-Note", "sp_"})
      CHECK(head.find(never) == std::string::npos);
  }
  CHECK(gateway.recorded("intent", {{"principal", "agent:bot"}}, 5));
}

TEST_CASE("N12 a path has one spelling") {
  FakeMcp upstream;
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  const Bytes bytes(gateway);
  std::vector<Row> rows;
  for (const char* target : {"/mcp/../admin", "/mcp%2f..%2fadmin", "//admin", "/ADMIN", "/mcp%00", "/mcp;x",
                             "/./mcp", "/MCP", "/mcp/", "http://evil.example/mcp"}) {
    rows.push_back({"N12", target, bytes.target(target), {400, 404}, false});
  }
  check_rows(gateway, upstream, rows);
}

TEST_CASE("N13 a rebound Host or a foreign Origin is forbidden") {
  FakeMcp upstream;
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  const Bytes bytes(gateway);
  std::vector<Row> rows{
      {"N13", "foreign host", bytes.call("", "HTTP/1.1", true, "Host: evil.example\r\n"), {403}, false},
      {"N13",
       "two hosts",
       bytes.call("", "HTTP/1.1", true, "Host: localhost\r\nHost: evil.example\r\n"),
       {400, 403}},
      {"N13", "no host", bytes.call("", "HTTP/1.1", true, ""), {400}},
      {"N13", "null origin", bytes.call("Origin: null\r\n"), {403}, false},
      {"N13",
       "two origins",
       bytes.call("Origin: http://localhost\r\nOrigin: http://localhost\r\n"),
       {403},
       false},
      {"N13", "look-alike origin", bytes.call("Origin: http://localhost.evil.com\r\n"), {403}, false},
      {"N13", "user info in origin", bytes.call("Origin: http://127.0.0.1@evil\r\n"), {403}, false},
  };
  check_rows(gateway, upstream, rows);
  CHECK(gateway.raw(bytes.call("Origin: http://localhost:5173\r\n")).status == 200);
}

TEST_CASE("N14 heads have a size, checked before anything else") {
  FakeMcp upstream;
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  const Bytes bytes(gateway);
  std::string many;
  for (int i = 0; i < 101; ++i) many += "X-" + std::to_string(i) + ": 1\r\n";
  std::vector<Row> rows{
      {"N14", "101 lines", bytes.call(many), {431}},
      {"N14", "33 KiB in one line", bytes.call("X-A: " + std::string(33 * 1024, 'a') + "\r\n"), {431}},
      {"N14", "9 KiB target", bytes.target("/mcp?" + std::string(9 * 1024, 'a')), {414}},
  };
  check_rows(gateway, upstream, rows);
}

TEST_CASE("N15 bodies have a size, and no coding") {
  FakeMcp upstream;
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  const std::string head =
      gateway.bearer() + GatewayFixture::media() + GatewayFixture::modern_headers("tools/call", "up__echo");
  const std::size_t cap = 10 * 1024 * 1024;
  const Response announced = gateway.raw("POST /mcp HTTP/1.1\r\nHost: localhost\r\n" + head +
                                         "Content-Length: " + std::to_string(cap + 1) + "\r\n\r\n");
  CHECK(announced.status == 413);

  RawSocket endless = gateway.connect();
  endless.send("POST /mcp HTTP/1.1\r\nHost: localhost\r\n" + head + "Transfer-Encoding: chunked\r\n\r\n");
  const std::string chunk = "10000\r\n" + std::string(0x10000, 'a') + "\r\n";
  for (int i = 0; i < 200 && endless.send(chunk); ++i) {
  }
  CHECK(endless.answer().status == 413);

  for (const char* coding : {"gzip", "gzip, gzip", "deflate", "br"}) {
    CHECK(gateway
              .raw(GatewayFixture::request("POST", "/mcp", head + "Content-Encoding: " + coding + "\r\n",
                                           std::string("\x1f\x8b", 2)))
              .status == 415);
  }
  CHECK(upstream.call_count() == 0);
  CHECK(gateway.still_works());
}
