#include "sallyport/net/head.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "sallyport/core/limits.hpp"

using namespace sallyport;
using namespace sallyport::net;

namespace {

using State = HeadParse::State;

/// "ok", "more", or "400 reason".
std::string verdict(std::string_view bytes) {
  const HeadParse p = parse_head(bytes);
  if (p.state == State::complete) return "ok";
  if (p.state == State::need_more) return "more";
  return std::to_string(p.status) + " " + std::string(p.reason);
}

std::string get(std::string_view target) {
  return "GET " + std::string(target) + " HTTP/1.1\r\nHost: a.example\r\n\r\n";
}
std::string with(std::string_view lines) {
  return "POST /mcp HTTP/1.1\r\nHost: a.example\r\n" + std::string(lines) + "\r\n";
}

struct Row {
  std::string bytes;
  std::string expected;
};

void check(const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    CAPTURE(row.bytes.substr(0, 200));
    CHECK(verdict(row.bytes) == row.expected);
    // However it is cut, a beginning is "more" or the same answer.
    for (std::size_t n = 0; n < std::min<std::size_t>(row.bytes.size(), 600); ++n) {
      const std::string part = verdict(std::string_view(row.bytes).substr(0, n));
      if (part != "more" && part != row.expected) FAIL_CHECK(n << ": " << part);
    }
  }
}

}  // namespace

TEST_CASE("a good head is read as it stands") {
  const std::string bytes =
      "POST /mcp/pay?x=%2F&y HTTP/1.1\r\nHost: a.example:8080\r\ncontent-length: 12\r\nX-Empty:\r\n"
      "Authorization: \t Bearer a b \t\r\nExpect: 100-continue\r\n\r\n{\"jsonrpc\":";
  const HeadParse p = parse_head(bytes);
  REQUIRE(p.state == State::complete);
  CHECK(p.length == bytes.find("{"));
  const Request& r = p.request;
  CHECK(r.method == Method::post);
  CHECK(r.target == "/mcp/pay?x=%2F&y");
  CHECK(r.path == "/mcp/pay");
  CHECK(r.query == "x=%2F&y");
  CHECK(r.content_length == 12U);
  CHECK(r.keep_alive);
  CHECK(r.expect_continue);
  CHECK_FALSE(r.chunked);
  CHECK(r.minor_version == 1);
  CHECK(r.headers.lines.size() == 5);
  CHECK(r.headers.find("authorization") == "Bearer a b");
  CHECK(r.headers.find("x-empty") == "");
  CHECK_FALSE(r.headers.find("x-other"));
  CHECK(r.headers.count("HOST") == 1);
}

TEST_CASE("methods and versions") {
  CHECK(parse_head("DELETE / HTTP/1.1\r\nHost: x\r\n\r\n").request.method == Method::del);
  CHECK(parse_head("OPTIONS / HTTP/1.1\r\nHost: x\r\n\r\n").request.method == Method::options);
  CHECK(parse_head("PROPFIND / HTTP/1.1\r\nHost: x\r\n\r\n").request.method == Method::other);
  CHECK(parse_head("get / HTTP/1.1\r\nHost: x\r\n\r\n").request.method == Method::other);
  CHECK(parse_head("GET / HTTP/1.1\r\nHost: x\r\nConnection: Close\r\n\r\n").request.keep_alive == false);
  CHECK(parse_head("GET / HTTP/1.0\r\nHost: x\r\n\r\n").request.keep_alive == false);
  CHECK(parse_head("GET / HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n").request.keep_alive == true);
  check({
      {"GET / HTTP/1.2\r\nHost: x\r\n\r\n", "505 version"},
      {"GET / HTTP/2.0\r\nHost: x\r\n\r\n", "505 version"},
      {"GET / HTTP/0.9\r\nHost: x\r\n\r\n", "505 version"},
      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400 preface"},
      {"GET / HTTP/11\r\nHost: x\r\n\r\n", "400 request_line"},
      {"GET / http/1.1\r\nHost: x\r\n\r\n", "400 request_line"},
      {"GET / HTTP/1.1 \r\nHost: x\r\n\r\n", "400 request_line"},
      {"GET  / HTTP/1.1\r\nHost: x\r\n\r\n", "400 target"},
      {"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", "400 target"},
      {"GET /\r\n\r\n", "400 request_line"},
      {" GET / HTTP/1.1\r\nHost: x\r\n\r\n", "400 request_line"},
      {"\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", "400 request_line"},
      {"G\x01T / HTTP/1.1\r\nHost: x\r\n\r\n", "400 request_line"},
      {std::string(33, 'A') + " / HTTP/1.1\r\nHost: x\r\n\r\n", "400 request_line"},
      {"GET\t/ HTTP/1.1\r\nHost: x\r\n\r\n", "400 request_line"},
      {"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", "400 target"},
      {"CONNECT /mcp HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n", "400 target"},
      {"CONNECT http://a/mcp HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", "400 target"},
      {"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "400 target"},
  });
}

TEST_CASE("N01 a length and a transfer coding together are refused") {
  check({{with("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), "400 smuggling"},
         {with("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"), "400 smuggling"},
         {with("transfer-encoding: chunked\r\ncontent-length: 0\r\n"), "400 smuggling"}});
}

TEST_CASE("N02 odd lengths are refused, equal twins too") {
  check({
      {with("Content-Length: 5\r\n"), "ok"},
      {with("Content-Length:5\r\n"), "ok"},
      {with("Content-Length: 9999999999999999999\r\n"), "ok"},
      {with("Content-Length: 5\r\nContent-Length: 6\r\n"), "400 content_length"},
      {with("Content-Length: 5\r\nContent-Length: 5\r\n"), "400 content_length"},
      {with("Content-Length: 5, 6\r\n"), "400 content_length"},
      {with("Content-Length: 5, 5\r\n"), "400 content_length"},
      {with("Content-Length: +5\r\n"), "400 content_length"},
      {with("Content-Length: -5\r\n"), "400 content_length"},
      {with("Content-Length: 5 \r\n"), "400 content_length"},
      {with("Content-Length: 0x5\r\n"), "400 content_length"},
      {with("Content-Length: \r\n"), "400 content_length"},
      {with("Content-Length:\r\n"), "400 content_length"},
      {with("Content-Length: 18446744073709551621\r\n"), "400 content_length"},
      {with("Content-Length: 5.0\r\n"), "400 content_length"},
      {with("Content-Length: \xd9\xa5\r\n"), "400 content_length"},
  });
}

TEST_CASE("N03 a transfer coding is exactly chunked or refused") {
  check({
      {with("Transfer-Encoding: chunked\r\n"), "ok"},
      {with("Transfer-Encoding:\t chunked\r\n"), "ok"},
      {with("Transfer-Encoding: chunked\t\r\n"), "400 smuggling"},
      {with("Transfer-Encoding: chunked \r\n"), "400 smuggling"},
      {with("Transfer-Encoding: xchunked\r\n"), "501 transfer_encoding"},
      {with("Transfer-Encoding: identity\r\n"), "501 transfer_encoding"},
      {with("Transfer-Encoding: gzip\r\n"), "501 transfer_encoding"},
      {with("Transfer-Encoding: gzip, chunked\r\n"), "400 smuggling"},
      {with("Transfer-Encoding: chunked, identity\r\n"), "400 smuggling"},
      {with("Transfer-Encoding: chunked, chunked\r\n"), "400 smuggling"},
      {with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), "400 smuggling"},
      {with("Transfer-Encoding: Chunked\r\n"), "400 smuggling"},
      {with("Transfer-Encoding: \x0b"
            "chunked\r\n"),
       "400 field"},
      {with("Transfer-Encoding: \"chunked\"\r\n"), "400 smuggling"},
      {with("Transfer-Encoding:\r\n"), "400 smuggling"},
      {with("Transfer-Encoding : chunked\r\n"), "400 field"},
  });
}

TEST_CASE("N04 HTTP/1.0 knows neither codings nor bodies of unknown length") {
  check({
      {"POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", "400 transfer_encoding"},
      {"POST / HTTP/1.0\r\nHost: x\r\n\r\n", "400 content_length"},
      {"POST / HTTP/1.0\r\nHost: x\r\nContent-Length: 3\r\n\r\n", "ok"},
      {"GET / HTTP/1.0\r\nHost: x\r\n\r\n", "ok"},
  });
}

TEST_CASE("N08 lines end in CRLF, names are tokens, nothing is folded") {
  check({
      {"GET / HTTP/1.1\nHost: x\n\n", "400 line_end"},
      {"GET / HTTP/1.1\r\nHost: x\n\r\n", "400 line_end"},
      {"GET / HTTP/1.1\r\nHost: x\r\n\n", "400 line_end"},
      {with("A: b\rc\r\n"), "400 field"},
      {with("A: b\r\r\n"), "400 field"},
      {with(std::string("A: b\0c\r\n", 8)), "400 field"},
      {with("A: b\x7f\r\n"), "400 field"},
      {with("A: b\r\n c\r\n"), "400 fold"},
      {with("A: b\r\n\tc\r\n"), "400 fold"},
      {with("A : b\r\n"), "400 field"},
      {with(": b\r\n"), "400 field"},
      {with("A\r\n"), "400 field"},
      {with("A(b): c\r\n"), "400 field"},
      {with("\xc3\xa4: c\r\n"), "400 field"},
      {with("A: \xc3\xa4\r\n"), "ok"},
      {"GET / HTTP/1.1\r\n Host: x\r\n\r\n", "400 fold"},
  });
}

TEST_CASE("N09 a value is literal: nothing in it is decoded") {
  const std::string bytes = with("X-Note: a%0d%0aX-Role: admin\r\n");
  const HeadParse p = parse_head(bytes);
  REQUIRE(p.state == State::complete);
  CHECK(p.request.headers.find("x-note") == "a%0d%0aX-Role: admin");
  CHECK_FALSE(p.request.headers.find("x-role"));
}

TEST_CASE("N10 forwarding headers and their twins are not among the headers") {
  const std::string bytes = with(
      "X_Forwarded_User: eve\r\nx-forwarded-user: eve\r\nX-Forwarded-Uri: /healthz\r\nX-Forwarded_Proto: "
      "https\r\n"
      "Forwarded: for=1.2.3.4\r\nX-Forward: kept\r\nX-Forwarded-For: 9.9.9.9\r\n");
  const HeadParse p = parse_head(bytes);
  REQUIRE(p.state == State::complete);
  CHECK(p.request.headers.lines.size() == 2);  // Host and X-Forward
  CHECK(p.request.headers.find("x-forward") == "kept");
  CHECK(p.request.path == "/mcp");
  CHECK(p.request.forwarded.lines.size() == 4);
  CHECK(p.request.forwarded.find("x-forwarded-for") == "9.9.9.9");
}

TEST_CASE("N11 Connection may name nothing that another hop would strip") {
  check({
      {with("Connection: keep-alive\r\n"), "ok"},
      {with("Connection: Keep-Alive , close\r\n"), "ok"},
      {with("Connection: upgrade\r\nUpgrade: websocket\r\n"), "ok"},
      {with("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"), "ok"},
      {with("Connection: TE\r\nTE: trailers\r\n"), "ok"},
      {with("Connection: authorization, mcp-name\r\n"), "400 connection"},
      {with("Connection: close\r\nConnection: host\r\n"), "400 connection"},
      {with("Connection: close;q=1\r\n"), "400 connection"},
  });
}

TEST_CASE("N12 a path has one reading or is not found") {
  for (const std::string_view path :
       {"/", "/mcp", "/mcp/a.b_c~d-e", "/.well-known/x", "/a/..b", "/a:b@c", "/v1/", "/ADMIN"}) {
    CAPTURE(path);
    const std::string bytes = get(path);
    const HeadParse p = parse_head(bytes);
    CHECK(p.state == State::complete);
    CHECK(p.request.path == path);
  }
  check({
      {get("/mcp/../admin"), "404 path"},
      {get("/mcp%2f..%2fadmin"), "404 path"},
      {get("//admin"), "404 path"},
      {get("/a//b"), "404 path"},
      {get("/a/./b"), "404 path"},
      {get("/a/."), "404 path"},
      {get("/.."), "404 path"},
      {get("/%00"), "404 path"},
      {get("/a;x"), "404 path"},
      {get("/a\\b"), "404 path"},
      {get("/\xc3\xa4"), "400 target"},
      {get("/a?\xc3\xa4"), "400 target"},
      {get("/a\"b"), "404 path"},
      {get("/a#b"), "400 target"},
      {get("/a?b#c"), "400 target"},
      {get("mcp"), "400 target"},
      {get("/a?%2e%2e/"), "ok"},
      {get("/a?b?c//d/../e"), "ok"},
      {get("?a"), "400 target"},
      {get("http://a.example/mcp"), "ok"},
      {get("HTTP://A.Example/mcp"), "ok"},
      {get("http://a.example?x"), "ok"},
      {get("http://evil.example/mcp"), "400 authority"},
      {get("http://u@a.example/mcp"), "400 authority"},
      {get("http:///mcp"), "400 authority"},
      {get("http://a.example//x"), "404 path"},
      {get("ftp://a.example/mcp"), "400 target"},
  });
}

TEST_CASE("N13 exactly one Host, and one that is a host") {
  check({
      {"GET / HTTP/1.1\r\n\r\n", "400 host"},
      {"GET / HTTP/1.1\r\nHost:\r\n\r\n", "400 host"},
      {"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "400 host"},
      {"GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n", "400 host"},
      {"GET / HTTP/1.1\r\nHost: 127.0.0.1@evil\r\n\r\n", "400 host"},
      {"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", "400 host"},
      {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "400 host"},
      {"GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", "ok"},
  });
}

TEST_CASE("N14 heads have bounds, and are refused at the bound, not behind it") {
  std::string hundred, more;
  for (int i = 0; i < 99; ++i) hundred += "A" + std::to_string(i) + ": b\r\n";
  more = hundred + "B: c\r\n";
  CHECK(verdict(with(hundred)) == "ok");
  CHECK(verdict(with(more)) == "431 too_many_headers");

  const auto head_of = [](std::size_t size) {
    const std::string rest = with("X: \r\n");
    return with("X: " + std::string(size - rest.size(), 'a') + "\r\n");
  };
  CHECK(verdict(head_of(limits::kHeadBytes)) == "ok");
  CHECK(verdict(head_of(limits::kHeadBytes + 1)) == "431 head_too_large");
  CHECK(verdict(head_of(limits::kHeadBytes + 1).substr(0, limits::kHeadBytes)) == "more");
  CHECK(verdict(with("X: " + std::string(limits::kHeadBytes, 'a'))) == "431 head_too_large");

  CHECK(verdict(get("/" + std::string(limits::kTargetBytes - 1, 'a'))) == "ok");
  CHECK(verdict(get("/" + std::string(limits::kTargetBytes, 'a'))) == "414 target_too_long");
  CHECK(verdict("GET /" + std::string(limits::kTargetBytes + 100, 'a')) == "414 target_too_long");
  CHECK(verdict("GET /" + std::string(limits::kTargetBytes - 1, 'a')) == "more");
}

TEST_CASE("only 100-continue can be expected") {
  check({{with("Expect: 100-Continue\r\n"), "ok"}, {with("Expect: the best\r\n"), "417 expect"}});
}

TEST_CASE("a reader that is used again remembers nothing") {
  HeadParse p;
  parse_head(
      with("Transfer-Encoding: chunked\r\nExpect: 100-continue\r\nConnection: close\r\nForwarded: x\r\n"), p);
  REQUIRE(p.state == State::complete);
  const std::string plain = get("/b");
  parse_head(plain, p);
  REQUIRE(p.state == State::complete);
  CHECK_FALSE(p.request.chunked);
  CHECK_FALSE(p.request.expect_continue);
  CHECK_FALSE(p.request.content_length);
  CHECK(p.request.keep_alive);
  CHECK(p.request.headers.lines.size() == 1);
  CHECK(p.request.forwarded.lines.empty());
  CHECK(p.request.query.empty());
}
