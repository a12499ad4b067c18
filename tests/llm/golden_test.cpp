/// Whole translations, to be read: what lies in tests/llm/golden/ and what it becomes on other wires.
/// After a change that is meant, SALLYPORT_GOLDEN=write writes the expectations anew; look at the difference.

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "client_requests.hpp"
#include "support/source_tree.hpp"

namespace sallyport::llm::test {
namespace {

using Ordered = nlohmann::ordered_json;

std::filesystem::path golden(const std::string& name) {
  return testing::in_source_tree(std::filesystem::path("tests/llm/golden") / name);
}

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  REQUIRE_MESSAGE(file.good(), path.string());
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void compare(const std::string& name, const std::string& text) {
  const char* const flag = std::getenv("SALLYPORT_GOLDEN");
  if (flag && std::string_view(flag) == "write") std::ofstream(golden(name), std::ios::binary) << text;
  CAPTURE(name);
  CHECK(read_file(golden(name)) == text);
}

constexpr std::string_view short_name(Wire wire) {
  return wire == Wire::chat ? "chat" : wire == Wire::responses ? "responses" : "messages";
}

TEST_CASE("requests of well-known clients become what their golden files say") {
  const std::pair<std::string, Wire> clients[] = {
      {"claude_code", Wire::messages}, {"codex", Wire::responses}, {"langchain", Wire::chat}};
  for (const auto& [client, from] : clients) {
    const auto request =
        read_body(from, read_file(golden(fmt::format("{}.{}.json", client, short_name(from)))));
    for (const Wire to : kAllWires) {
      if (to == from) continue;
      const auto written =
          write_request(to, request, {.model = "there", .max_output = 8192, .lenient = true});
      REQUIRE_MESSAGE(written.has_value(), (written ? std::string{} : written.error().hint));
      Ordered out;
      out["dropped"] = written->dropped;
      out["body"] = Ordered::parse(written->body);
      compare(fmt::format("{}.as_{}.json", client, short_name(to)), out.dump(2) + "\n");
    }
  }
}

TEST_CASE("streams become what their golden files say") {
  const std::pair<std::string, Wire> streams[] = {{"think_and_call", Wire::messages},
                                                  {"interleaved", Wire::chat}};
  for (const auto& [name, from] : streams) {
    const auto events =
        read_stream(from, read_file(golden(fmt::format("{}.{}.sse", name, short_name(from)))));
    for (const Wire to : kAllWires) {
      if (to == from) continue;
      compare(fmt::format("{}.as_{}.sse", name, short_name(to)), write_stream(to, events));
      const auto whole = write_answer(to, events, writing());
      REQUIRE(whole.has_value());
      compare(fmt::format("{}.as_{}.json", name, short_name(to)), Ordered::parse(*whole).dump(2) + "\n");
    }
  }
}

}  // namespace
}  // namespace sallyport::llm::test
