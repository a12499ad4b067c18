#pragma once
/// Documents for tests; text that is no JSON fails the test that wrote it.

#include <doctest/doctest.h>

#include <optional>
#include <string>
#include <utility>

#include "sallyport/json/document.hpp"

namespace sallyport::mcp::test {

inline json::Document parsed(std::string text, json::Rules rules = json::kStrict) {
  auto document = json::Document::parse(std::move(text), rules);
  REQUIRE_MESSAGE(document.has_value(), (document ? std::string{} : document.error().what));
  return std::move(*document);
}

inline json::Document from_upstream(std::string text) { return parsed(std::move(text), json::kUpstream); }

/// What `result` failed with; nullopt when it did not.
template <class T>
std::optional<Code> code_of(const Result<T>& result) {
  return result ? std::nullopt : std::optional<Code>(result.error().code);
}

inline std::string shown(const std::optional<Code>& code) {
  return code ? std::string(name_of(*code)) : std::string("accepted");
}

}  // namespace sallyport::mcp::test
