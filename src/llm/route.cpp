#include "sallyport/llm/route.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "route_tree.hpp"

namespace sallyport::llm {
namespace {

constexpr std::array kRetriedByDefault{429, 500, 502, 503, 504, 529};

void collect(const RouteNode& node, std::vector<const Step*>& out) {
  if (node.strategy == Strategy::target) out.push_back(&node.step);
  for (const auto& child : node.targets) collect(*child, out);
}

void collect(const RouteNode& node, const RequestFacts& facts, std::vector<const Step*>& out) {
  if (node.strategy == Strategy::target) out.push_back(&node.step);
  for (const std::size_t index : reachable(node, facts)) collect(*node.targets[index], facts, out);
}

}  // namespace

bool Retry::retried(int status) const {
  const int counted = status == 0 ? 502 : status;
  return on_status.empty() ? std::ranges::find(kRetriedByDefault, counted) != kRetriedByDefault.end()
                           : std::ranges::find(on_status, counted) != on_status.end();
}

bool RouteNode::falls(int status) const {
  return on_status.empty() ? status < 200 || status > 299
                           : std::ranges::find(on_status, status) != on_status.end();
}

std::optional<std::size_t> chosen(const RouteNode& node, const RequestFacts& facts) {
  for (const auto& branch : node.branches) {
    if (holds(branch.query, facts)) return branch.target;
  }
  return node.otherwise;
}

std::vector<std::size_t> reachable(const RouteNode& node, const RequestFacts& facts) {
  std::vector<std::size_t> out;
  const auto add = [&](std::size_t index) {
    if (leads_somewhere(*node.targets[index], facts)) out.push_back(index);
  };
  if (node.strategy == Strategy::conditional) {
    if (const auto index = chosen(node, facts)) add(*index);
    return out;
  }
  for (std::size_t index = 0; index < node.targets.size(); ++index) {
    if (node.strategy == Strategy::loadbalance && node.targets[index]->weight <= 0) continue;
    add(index);
  }
  return out;
}

bool leads_somewhere(const RouteNode& node, const RequestFacts& facts) {
  return node.strategy == Strategy::target || !reachable(node, facts).empty();
}

Route::Route(std::unique_ptr<const RouteNode> root) : root_(std::move(root)) {
  collect(*root_, steps_);
  for (const Step* step : steps_) {
    for (const auto& one : step->brought) {
      // What a group brings is part of every target below it.
      if (std::ranges::find(brought_, one.path) == brought_.end()) brought_.push_back(one.path);
    }
  }
}

Route::~Route() = default;

std::string text_of(const RouteError& error) { return "path: " + error.path + ", message: " + error.message; }

Result<std::shared_ptr<const Route>> read_route(json::Value config) {
  auto route = parse_route(config);
  if (route) return *std::move(route);
  std::string hint = "Invalid config passed", data = "[";
  for (const auto& problem : route.error()) {
    const std::string text = text_of(problem);
    hint += (data.size() > 1 ? "; " : ": ") + text;
    data += (data.size() > 1 ? "," : "") + json::quote(text);
  }
  auto failure = client_error(Code::bad_request, std::move(hint));
  failure.error().data = data + "]";
  return failure;
}

Result<std::vector<const Step*>> planned(const Route& route, const RequestFacts& facts) {
  std::vector<const Step*> out;
  collect(route.root(), facts, out);
  if (out.empty()) {
    return client_error(
        Code::bad_request,
        "No condition of the config matches this request, and it names no default target. Add "
        "\"default\" to its strategy, or send what the conditions ask for.");
  }
  return out;
}

}  // namespace sallyport::llm
