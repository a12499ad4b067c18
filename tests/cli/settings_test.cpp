#include "sallyport/cli/settings.hpp"
#include "support/source_tree.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

using namespace sallyport;
using namespace sallyport::cli;
using namespace std::chrono_literals;

namespace {

std::vector<std::string> problems_of(const std::string& text) {
  Settings settings;
  std::vector<std::string> problems;
  read_settings(text, "s.yaml", settings, problems);
  return problems;
}

Environment environment_of(std::map<std::string, std::string> values) {
  return [values = std::move(values)](const char* name) -> const char* {
    const auto it = values.find(name);
    return it == values.end() ? nullptr : it->second.c_str();
  };
}

}  // namespace

TEST_CASE("a settings file sets what it names, with paths beside the file") {
  Settings s;
  std::vector<std::string> problems;
  read_settings(R"(data: data
environment: production
listen: {address: "0.0.0.0:443", tls: {cert: tls/cert.pem, key: /etc/key.pem}}
admin:
  address: "[::1]:8081"
public_url: https://mcp.example.com
allowed_hosts: [mcp.example.com, gateway.internal]
allowed_origins: ["https://app.example.com"]
trusted_proxies: [10.0.0.0/8, "fd00::1"]
journal: {durability: disk}
log: {format: json, level: warn, access: true}
shards: 3
stop_grace: 30s
bytes_in_flight: 256MiB
)",
                "/etc/sallyport/sallyport.yaml", s, problems);
  CHECK(problems == std::vector<std::string>{});
  CHECK(s.data == "/etc/sallyport/data");
  CHECK(s.environment == "production");
  CHECK(s.listen.address == "0.0.0.0:443");
  CHECK(s.listen.tls_cert == "/etc/sallyport/tls/cert.pem");
  CHECK(s.listen.tls()->key_file == "/etc/key.pem");
  CHECK(s.admin.address == "[::1]:8081");
  CHECK_FALSE(s.admin.tls());
  CHECK(s.public_url == "https://mcp.example.com");
  CHECK(s.allowed_hosts == std::vector<std::string>{"mcp.example.com", "gateway.internal"});
  CHECK(s.allowed_origins == std::vector<std::string>{"https://app.example.com"});
  CHECK(s.trusted_proxies.contains("10.1.2.3"));
  CHECK(s.trusted_proxies.contains("fd00::1"));
  CHECK_FALSE(s.trusted_proxies.contains("fd00::2"));
  CHECK(s.durability == store::Durability::disk);
  CHECK(s.log.json);
  CHECK(s.log.level == "warn");
  CHECK(s.log.access);
  CHECK(s.shards == 3);
  CHECK(s.stop_grace == 30s);
  CHECK(s.bytes_in_flight == 256 * limits::MiB);
}

TEST_CASE("a wrong setting is refused with its line and column") {
  struct Row {
    std::string why;
    const char* text;
    const char* begins;
  };
  const Row rows[] = {
      {"unknown key", "data: x\nlisten_on: y\n", "s.yaml:2:1: unknown key \"listen_on\""},
      {"unknown key inside", "log:\n  levle: info\n", "s.yaml:2:3: unknown key \"log.levle\""},
      {"key twice", "data: x\nshards: 1\ndata: y\n", "s.yaml:3:1: \"data\" is set twice"},
      {"key twice inside", "log: {level: info, level: warn}\n", "s.yaml:1:20: \"log.level\" is set twice"},
      {"address without port", "listen: {address: localhost}\n", "s.yaml:1:19: listen.address must be"},
      {"port too high", "listen: {address: \"a:65536\"}\n", "s.yaml:1:19: listen.address must be"},
      {"IPv6 without brackets", "listen: {address: \"::1:80\"}\n", "s.yaml:1:19: listen.address must be"},
      {"level that is none", "log: {level: loud}\n", "s.yaml:1:14: log.level must be one of: debug"},
      {"access that is no boolean", "log: {access: \"yes\"}\n",
       "s.yaml:1:15: log.access must be true or false"},
      {"too many shards", "shards: 1000\n", "s.yaml:1:9: shards must be"},
      {"grace without unit", "stop_grace: 10\n", "s.yaml:1:13: stop_grace must be"},
      {"bytes without unit", "bytes_in_flight: 1000000\n", "s.yaml:1:18: bytes_in_flight must be"},
      {"too few bytes", "bytes_in_flight: 1MiB\n", "s.yaml:1:18: bytes_in_flight must be"},
      {"list for one value", "data: [a, b]\n", "s.yaml:1:7: data must be one value"},
      {"public URL with a path", "public_url: https://a.example.com/mcp\n",
       "s.yaml:1:13: public_url must be"},
      {"origin with a path", "allowed_origins: [\"https://a.example.com/\"]\n",
       "s.yaml:1:18: allowed_origins must be"},
      {"host with a port", "allowed_hosts: [\"a.example.com:80\"]\n", "s.yaml:1:16: allowed_hosts must be"},
      {"proxy without a network", "trusted_proxies: [proxy.example.com]\n", "s.yaml:1:18: trusted_proxies"},
      {"text for an object", "log: info\n", "s.yaml:1:6: log must hold keys"},
      {"not YAML", "data: [\n", "s.yaml:2:1: "},
      {"a list at the top", "- data\n", "s.yaml:1:1: must be keys"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.why);
    const auto problems = problems_of(row.text);
    REQUIRE(problems.size() == 1);
    CHECK_MESSAGE(problems[0].starts_with(row.begins), problems[0]);
  }
  CHECK(problems_of("a: 1\nb: 2\n").size() == 2);
  CHECK(problems_of("").empty());
}

TEST_CASE("flags win over variables, variables over the file") {
  const auto file = std::filesystem::temp_directory_path() / "sallyport-settings-test.yaml";
  std::ofstream(file) << "environment: of-file\nshards: 1\nlog: {level: warn}\n";
  const auto settings =
      load_settings(file.string(),
                    environment_of({{"SALLYPORT_ENVIRONMENT", "of-variable"},
                                    {"SALLYPORT_SHARDS", "2"},
                                    {"SALLYPORT_ALLOWED_HOSTS", "a.example.com, b.example.com"}}),
                    {{"shards", {"3"}}});
  std::filesystem::remove(file);
  REQUIRE_MESSAGE(settings, (settings ? "" : settings.error().hint));
  CHECK(settings->log.level == "warn");
  CHECK(settings->environment == "of-variable");
  CHECK(settings->shards == 3);
  CHECK(settings->allowed_hosts == std::vector<std::string>{"a.example.com", "b.example.com"});
}

TEST_CASE("problems name the variable, the flag or the missing half of a pair") {
  struct Row {
    const char* says;
    std::map<std::string, std::string> variables;
    FlagValues flags;
  };
  const Row rows[] = {
      {"SALLYPORT_LOG_LEVEL: log.level must be", {{"SALLYPORT_LOG_LEVEL", "loud"}}, {}},
      {"--shards: shards must be", {}, {{"shards", {"many"}}}},
      {"listen: a certificate and a key belong together", {{"SALLYPORT_LISTEN_TLS_CERT", "c.pem"}}, {}}};
  for (const auto& row : rows) {
    CAPTURE(row.says);
    const auto settings = load_settings("", environment_of(row.variables), row.flags);
    REQUIRE_FALSE(settings);
    CHECK_MESSAGE(settings.error().hint.contains(row.says), settings.error().hint);
  }
}

TEST_CASE("variables that are no settings of ours are left alone, as Kubernetes sets some") {
  CHECK(load_settings(
      "", environment_of({{"SALLYPORT_PORT", "tcp://10.0.0.1:80"}, {"SALLYPORT_SERVICE_HOST", "x"}}), {}));
}

TEST_CASE("durations have a unit") {
  CHECK(parse_duration("500ms") == 500ms);
  CHECK(parse_duration("10s") == 10s);
  CHECK(parse_duration("2m") == 2min);
  CHECK(parse_duration("30d") == 720h);
  for (const char* wrong : {"", "s", "10", "-1s", "1.5s", "10 s", "9223372036854775807d", "10sec"}) {
    CAPTURE(wrong);
    CHECK_FALSE(parse_duration(wrong));
  }
}

TEST_CASE("docs/settings.md lists every setting with its key, variable and flag") {
  const auto file = sallyport::testing::in_source_tree("docs/settings.md");
  std::ifstream in(file);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  REQUIRE(!text.empty());
  for (const auto& setting : all_settings()) {
    CAPTURE(std::string(setting.path));
    CHECK(text.contains(std::string("| `") + setting.path + "` | `" + setting.variable + "` | `" +
                        setting.flag + "` |"));
  }
}

TEST_CASE("a TLS listener asks for clients' certificates where the settings name their authority") {
  Settings settings;
  std::vector<std::string> problems;
  read_settings(
      "listen:\n  address: \"0.0.0.0:443\"\n  tls:\n    cert: c.pem\n    key: k.pem\n    "
      "client_certificates: {ca: "
      "ca.pem, required: true, principal: \"san_uri:spiffe://a/*\"}\n",
      "/etc/s/sallyport.yaml", settings, problems);
  CHECK(problems.empty());
  CHECK(settings.listen.tls()->client_ca_file == "/etc/s/ca.pem");
  CHECK(settings.listen.tls()->client_required);
  CHECK(settings.listen.client_names->before == "spiffe://a/");
  struct Row {
    FlagValues flags;
    const char* says;
  };
  const FlagValues::value_type cert{"listen.tls.cert", {"c"}}, key{"listen.tls.key", {"k"}};
  for (const Row& row : {
           Row{{{"listen.tls.client_certificates.ca", {"ca"}}}, "only a TLS listener"},
           Row{{cert, key, {"listen.tls.client_certificates.required", {"true"}}}, "ca is missing"},
           Row{{cert, key, {"listen.tls.client_certificates.principal", {"san_dns"}}}, "ca is missing"},
           Row{{cert, key, {"listen.tls.client_certificates.principal", {"name"}}}, "must be subject_cn"},
           Row{{{"environment", {"Prod"}}}, "must be 1 to 63 of a-z"},
           Row{{{"environment", {"prod "}}}, "must be 1 to 63 of a-z"},
       }) {
    CAPTURE(row.says);
    const auto refused = load_settings("", [](const char*) { return nullptr; }, row.flags);
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().hint.find(row.says) != std::string::npos);
  }
}
