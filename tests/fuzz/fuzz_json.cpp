/// The JSON scan against nlohmann/json: what we accept it accepts with the same strings and sizes, every
/// slice lies where it says, and the canonical form is a fixed point.

#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>

#include "sallyport/json/document.hpp"

using namespace sallyport;
using json::Document;
using json::Kind;
using json::Value;

namespace {

void must(bool holds) {
  if (!holds) std::abort();
}

void same(const Value& ours, const nlohmann::json& theirs) {
  must(ours.size() == (theirs.is_structured() ? theirs.size() : 0));
  switch (ours.kind()) {
    case Kind::null:
      must(theirs.is_null());
      break;
    case Kind::boolean:
      must(theirs == ours.boolean().value());
      break;
    case Kind::number:
      must(theirs.is_number() && ours.number() == theirs.get<double>());
      break;
    case Kind::string:
      must(theirs == ours.string().value());
      break;
    case Kind::array: {
      std::size_t i = 0;
      for (const auto element : ours.elements()) same(element, theirs.at(i++));
      break;
    }
    case Kind::object:
      for (const auto& member : ours.members()) {
        const auto at = theirs.find(member.key());
        must(at != theirs.end() && ours.find(member.key()).has_value());
        same(member.value, *at);
      }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto loose = Document::parse(text, json::kUpstream);
  const auto strict = Document::parse(text);
  must(!strict || loose);
  if (!loose) return 0;

  const auto form = json::canonical(loose->root());
  const auto again = Document::parse(form, json::kUpstream);
  must(again && json::canonical(again->root()) == form);

  nlohmann::json theirs;
  try {
    theirs = nlohmann::json::parse(text);
  } catch (const nlohmann::json::out_of_range&) {
    return 0;  // a number beyond a double: grammar to us
  }
  if (strict) same(strict->root(), theirs);
  const auto quoted = Document::parse(json::quote(text));
  must(quoted && quoted->root().string() == text);
  return 0;
}
