#include "sallyport/cli/call_filter.hpp"

#include <doctest/doctest.h>

using namespace sallyport::cli;
using Json = nlohmann::json;

namespace {

Json intent(const std::string& call, const std::string& principal, const std::string& endpoint,
            const std::string& target, const std::string& trace = "", const Json& metadata = nullptr) {
  Json out{{"type", "intent"},
           {"call", call},
           {"principal", principal},
           {"endpoint", endpoint},
           {"target", target}};
  if (!trace.empty()) out["trace"] = trace;
  if (!metadata.is_null()) out["metadata"] = metadata;
  return out;
}

const Json kModel = intent("m", "agent:bot", "/v1", "openai/gpt-5", "t1", {{"_user", "ann"}});
const Json kTool = intent("t", "user:ann@x", "/mcp", "docs/search", "t1");

}  // namespace

TEST_CASE("calls are found by who made them, what they called, their trace and their metadata") {
  struct Row {
    const char* why;
    CallWish wish;
    bool model, tool;
  };
  const Row rows[] = {{"nothing asked for", {}, true, true},
                      {"a name", {.principal = "bot"}, true, false},
                      {"a kind", {.principal = "user:*"}, false, true},
                      {"a team", {.team = {{"user:ann@x"}}}, false, true},
                      {"a team without members", {.team = {std::vector<std::string>{}}}, false, false},
                      {"a model", {.model = "gpt-*"}, true, false},
                      {"a model at a provider", {.model = "openai/gpt-5"}, true, false},
                      {"a model elsewhere", {.model = "azure/*"}, false, false},
                      {"a tool is no model", {.model = "*"}, true, false},
                      {"a tool", {.tool = "sea*"}, false, true},
                      {"a tool of a server", {.tool = "docs/*"}, false, true},
                      {"a trace", {.trace = "t1"}, true, true},
                      {"another trace", {.trace = "t2"}, false, false},
                      {"metadata", {.metadata = {{"_user", "ann"}}}, true, false},
                      {"other metadata", {.metadata = {{"_user", "bob"}}}, false, false},
                      {"both", {.principal = "bot", .trace = "t2"}, false, false}};
  for (const Row& row : rows) {
    CAPTURE(row.why);
    CallFilter filter(row.wish);
    CHECK(filter.takes(kModel) == row.model);
    CHECK(filter.takes(kTool) == row.tool);
    CHECK(filter.takes({{"type", "outcome"}, {"call", "m"}}) == row.model);
    CHECK(filter.takes({{"type", "outcome"}, {"call", "t"}}) == row.tool);
  }
}

TEST_CASE("feedback is found by its trace, and an outcome without its intent by nothing") {
  CallFilter filter({.trace = "t1"});
  CHECK(filter.takes({{"type", "note"}, {"note", "feedback"}, {"with", {{"trace", "t1"}}}}));
  CHECK(!filter.takes({{"type", "note"}, {"note", "feedback"}, {"with", {{"trace", "t2"}}}}));
  CHECK(!filter.takes({{"type", "note"}, {"note", "catalogue"}, {"with", {{"server", "x"}}}}));
  CHECK(!filter.takes({{"type", "outcome"}, {"call", "unseen"}}));
}
