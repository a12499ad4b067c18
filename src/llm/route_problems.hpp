#pragma once
/// What is wrong with a config, as it is found.

#include <string>
#include <utility>
#include <vector>

#include "sallyport/core/limits.hpp"
#include "sallyport/llm/route.hpp"

namespace sallyport::llm {

/// Keeps the first limits::kRouteProblems, with paths of readable length: a config decides about both.
class RouteProblems {
 public:
  void add(const std::string& path, std::string message) {
    if (found_.size() >= limits::kRouteProblems) return;
    found_.push_back({.path = path.substr(0, limits::kToldName), .message = std::move(message)});
  }
  bool empty() const { return found_.empty(); }
  std::vector<RouteError> take() { return std::move(found_); }

 private:
  std::vector<RouteError> found_;
};

}  // namespace sallyport::llm
