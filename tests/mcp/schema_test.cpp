/// Our tables against the protocol's own schemas. They are read from $SALLYPORT_SHARED (default ../shared)
/// and are no part of this project: where they are missing these cases count as skipped.

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "parsed.hpp"
#include "sallyport/mcp/compose.hpp"
#include "sallyport/mcp/message.hpp"

namespace sallyport::mcp {
namespace {

std::filesystem::path schema_file(Version v) {
  const char* shared = std::getenv("SALLYPORT_SHARED");
  return std::filesystem::path(shared ? shared : "../shared") / "schema" / "mcp" /
         ("mcp-" + std::string(text_of(v)) + ".schema.json");
}

bool schemas_are_missing() { return !std::filesystem::exists(schema_file(kModern)); }

class Schema {
 public:
  explicit Schema(Version v) : document_(read(v)) {}

  json::Value definition(const std::string& name) const {
    for (const std::string root : {"/$defs/", "/definitions/"}) {
      if (const auto found = json::at_pointer(document_.root(), root + name)) return *found;
    }
    FAIL("no definition " << name);
    return {};
  }

  // The `method` of every message in a union such as ClientRequest.
  std::set<std::string> methods_of(const std::string& name) const {
    std::set<std::string> out;
    const auto type = definition(name);
    const auto choices = type.find("anyOf");
    if (!choices) return {method_of(type)};
    for (const auto& choice : choices->elements()) {
      const auto reference = choice.find("$ref")->string().value();
      out.insert(method_of(definition(reference.substr(reference.rfind('/') + 1))));
    }
    return out;
  }

 private:
  static json::Document read(Version v) {
    std::ifstream file(schema_file(v));
    std::ostringstream text;
    text << file.rdbuf();
    return test::parsed(text.str());
  }
  static std::string method_of(const json::Value& message) {
    return json::at_pointer(message, "/properties/method/const")->string().value();
  }

  json::Document document_;
};

TEST_CASE("clients may send what the schema of their version lists, tasks excepted" *
          doctest::skip(schemas_are_missing())) {
  for (const auto v : {Version::v2024_11_05, Version::v2025_03_26, Version::v2025_06_18, Version::v2025_11_25,
                       Version::v2026_07_28}) {
    CAPTURE(text_of(v));
    const Schema schema(v);
    auto listed = schema.methods_of("ClientRequest");
    listed.merge(schema.methods_of("ClientNotification"));
    // Tasks of 2025-11-25 are not served; those of the modern era are an extension with a schema of its own.
    std::erase_if(listed, [](const std::string& m) { return m.find("tasks/") != std::string::npos; });
    std::set<std::string> ours;
    for (int i = 1; i <= static_cast<int>(Method::n_roots_changed); ++i) {
      const auto method = static_cast<Method>(i);
      const std::string text(text_of(method));
      if (client_may_send(method, v) && !text.starts_with("tasks/")) ours.insert(text);
    }
    CHECK(ours == listed);
  }
}

TEST_CASE("modern error codes are those of the schema" * doctest::skip(schemas_are_missing())) {
  const Schema schema(kModern);
  const std::pair<Code, const char*> rows[] = {
      {Code::header_mismatch, "HeaderMismatchError"},
      {Code::missing_capability, "MissingRequiredClientCapabilityError"},
      {Code::unsupported_version, "UnsupportedProtocolVersionError"},
  };
  for (const auto& [code, name] : rows) {
    CAPTURE(name_of(code));
    const auto stated =
        json::at_pointer(schema.definition(name), "/properties/error/allOf/1/properties/code/const");
    REQUIRE(stated);
    CHECK(stated->integer() == wire_error(code, true).code);
  }
}

TEST_CASE("adapted list results have every member that the modern schema requires" *
          doctest::skip(schemas_are_missing())) {
  const Schema schema(kModern);
  const std::pair<std::string, std::string> rows[] = {
      {"ListToolsResult", R"({"tools":[]})"},
      {"ListPromptsResult", R"({"prompts":[]})"},
      {"ListResourcesResult", R"({"resources":[]})"},
      {"ListResourceTemplatesResult", R"({"resourceTemplates":[]})"},
      {"ReadResourceResult", R"({"contents":[]})"},
  };
  for (const auto& [name, legacy] : rows) {
    CAPTURE(name);
    const auto upstream = test::from_upstream(legacy);
    const auto adapted =
        test::parsed(adapt_result(upstream.root(), kModern, CacheHints{}, R"({"name":"gw","version":"1"})"));
    for (const auto& member : schema.definition(name).find("required")->elements()) {
      CAPTURE(member.raw());
      CHECK(adapted.root().find(member.string().value()));
    }
  }
}

}  // namespace
}  // namespace sallyport::mcp
