#include "sallyport/admin/metrics.hpp"

#include <doctest/doctest.h>
#include <spdlog/spdlog.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>

#include "sallyport/admin/log.hpp"
#include "sallyport/core/secret.hpp"
#include "sallyport/json/document.hpp"

namespace sallyport::admin {
namespace {

bool has(const std::string& text, const std::string& line) {
  return text.find(line + "\n") != std::string::npos;
}

std::string read_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

TEST_CASE("metrics sum all shards and leave out what never happened") {
  gateway::Counters counters(2);
  const std::size_t github = counters.server_slot("github");
  CHECK(counters.server_slot("github") == github);
  CHECK(counters.server_slot("led\"ger") != github);
  for (int shard = 0; shard < 2; ++shard) {
    auto& own = counters.shard(shard);
    own.request(gateway::method_slot("tools/call"), gateway::kOk, 1500);
    own.request(gateway::method_slot("x/y"), gateway::outcome_slot(Code::denied), 100);
    own.streams.add(3);
    own.servers[github].calls.add();
  }
  counters.shard(1).streams.add(-2);
  counters.shard(0).request(gateway::method_slot("tools/call"), gateway::kToolError, 40'000'000);
  const std::string text =
      render_metrics(counters, {.healthy = false, .records = 7, .bytes = 900, .last_commit_micros = 250},
                     {.connections = 3,
                      .bytes_in_flight = 4096,
                      .breakers = {{.server = "github", .open = true, .opened = 2}},
                      .pins = {{.server = "github", .withheld = 4, .quarantined = 5}},
                      .issuers = {{.issuer = "okta", .keys = 2}, {.issuer = "corp", .problem = "down"}}});

  CHECK(has(text, R"(sallyport_requests_total{method="tools/call",outcome="ok"} 2)"));
  CHECK(has(text, R"(sallyport_requests_total{method="tools/call",outcome="tool_error"} 1)"));
  CHECK(has(text, R"(sallyport_requests_total{method="other",outcome="denied"} 2)"));
  CHECK(text.find("tools/list") == std::string::npos);
  CHECK(has(text, "# TYPE sallyport_request_duration_seconds histogram"));
  CHECK(has(text, R"(sallyport_request_duration_seconds_bucket{le="0.001"} 2)"));
  CHECK(has(text, R"(sallyport_request_duration_seconds_bucket{le="0.0025"} 4)"));
  CHECK(has(text, R"(sallyport_request_duration_seconds_bucket{le="+Inf"} 5)"));
  CHECK(has(text, "sallyport_request_duration_seconds_count 5"));
  CHECK(has(text, "sallyport_streams 4"));
  CHECK(has(text, R"(sallyport_definitions_withheld{server="github"} 4)"));
  CHECK(has(text, R"(sallyport_definitions_quarantined_total{server="github"} 5)"));
  CHECK(has(text, R"(sallyport_issuer_keys{issuer="okta"} 2)"));
  CHECK(has(text, R"(sallyport_issuer_failing{issuer="okta"} 0)"));
  CHECK(has(text, R"(sallyport_issuer_keys{issuer="corp"} 0)"));
  CHECK(has(text, R"(sallyport_issuer_failing{issuer="corp"} 1)"));
  CHECK(has(text, R"(sallyport_upstream_calls_total{server="github"} 2)"));
  CHECK(has(text, R"(sallyport_upstream_up{server="led\"ger"} 0)"));
  CHECK(has(text, "sallyport_bytes_in_flight 4096"));
  CHECK(has(text, R"(sallyport_upstream_breaker_open{server="github"} 1)"));
  CHECK(has(text, R"(sallyport_upstream_breaker_opened_total{server="github"} 2)"));
  CHECK(has(text, "sallyport_journal_healthy 0"));
  CHECK(has(text, "sallyport_journal_records_total 7"));
  CHECK(has(text, "sallyport_journal_commit_seconds 0.00025"));
}

TEST_CASE("every outcome and method has one label") {
  std::vector<std::string_view> names;
  for (std::size_t i = 0; i < gateway::kOutcomes; ++i) names.push_back(gateway::outcome_name(i));
  std::ranges::sort(names);
  CHECK(std::ranges::adjacent_find(names) == names.end());
  CHECK_FALSE(names.front().empty());
  for (std::size_t i = 0; i < gateway::kCountedMethods.size(); ++i) {
    CHECK(gateway::method_slot(gateway::kCountedMethods[i]) == i);
  }
}

TEST_CASE("more servers than slots are counted together") {
  gateway::Counters counters(1);
  for (std::size_t i = 0; i < 2 * gateway::Counters::kServers; ++i) {
    CHECK(counters.server_slot("s" + std::to_string(i)) == std::min(i, gateway::Counters::kServers - 1));
  }
  CHECK(counters.server_names().size() == gateway::Counters::kServers);
  CHECK(counters.server_names().back() == "other");
}

TEST_CASE("an access line keeps its shape whatever a client sends") {
  const gateway::AccessLine line{.call = "c1",
                                 .client = "127.0.0.1:5",
                                 .principal = "agent:bot",
                                 .endpoint = "/mcp",
                                 .era = {},
                                 .method = "tools/call",
                                 .target = "a b\nstatus=200",
                                 .code = "denied",
                                 .status = 403,
                                 .micros = 1200,
                                 .bytes_in = 10,
                                 .bytes_out = 20};
  CHECK(format_access(line, 1'800'000'000'000, false) ==
        "2027-01-15T08:00:00.000Z call=c1 client=127.0.0.1:5 principal=agent:bot endpoint=/mcp era=- "
        "method=tools/call "
        "target=\"a b\\nstatus=200\" code=denied status=403 us=1200 in=10 out=20");
  const auto document = json::Document::parse(format_access(line, 1'800'000'000'000, true));
  REQUIRE(document);
  CHECK(document->root().find("target")->string() == "a b\nstatus=200");
  CHECK(document->root().find("status")->integer() == 403);
  CHECK_FALSE(document->root().find("era"));
}

TEST_CASE("logs go to their files, one line each, from the level on") {
  std::string folder = (std::filesystem::temp_directory_path() / "sallyport-log-XXXXXX").string();
  REQUIRE(::mkdtemp(folder.data()) != nullptr);
  const auto before = spdlog::default_logger();
  CHECK_FALSE(start_logging({.level = "loud"}));
  CHECK_FALSE(start_logging({.file = "/proc/no/such/file"}));
  for (const bool json : {false, true}) {
    CAPTURE(json);
    const std::string file = folder + (json ? "/j.log" : "/t.log");
    REQUIRE(start_logging(
        {.json = json, .level = "warn", .file = file, .access = true, .access_file = file + ".access"}));
    spdlog::info("not written");
    spdlog::warn("upstream said {}", "a\nb");
    gateway::AccessLine line;
    line.call = "c1";
    log_access(line);
    spdlog::default_logger()->flush();
    const std::string text = read_text(file);
    CHECK(text.find("not written") == std::string::npos);
    CHECK(std::ranges::count(text, '\n') == 1);
    CHECK(text.find(R"(upstream said a\nb)") != std::string::npos);
    CHECK(json::Document::parse(text.substr(0, text.size() - 1)).has_value() == json);
    CHECK(read_text(file + ".access").find("c1") != std::string::npos);
  }
  CHECK(start_logging({}));
  spdlog::set_default_logger(before);
  std::filesystem::remove_all(folder);
}

TEST_CASE("R9 a secret cannot be passed to a log statement") {
  CHECK_FALSE(fmt::is_formattable<Secret>::value);
  CHECK_FALSE(std::is_convertible_v<Secret, std::string_view>);
}

}  // namespace sallyport::admin
