#include "thought.hpp"

#include "sallyport/core/bytes.hpp"
#include "sallyport/json/document.hpp"

namespace sallyport::llm {
namespace {

constexpr std::string_view kLetters = "crm";  // as the wires are counted

bool all_known(const json::Value& object, std::initializer_list<std::string_view> names) {
  for (const auto& member : object.members()) {
    bool known = false;
    for (const auto name : names) known = known || member.is(name);
    if (!known) return false;
  }
  return true;
}

bool has_text(const json::Value& object, std::string_view name) {
  const auto value = object.find(name);
  return value && value->is(json::Kind::string);
}

std::string text_of(const json::Value& object, std::string_view name) {
  const auto value = object.find(name);
  return value ? value->string().value_or("") : std::string{};
}

std::optional<std::string> readable_message(const json::Value& block) {
  if (text_of(block, "type") == "thinking" && all_known(block, {"type", "thinking", "signature"}) &&
      has_text(block, "thinking") && has_text(block, "signature"))
    return text_of(block, "thinking");
  if (text_of(block, "type") == "redacted_thinking" && all_known(block, {"type", "data"}) &&
      has_text(block, "data"))
    return std::string{};
  return std::nullopt;
}

std::optional<std::string> readable_item(const json::Value& item) {
  if (text_of(item, "type") != "reasoning" || !has_text(item, "encrypted_content") ||
      !all_known(item, {"type", "id", "summary", "content", "encrypted_content", "status"}))
    return std::nullopt;
  std::string out;
  for (const auto name : {"summary", "content"}) {
    const auto parts = item.find(name);
    if (!parts) continue;
    for (const auto part : parts->elements()) {
      if (!out.empty()) out += "\n\n";
      out += text_of(part, "text");
    }
  }
  return out;
}

std::optional<std::string> readable_members(const json::Value& members) {
  if (members.size() == 0 || !all_known(members, {"reasoning_content", "reasoning", "reasoning_details"}))
    return std::nullopt;
  const auto details = members.find("reasoning_details");
  if (details && !details->is(json::Kind::array)) return std::nullopt;
  const auto text = text_of(members, "reasoning_content");
  return text.empty() ? text_of(members, "reasoning") : text;
}

}  // namespace

std::string carry(Wire origin, std::string_view raw) {
  std::string out(kThoughtMark);
  out += kLetters[static_cast<std::size_t>(origin)];
  out += '.';
  out += base64url(raw);
  return out;
}

std::optional<Thought> uncarry(std::string_view text) {
  if (!is_carried(text)) return std::nullopt;
  text.remove_prefix(kThoughtMark.size());
  const auto letter = text.empty() ? std::string_view::npos : kLetters.find(text[0]);
  if (letter == std::string_view::npos || text.size() < 2 || text[1] != '.') return std::nullopt;
  auto raw = unbase64url(text.substr(2));
  if (!raw) return std::nullopt;
  const auto document = json::Document::parse(*std::move(raw));
  if (!document || !document->root().is(json::Kind::object)) return std::nullopt;
  Thought thought{.origin = static_cast<Wire>(letter), .raw = std::string(document->root().raw())};
  std::optional<std::string> readable;
  switch (thought.origin) {
    case Wire::chat:
      readable = readable_members(document->root());
      break;
    case Wire::responses:
      readable = readable_item(document->root());
      break;
    case Wire::messages:
      readable = readable_message(document->root());
      break;
  }
  if (!readable) return std::nullopt;
  thought.text = *std::move(readable);
  return thought;
}

}  // namespace sallyport::llm
