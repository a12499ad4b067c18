/// Definitions that upstreams offer, in two versions, and arguments: nothing crashes; what is told of a
/// change stands in both versions; what is called compatible is; what virtual servers show of a tool is JSON
/// without repeated names. Input: one version, a line feed, the other, a line feed, arguments.

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <source_location>
#include <string>

#include "sallyport/core/bytes.hpp"
#include "sallyport/json/difference.hpp"
#include "sallyport/json/schema.hpp"
#include "sallyport/mcp/compose.hpp"
#include "sallyport/mcp/names.hpp"
#include "sallyport/mcp/suspicion.hpp"
#include "sallyport/mcp/tool_schema.hpp"
#include "sallyport/mcp/twins.hpp"

using namespace sallyport;
using json::Fit;
using json::SchemaChange;
using json::SchemaOf;
using json::Value;

namespace {

void must(bool holds, std::source_location where = std::source_location::current()) {
  if (holds) return;
  std::fprintf(stderr, "line %u does not hold\n", static_cast<unsigned>(where.line()));
  std::abort();
}

std::string_view take_line(std::string_view& text) {
  const auto end = std::min(text.find('\n'), text.size());
  const auto line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

std::string at(const Value& root, const std::string& path) {
  const auto found = json::at_pointer(root, path);
  return found ? json::canonical(*found) : std::string();
}

void tell(const Value& before, const Value& after) {
  const auto changes = json::difference(before, after);
  must(changes.empty() == (json::canonical(before) == json::canonical(after)));
  for (const auto& change : changes) {
    must(change.before != change.after);
    must(at(before, change.path) == change.before && at(after, change.path) == change.after);
  }
}

/// What fits the version that somebody holds to must be taken by the other, where the change says so.
void judge(const Value& before, const Value& after, const Value& value) {
  must(json::compare(before, before, SchemaOf::input).change == SchemaChange::compatible);
  const auto input = json::compare(before, after, SchemaOf::input);
  const auto output = json::compare(before, after, SchemaOf::output);
  must(input.reasons.empty() == (input.change == SchemaChange::compatible));
  must(output.reasons.empty() == (output.change == SchemaChange::compatible));
  const Fit old_fit = json::check(before, value).fit, new_fit = json::check(after, value).fit;
  if (input.change == SchemaChange::compatible) must(!(old_fit == Fit::fits && new_fit == Fit::fails));
  if (output.change == SchemaChange::compatible) must(!(new_fit == Fit::fits && old_fit == Fit::fails));
}

void show(const Value& schema) {
  std::vector<std::string> names;
  if (const auto properties = schema.find("properties")) {
    for (const auto& member : properties->members()) names.push_back(member.key());
  }
  if (names.empty()) return;
  const auto narrowed = mcp::narrow_schema(schema, {names.front()}, {names.back()});
  if (!narrowed) return;
  const auto shown = json::Document::parse(*narrowed);
  must(shown.has_value());
  for (const auto& name : {names.front(), names.back()}) must(!shown->root().find("properties")->find(name));
}

void look(const Value& definition) {
  const auto findings = mcp::suspicions(definition);
  must(findings.size() <= 8);
  for (const auto& finding : findings) must(is_utf8(finding));
  if (const auto name = definition.find("name"); name && name->string()) {
    const std::string text = *name->string();
    if (mcp::check_definition_name(text)) must(mcp::shape_of(mcp::shape_of(text)).size() <= text.size());
    (void)mcp::folded(text);
  }
  (void)mcp::refuse_twins(definition,
                          std::to_array<std::string_view>({"name", "description", "inputSchema"}));
}

void merge(const Value& definition, const Value& over) {
  if (!definition.is(json::Kind::object) || !over.is(json::Kind::object)) return;
  const auto merged = json::Document::parse(mcp::merge_objects(definition, over));
  must(merged.has_value());
  for (const auto& member : over.members()) must(merged->root().find(member.key()).has_value());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  const auto first = take_line(rest), second = take_line(rest);
  const auto before = json::Document::parse(std::string(first), json::kUpstream);
  if (!before) return 0;
  show(before->root());
  const auto after = json::Document::parse(std::string(second), json::kUpstream);
  if (!after) return 0;
  look(before->root());
  // What a virtual server puts over a definition stands in our own documents, which repeat no name.
  if (const auto over = json::Document::parse(std::string(second))) merge(before->root(), over->root());
  tell(before->root(), after->root());
  if (const auto value = json::Document::parse(std::string(rest), json::kUpstream))
    judge(before->root(), after->root(), value->root());
  return 0;
}
