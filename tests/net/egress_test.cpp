#include "sallyport/net/egress.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <future>
#include <memory>
#include <mutex>
#include <thread>

#include "sallyport/core/limits.hpp"
#include "sallyport/net/shard.hpp"

using namespace sallyport;
using namespace sallyport::net;

namespace {

SocketAddress address(std::string_view ip, std::uint16_t port = 443) {
  auto a = address_of(ip, port);
  REQUIRE_MESSAGE(a.has_value(), ip);
  return *a;
}

using Found = Result<std::vector<SocketAddress>>;

/// Runs one resolve() on a shard of its own thread.
struct Resolving {
  Shards shards{1};
  Resolving() { shards.start(); }
  ~Resolving() {
    shards.stop();
    set_resolver_for_test({});
  }

  std::future<Found> begin(std::string_view url, bool allow_private, NamedBy named_by) {
    auto done = std::make_shared<std::promise<Found>>();
    REQUIRE(shards[0].post([this, url = *parse_url(url), allow_private, named_by, done] {
      spawn([](Shard& shard, Url u, bool allow, NamedBy by, auto out) -> Task<> {
        out->set_value(co_await resolve(shard, std::move(u), allow, by));
      }(shards[0], url, allow_private, named_by, done));
    }));
    return done->get_future();
  }
  Found operator()(std::string_view url, bool allow_private = false) {
    return begin(url, allow_private, NamedBy::us).get();
  }
};

}  // namespace

TEST_CASE("a URL is taken apart into what is dialled and what is asked for") {
  struct Row {
    const char* text;
    const char* origin;
    const char* path;
    const char* host_header;
  };
  const Row rows[] = {
      {"https://mcp.example.com/mcp", "https://mcp.example.com:443", "/mcp", "mcp.example.com"},
      {"HTTP://MCP.Example.COM", "http://mcp.example.com:80", "/", "mcp.example.com"},
      {"https://a.b:8443?x=1&y=%20", "https://a.b:8443", "/?x=1&y=%20", "a.b:8443"},
      {"http://a.b:80/x", "http://a.b:80", "/x", "a.b"},
      {"http://10.0.0.1:8080/x/", "http://10.0.0.1:8080", "/x/", "10.0.0.1:8080"},
      {"http://[2001:DB8:0::1]/x", "http://[2001:db8::1]:80", "/x", "[2001:db8::1]"},
      {"http://my_server:3000/v1/models:count", "http://my_server:3000", "/v1/models:count",
       "my_server:3000"},
      {"https://1e100.net/", "https://1e100.net:443", "/", "1e100.net"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    const auto url = parse_url(row.text);
    REQUIRE(url.has_value());
    CHECK(url->origin() == row.origin);
    CHECK(url->path == row.path);
    CHECK(url->host_header() == row.host_header);
  }
}

TEST_CASE("N35: a URL that two readers could read differently is refused") {
  const char* rows[] = {
      "",
      "mcp.example.com",
      "//a.b/",
      "http:/a.b",
      "http//a.b",
      "http://",
      "https:///x",
      "http://:80/",
      "file:///etc/passwd",
      "gopher://a.b/",
      "ftp://a.b/",
      "ws://a.b/",
      "javascript://a.b/",
      "unix:///x",
      "http://user@a.b/",
      "http://user:pw@a.b/",
      "http://a.b@127.0.0.1/",
      "http://a.b/#x",
      "http://a.b#@c.d/",
      "http://0x7f.1/",
      "http://0x7f000001/",
      "http://2130706433/",
      "http://127.1/",
      "http://0177.0.0.1/",
      "http://127.0.0.01/",
      "http://127.0.0.1.2/",
      "http://256.0.0.1/",
      "http://1.2.3.0x4/",
      "http://127.0.0.0x/",
      "http://a.b.1/",
      "http://localhost./",
      "http://a.b./",
      "http://.a.b/",
      "http://a..b/",
      "http://-a.b/",
      "http://a-.b/",
      "http://a.b-/",
      "http://a b/",
      "http://a.b/x y",
      "http://a.b/\r\nHost:c",
      "http://a.b\\c.d/",
      "http://a.b/\\..\\c",
      "http://a%2eb/",
      "http://\xc3\xbcml.de/",
      "http://a.b/\xc3\xbc",
      "http://a,b/",
      "http://[::1/",
      "http://[::1]x/",
      "http://::1/",
      "http://[fe80::1%25eth0]/",
      "http://[fe80::1%eth0]/",
      "http://[127.0.0.1]/",
      "http://[a.b]/",
      "http://[]/",
      "http://a.b:/",
      "http://a.b:0/",
      "http://a.b:080/",
      "http://a.b:65536/",
      "http://a.b:+80/",
      "http://a.b:8 0/",
      "http://a.b:80:80/",
      "http://a.b:x/",
      "http://a.b/%",
      "http://a.b/%4",
      "http://a.b/%zz",
      "http://a.b/<x>",
      "http://a.b/{x}",
      "http://a.b/x|y",
      "http://*.a.b/",
  };
  for (const char* row : rows) {
    CAPTURE(row);
    const auto url = parse_url(row);
    REQUIRE_FALSE(url.has_value());
    CHECK(url.error().code == Code::bad_request);
    // A refused URL may hold a password: it is not repeated.
    CHECK(url.error().what.find("pw") == std::string::npos);
  }
  const std::string label(64, 'a');
  CHECK_FALSE(parse_url("http://" + label + ".b/"));
  CHECK_FALSE(parse_url("http://a.b/" + std::string(9000, 'a')));
  std::string name;
  while (name.size() < 254) name += "abcdefgh.";
  CHECK_FALSE(parse_url("http://" + name + "b/"));
  CHECK_FALSE(parse_url(std::string_view("http://a.b\0/", 12)));
}

TEST_CASE("N35: only globally routable unicast addresses count as public") {
  struct Row {
    const char* ip;
    bool is_private;
  };
  const Row rows[] = {
      {"0.0.0.0", true},
      {"0.1.2.3", true},
      {"10.0.0.1", true},
      {"10.255.255.255", true},
      {"11.0.0.0", false},
      {"100.63.255.255", false},
      {"100.64.0.0", true},
      {"100.127.255.255", true},
      {"100.128.0.0", false},
      {"127.0.0.1", true},
      {"127.255.255.254", true},
      {"128.0.0.1", false},
      {"169.253.0.1", false},
      {"169.254.0.1", true},
      {"169.254.169.254", true},
      {"172.15.255.255", false},
      {"172.16.0.1", true},
      {"172.31.255.255", true},
      {"172.32.0.0", false},
      {"192.0.0.1", true},
      {"192.0.1.1", false},
      {"192.0.2.1", true},
      {"192.88.99.1", true},
      {"192.167.0.1", false},
      {"192.168.0.1", true},
      {"192.169.0.1", false},
      {"198.17.255.255", false},
      {"198.18.0.1", true},
      {"198.19.255.255", true},
      {"198.20.0.0", false},
      {"198.51.100.7", true},
      {"203.0.113.9", true},
      {"203.0.114.0", false},
      {"223.255.255.255", false},
      {"224.0.0.1", true},
      {"239.1.1.1", true},
      {"240.0.0.1", true},
      {"255.255.255.255", true},
      {"1.1.1.1", false},
      {"8.8.8.8", false},
      {"93.184.216.34", false},
      {"::", true},
      {"::1", true},
      {"::2", true},
      {"::8.8.8.8", true},
      {"::ffff:10.0.0.1", true},
      {"::ffff:127.0.0.1", true},
      {"::ffff:8.8.8.8", false},
      {"::ffff:0:8.8.8.8", true},
      {"64:ff9b::10.0.0.1", true},
      {"64:ff9b::169.254.169.254", true},
      {"64:ff9b::8.8.8.8", false},
      {"64:ff9b:1::8.8.8.8", true},
      {"100::1", true},
      {"2001::1", true},
      {"2001:0:4136:e378::1", true},
      {"2001:2::1", true},
      {"2001:10::1", true},
      {"2001:20::1", true},
      {"2001:1ff::1", true},
      {"2001:200::1", false},
      {"2001:db8::1", true},
      {"2001:db9::1", false},
      {"2002:0808:0808::1", true},
      {"2002:7f00:1::", true},
      {"3ffe:ffff::1", false},
      {"3fff::1", true},
      {"3fff:fff::1", true},
      {"3fff:1000::1", false},
      {"4000::1", true},
      {"5f00::1", true},
      {"fc00::1", true},
      {"fd00::1", true},
      {"fe80::1", true},
      {"fec0::1", true},
      {"ff02::1", true},
      {"2606:4700::1111", false},
      {"2a00:1450:4001:81b::200e", false},
  };
  for (const Row& row : rows) {
    CAPTURE(row.ip);
    CHECK(is_private_address(address(row.ip)) == row.is_private);
  }
  CHECK(is_private_address(SocketAddress{}));
  CHECK(is_private_address(SocketAddress{{1, 0, 'x', 0}, "unix"}));
}

TEST_CASE("N35: what is certain to be refused when dialled is refused when saved") {
  struct Row {
    const char* url;
    bool without;  // permitted as it stands
    bool with;     // permitted with allow_private
  };
  const Row rows[] = {
      {"http://127.0.0.1:3000/", false, true},
      {"http://[::ffff:10.0.0.1]/", false, true},
      {"http://[fd00::1]/", false, true},
      {"http://100.64.0.1/", false, true},
      {"http://localhost/", false, true},
      {"http://LOCALHOST:1/", false, true},
      {"http://x.localhost/", false, true},
      {"http://localhost.localdomain/", false, true},
      {"http://ip6-localhost/", false, true},
      {"http://notlocalhost/", true, true},
      {"http://8.8.8.8/", true, true},
      {"https://mcp.example.com/", true, true},
      {"http://169.254.169.254/", false, false},
      {"http://[::ffff:169.254.169.254]/", false, false},
      {"http://[::ffff:a9fe:a9fe]/", false, false},
      {"http://[64:ff9b::a9fe:a9fe]/", false, false},
      {"http://[2002:a9fe:a9fe::1]/", false, false},
      {"http://[fd00:ec2::254]/", false, false},
      {"http://169.254.170.2/", false, false},
      {"http://100.100.100.200/", false, false},
      {"http://168.63.129.16/", false, false},
      {"http://169.254.1.1/", false, true},
  };
  for (const Row& row : rows) {
    CAPTURE(row.url);
    const auto url = parse_url(row.url);
    REQUIRE(url.has_value());
    CHECK(check_egress(*url, false).has_value() == row.without);
    CHECK(check_egress(*url, true).has_value() == row.with);
    if (!row.without) {
      CHECK(check_egress(*url, false).error().code == Code::forbidden);
      CHECK(check_egress(*url, false).error().hint.empty() == false);
    }
  }
}

TEST_CASE("an IP literal is resolved without asking anyone") {
  Resolving resolving;
  std::atomic<int> asked = 0;
  set_resolver_for_test([&](const std::string&, std::uint16_t) -> Result<std::vector<SocketAddress>> {
    ++asked;
    return std::vector<SocketAddress>{};
  });
  const auto found = resolving("http://[2606:4700::1111]:81/");
  REQUIRE(found.has_value());
  CHECK(found->at(0).text == "[2606:4700::1111]:81");
  CHECK(resolving("http://10.0.0.1/").error().code == Code::forbidden);
  CHECK(resolving("http://10.0.0.1/", true)->at(0).text == "10.0.0.1:80");
  CHECK(asked == 0);
}

TEST_CASE("N36: of a name with public and private addresses only the public ones are dialled") {
  Resolving resolving;
  set_resolver_for_test([](const std::string&, std::uint16_t port) -> Result<std::vector<SocketAddress>> {
    return std::vector{address("::1", port),
                       address("10.0.0.1", port),
                       address("93.184.216.34", port),
                       address("fd00::1", port),
                       address("169.254.169.254", port),
                       address("2606:4700::1111", port),
                       address("::ffff:127.0.0.1", port)};
  });
  const auto found = resolving("https://mixed.example.com/");
  REQUIRE(found.has_value());
  REQUIRE(found->size() == 2);
  CHECK(found->at(0).text == "93.184.216.34:443");
  CHECK(found->at(1).text == "[2606:4700::1111]:443");
  CHECK(resolving("https://mixed.example.com/", true)->size() == 6);
}

TEST_CASE("N36: a name that turns private later is refused then, and is not asked twice for one call") {
  Resolving resolving;
  std::atomic<int> asked = 0;
  const auto answer = [&](const char* ip) {
    set_resolver_for_test(
        [&asked, ip](const std::string&, std::uint16_t port) -> Result<std::vector<SocketAddress>> {
          ++asked;
          return std::vector{address(ip, port)};
        });
  };
  answer("93.184.216.34");
  REQUIRE(resolving("https://rebind.example.com/").has_value());
  CHECK(asked == 1);
  // Remembered for a moment: the address that was checked, not another one.
  CHECK(resolving("https://rebind.example.com/")->at(0).text == "93.184.216.34:443");
  CHECK(asked == 1);
  answer("127.0.0.1");
  CHECK(resolving("https://rebind.example.com/").error().code == Code::forbidden);
  CHECK(asked == 2);
  answer("169.254.169.254");
  CHECK(resolving("https://rebind.example.com/", true).error().code == Code::forbidden);
}

TEST_CASE("a name that cannot be resolved is unreachable and may be tried again") {
  Resolving resolving;
  set_resolver_for_test([](const std::string& host, std::uint16_t) -> Result<std::vector<SocketAddress>> {
    if (host == "empty.example.com") return std::vector<SocketAddress>{};
    return fail(Code::upstream_unreachable, Blame::upstream, "no such name", true);
  });
  for (const char* url : {"http://empty.example.com/", "http://gone.example.com/"}) {
    CAPTURE(url);
    const auto found = resolving(url);
    REQUIRE_FALSE(found.has_value());
    CHECK(found.error().code == Code::upstream_unreachable);
    CHECK(found.error().retry);
  }
}

TEST_CASE("callers that ask for one name at the same time share one look-up") {
  Resolving resolving;
  std::atomic<int> asked = 0;
  std::promise<void> go;
  const std::shared_future<void> gate = go.get_future().share();
  set_resolver_for_test([&](const std::string&, std::uint16_t port) -> Result<std::vector<SocketAddress>> {
    ++asked;
    gate.wait();
    return std::vector{address("93.184.216.34", port)};
  });
  constexpr int kCallers = 20;
  std::atomic<int> fine = 0;
  std::promise<void> all;
  REQUIRE(resolving.shards[0].post([&] {
    for (int i = 0; i < kCallers; ++i) {
      spawn([](Shard& shard, Url url, std::atomic<int>& good, std::promise<void>& end) -> Task<> {
        const auto found = co_await resolve(shard, std::move(url), false);
        CHECK(found.has_value());
        if (++good == kCallers) end.set_value();
      }(resolving.shards[0], *parse_url("http://busy.example.com/"), fine, all));
    }
    go.set_value();
  }));
  all.get_future().wait();
  CHECK(asked == 1);
}

TEST_CASE("however many names strangers name, ours do not wait for them") {
  Resolving resolving;
  std::promise<void> asked, over;
  const std::shared_future<void> gate = over.get_future().share();
  std::atomic<int> held = 0;
  set_resolver_for_test([&, gate](const std::string& host, std::uint16_t port) -> Found {
    if (host.ends_with(".slow.example") && ++held == 1) asked.set_value();
    if (host.ends_with(".slow.example")) gate.wait();
    return std::vector{address("93.184.216.34", port)};
  });
  const auto stranger = [&](const std::string& host) {
    return resolving.begin("https://" + host + "/", false, NamedBy::stranger);
  };
  std::vector<std::future<Found>> accepted;
  accepted.push_back(stranger("first.slow.example"));
  asked.get_future().wait();
  // Our own name among them: whoever waits for it on our behalf must not join their queue.
  accepted.push_back(stranger("mcp.example.com"));
  for (std::size_t i = 1; i < limits::kStrangersNames; ++i)
    accepted.push_back(stranger(std::to_string(i) + ".slow.example"));
  const Found refused = stranger("last.slow.example").get();
  CHECK(refused.error().code == Code::limited);
  CHECK(resolving("https://mcp.example.com/").has_value());
  CHECK(resolving("https://other.example.com/").has_value());
  CHECK(held == 1);
  over.set_value();
  for (auto& one : accepted) CHECK(one.get().has_value());
}

TEST_CASE("localhost resolves by the system's own resolver and is private") {
  Resolving resolving;
  const auto found = resolving("http://localhost:8080/", true);
  REQUIRE(found.has_value());
  CHECK(is_private_address(found->at(0)));
  CHECK(resolving("http://localhost:8080/").error().code == Code::forbidden);
}
