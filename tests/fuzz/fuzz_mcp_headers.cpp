/// A header value, and a schema with arguments: encoding and decoding are inverse, what we make for an
/// upstream passes the check that a server makes, and a template's match never runs away. Input: a header
/// value or template, a line feed, an inputSchema, a line feed, arguments.

#include <cstdint>
#include <cstdlib>
#include <map>
#include <string>

#include "sallyport/core/bytes.hpp"
#include "sallyport/json/document.hpp"
#include "sallyport/mcp/headers.hpp"
#include "sallyport/mcp/names.hpp"

using namespace sallyport;

namespace {

void must(bool holds) {
  if (!holds) std::abort();
}

std::string_view take_line(std::string_view& text) {
  const auto end = std::min(text.find('\n'), text.size());
  const auto line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

bool can_be_mirrored(const json::Value& arguments, const mcp::HeaderParam& param) {
  auto at = std::optional(arguments);
  for (const auto& name : param.path) {
    if (at) at = at->find(name);
  }
  return !at || !(at->is(json::Kind::object) || at->is(json::Kind::array));
}

void round_trip(std::string_view text) {
  const auto header = mcp::encode_header_value(text);
  for (const char c : header) must(c >= 0x20 && c < 0x7F);
  const auto back = mcp::decode_header_value(header);
  must(is_utf8(text) ? back && *back == text : !back);
  if (const auto decoded = mcp::decode_header_value(text)) must(is_utf8(*decoded));
}

void mirror(std::string_view schema_text, std::string_view arguments_text) {
  const auto schema = json::Document::parse(std::string(schema_text), json::kUpstream);
  const auto arguments = json::Document::parse(std::string(arguments_text));
  if (!schema || !arguments) return;
  const auto params = mcp::header_params(schema->root());
  if (!params) return;
  std::map<std::string, std::string> headers;
  for (auto& [name, value] : mcp::make_param_headers(*params, arguments->root())) {
    must(headers.emplace(lower(name), value).second);
  }
  const auto verdict = mcp::check_param_headers(
      *params, arguments->root(), [&](std::string_view name) -> Result<std::optional<std::string_view>> {
        const auto found = headers.find(lower(name));
        if (found == headers.end()) return std::nullopt;
        return found->second;
      });
  bool all = true;
  for (const auto& param : *params) all = all && can_be_mirrored(arguments->root(), param);
  must(verdict.has_value() == all);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  const auto value = take_line(rest);
  const auto schema = take_line(rest);
  round_trip(value);
  mirror(schema, rest);
  if (mcp::template_matches(value, schema)) {
    const auto brace = value.find('{');
    must(schema.starts_with(value.substr(0, brace)) && (brace != std::string_view::npos || value == schema));
  }
  return 0;
}
