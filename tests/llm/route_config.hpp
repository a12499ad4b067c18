#pragma once
/// Routes and request facts from JSON texts, for tests.

#include <doctest/doctest.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sallyport/llm/route.hpp"

namespace sallyport::llm::test {

inline json::Document parsed(std::string text) {
  CAPTURE(text);
  auto document = json::Document::parse(std::move(text));
  REQUIRE(document.has_value());
  return *std::move(document);
}

inline std::shared_ptr<const Route> route(std::string text) {
  const auto document = parsed(std::move(text));
  auto out = parse_route(document.root());
  if (!out) {
    for (const auto& problem : out.error()) MESSAGE(text_of(problem));
  }
  REQUIRE(out.has_value());
  return *std::move(out);
}

/// "path: message" of every problem.
inline std::vector<std::string> problems(std::string text) {
  const auto document = parsed(std::move(text));
  const auto out = parse_route(document.root());
  std::vector<std::string> texts;
  if (out) return texts;
  for (const auto& problem : out.error()) texts.push_back(problem.path + ": " + problem.message);
  return texts;
}

/// A request: owns the body that its facts borrow.
class Request {
 public:
  explicit Request(std::string body = "{}", std::map<std::string, std::string, std::less<>> metadata = {},
                   std::string path = "/v1/chat/completions")
      : document_(parsed(std::move(body))), metadata_(std::move(metadata)), path_(std::move(path)) {}
  RequestFacts facts() const { return {.metadata = metadata_, .params = document_.root(), .path = path_}; }

 private:
  json::Document document_;
  std::map<std::string, std::string, std::less<>> metadata_;
  std::string path_;
};

}  // namespace sallyport::llm::test
