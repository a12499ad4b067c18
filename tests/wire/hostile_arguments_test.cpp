// What a caller writes into an argument, a name or a claim stays a value, wherever it is mirrored to.
#include "gateway_fixture.hpp"

using namespace sallyport::testing;

namespace {

const std::string kHostile[] = {"../../etc/passwd",
                                "a?x=1#y",
                                "%2e%2e%2f",
                                "x\r\nX-Injected: yes",
                                "x\nX-Injected: yes",
                                std::string("a\0b", 3),
                                "http://127.0.0.1/",
                                "\xE2\x80\xAE"
                                "gpj.exe"};

/// The head of a request at the upstream, and its body.
std::pair<std::string, Json> taken_apart(const std::string& request) {
  const auto end = request.find("\r\n\r\n");
  REQUIRE(end != std::string::npos);
  return {request.substr(0, end + 2), Json::parse(request.substr(end + 4))};
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t n = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

/// The request line and the set of header names are those of a harmless call.
void is_one_plain_request(const std::string& head) {
  CHECK(head.starts_with("POST /mcp HTTP/1.1\r\n"));
  CHECK(head.find("X-Injected") == std::string::npos);
  CHECK(count(head, "Mcp-Param-") == 1);
  CHECK(count(head, "Mcp-Name:") == 1);
  for (const char c : head) CHECK((c == '\r' || c == '\n' || (c >= 0x20 && c < 0x7f)));
  CHECK(count(head, "\r") == count(head, "\n"));
}

}  // namespace

TEST_CASE(
    "N43 a hostile argument is mirrored into a header as a value, and never becomes path, query or header") {
  FakeMcp upstream;
  const GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  const std::string session = gateway.initialize();
  for (const std::string& value : kHostile) {
    CAPTURE(value);
    const std::size_t before = upstream.call_count();
    const Response answer =
        gateway.legacy(session, "tools/call", {{"name", "up__region"}, {"arguments", {{"place", value}}}});
    CHECK(answer.status == 200);
    CHECK(answer.json().contains("result"));
    REQUIRE(upstream.call_count() == before + 1);
    const auto [head, body] = taken_apart(upstream.calls().back());
    is_one_plain_request(head);
    CHECK(body["params"]["arguments"]["place"] == value);
    CHECK(body["params"]["name"] == "region");
  }
  CHECK(gateway.still_works());
}

TEST_CASE("N43 a hostile claim that a preset is made from stays a value as well") {
  FakeMcp upstream;
  Json claims = Json::object();
  for (std::size_t i = 0; i < std::size(kHostile); ++i) {
    if (kHostile[i].find_first_of(std::string("\0\r\n", 3)) == std::string::npos)
      claims["c" + std::to_string(i)] = kHostile[i];
  }
  std::string documents = server_document("up", upstream.url()) + kDefaultPolicy +
                          "---\nkind: Agent\nname: bot\nclaims: " + claims.dump() + "\n";
  for (const auto& [name, value] : claims.items())
    documents += "---\nkind: VirtualServer\nname: " + name +
                 "\ntools: [{from: up, tool: region, as: region, preset: {place: {from: principal.claims." +
                 name + "}}}]\n";
  const GatewayFixture gateway(documents);
  for (const auto& [name, value] : claims.items()) {
    CAPTURE(value);
    const std::size_t before = upstream.call_count();
    CHECK(gateway.modern("tools/call", {{"name", "region"}, {"arguments", Json::object()}}, "/mcp/" + name)
              .status == 200);
    REQUIRE(upstream.call_count() == before + 1);
    const auto [head, body] = taken_apart(upstream.calls().back());
    is_one_plain_request(head);
    CHECK(body["params"]["arguments"]["place"] == value);
  }
  for (const char* value : {"x\r\nX-Injected: yes", "x\nX-Injected: yes"}) {
    const auto refused =
        gateway.apply("kind: Agent\nname: bot\nclaims: " + Json{{"tenant", value}}.dump() + "\n");
    REQUIRE(!refused.has_value());
    CHECK(refused.error().find("must be one line") != std::string::npos);
  }
}

TEST_CASE("N43 a hostile name or URI reaches no server, and no path of ours") {
  FakeMcp upstream;
  const GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  const std::string session = gateway.initialize();
  for (const std::string& value : kHostile) {
    CAPTURE(value);
    for (const Json& params :
         {Json{{"name", "up__" + value}, {"arguments", Json::object()}}, Json{{"name", value}}}) {
      const Response answer = gateway.legacy(session, "tools/call", params);
      CHECK(answer.status == 200);
      CHECK(answer.json()["error"]["code"] == -32602);
    }
    CHECK(gateway.legacy(session, "resources/read", {{"uri", value}}).json().contains("error"));
  }
  CHECK(upstream.call_count() == 0);
  CHECK(gateway.still_works());
}
