#include "sallyport/net/trusted_proxies.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace sallyport;
using namespace sallyport::net;

namespace {

TrustedProxies trusted(const std::vector<std::string>& entries) {
  auto made = TrustedProxies::of(entries);
  REQUIRE_MESSAGE(made.has_value(), made.error().hint);
  return *made;
}

Peer at(const char* ip) {
  Peer peer;
  peer.ip = ip;
  return peer;
}

}  // namespace

TEST_CASE("the client is the last hop that is no trusted proxy, and what stands before it is not believed") {
  struct Row {
    const char* why;
    const char* peer;
    std::vector<Header> lines;
    const char* client;
  };
  const Row rows[] = {
      {"a stranger's word", "198.51.100.9", {{"X-Forwarded-For", "203.0.113.1"}}, "198.51.100.9"},
      {"a proxy's word", "10.0.0.1", {{"x-forwarded-for", "203.0.113.1"}}, "203.0.113.1"},
      {"a proxy that says nothing", "10.0.0.1", {}, "10.0.0.1"},
      {"an invention in front", "10.0.0.1", {{"X-Forwarded-For", "127.0.0.1, 203.0.113.1"}}, "203.0.113.1"},
      {"two proxies", "10.0.0.1", {{"X-Forwarded-For", "1.1.1.1,203.0.113.1 , 10.9.9.9"}}, "203.0.113.1"},
      {"lines in order",
       "10.0.0.1",
       {{"X-Forwarded-For", "1.1.1.1"}, {"X-Forwarded-For", "2.2.2.2"}},
       "2.2.2.2"},
      {"over two lines",
       "10.0.0.1",
       {{"X-Forwarded-For", "2.2.2.2"}, {"X-Forwarded-For", "10.2.2.2"}},
       "2.2.2.2"},
      {"all of them proxies", "10.0.0.1", {{"X-Forwarded-For", "10.0.0.3, 10.0.0.2"}}, "10.0.0.3"},
      {"one address of a network", "192.0.2.7", {{"X-Forwarded-For", "203.0.113.1"}}, "203.0.113.1"},
      {"its neighbour", "192.0.2.8", {{"X-Forwarded-For", "203.0.113.1"}}, "192.0.2.8"},
      {"IPv6", "fd00::1", {{"X-Forwarded-For", "2001:DB8:0::7"}}, "2001:db8::7"},
      {"IPv6 that is no proxy", "fe00::1", {{"X-Forwarded-For", "2001:db8::7"}}, "fe00::1"},
      {"IPv4 in IPv6", "10.0.0.1", {{"X-Forwarded-For", "::ffff:203.0.113.1"}}, "203.0.113.1"},
      {"a proxy in IPv6 clothes", "10.0.0.1", {{"X-Forwarded-For", "2.2.2.2, ::ffff:10.1.1.1"}}, "2.2.2.2"},
      {"with a port", "10.0.0.1", {{"X-Forwarded-For", "203.0.113.1:4711"}}, "203.0.113.1"},
      {"in brackets", "10.0.0.1", {{"X-Forwarded-For", "[2001:db8::7]:443"}}, "2001:db8::7"},
      {"in brackets alone", "10.0.0.1", {{"X-Forwarded-For", "[2001:db8::7]"}}, "2001:db8::7"},
      {"nobody's address", "10.0.0.1", {{"X-Forwarded-For", "unknown"}}, "10.0.0.1"},
      {"nobody behind a proxy", "10.0.0.1", {{"X-Forwarded-For", "2.2.2.2, unknown, 10.0.0.2"}}, "10.0.0.2"},
      {"nothing between commas", "10.0.0.1", {{"X-Forwarded-For", "2.2.2.2,,"}}, "10.0.0.1"},
      {"an empty line", "10.0.0.1", {{"X-Forwarded-For", ""}}, "10.0.0.1"},
      {"octal", "10.0.0.1", {{"X-Forwarded-For", "010.0.0.1"}}, "10.0.0.1"},
      {"a torn bracket", "10.0.0.1", {{"X-Forwarded-For", "[2001:db8::7"}}, "10.0.0.1"},
      {"a port that is none", "10.0.0.1", {{"X-Forwarded-For", "203.0.113.1:x"}}, "10.0.0.1"},
      {"another header", "10.0.0.1", {{"Forwarded", "for=2.2.2.2"}, {"X-Forwarded-Host", "a"}}, "10.0.0.1"},
      {"a local socket that is not trusted", "unix", {{"X-Forwarded-For", "203.0.113.1"}}, "unix"},
  };
  const auto proxies = trusted({"10.0.0.0/8", "192.0.2.7", "fd00::/8"});
  for (const Row& row : rows) {
    CAPTURE(row.why);
    Headers forwarded;
    forwarded.lines = row.lines;
    CHECK(proxies.client_of(at(row.peer), forwarded) == row.client);
  }
  Headers forwarded;
  forwarded.lines = {{"X-Forwarded-For", "203.0.113.1"}};
  CHECK(trusted({"unix"}).client_of(at("unix"), forwarded) == "203.0.113.1");
  CHECK(trusted({}).client_of(at("10.0.0.1"), forwarded) == "10.0.0.1");
  CHECK(trusted({"0.0.0.0/0"}).contains("203.0.113.1"));
  CHECK_FALSE(trusted({"0.0.0.0/0"}).contains("2001:db8::1"));
  CHECK(trusted({"::/0"}).contains("2001:db8::1"));
  CHECK_FALSE(trusted({"::/0"}).contains("203.0.113.1"));
  CHECK_FALSE(trusted({"::/1"}).contains("203.0.113.1"));
  CHECK(trusted({"::ffff:0.0.0.0/96"}).contains("203.0.113.1"));
  CHECK(trusted({"203.0.113.1/32"}).contains("203.0.113.1"));
  CHECK(trusted({"::ffff:203.0.113.0/120"}).contains("203.0.113.99"));
}

TEST_CASE("an entry that is neither an address nor a network is refused by its name") {
  for (const std::string bad :
       {"", "proxy.example.com", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8x", "/8", "10.0.0/8",
        "fd00::/129", "10.0.0.0/99999999999", "10.0.0.0/2147483647", "fd00::/2147483647", "::ffff:10.0.0.0/8",
        "[::1]", "10.0.0.1:80"}) {
    CAPTURE(bad);
    const auto made = TrustedProxies::of({"10.0.0.1", bad});
    REQUIRE_FALSE(made.has_value());
    CHECK(made.error().hint.find("'" + bad + "'") == 0);
  }
}
