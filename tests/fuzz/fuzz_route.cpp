/// Configs of routes: the first line is the config, the second a request body, the third what providers
/// answer. Nothing crashes; whatever is refused says why; a walk ends, calls only what was planned, and does
/// the same twice; a changed body is still JSON.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sallyport/core/limits.hpp"
#include "sallyport/llm/step_body.hpp"
#include "sallyport/llm/walk.hpp"

using namespace sallyport;
using namespace sallyport::llm;

namespace {

void must(bool holds) {
  if (!holds) std::abort();
}

std::string_view line(std::string_view& input) {
  const auto end = std::min(input.find('\n'), input.size());
  const auto out = input.substr(0, end);
  input.remove_prefix(std::min(end + 1, input.size()));
  return out;
}

std::vector<const Step*> walk(const std::shared_ptr<const Route>& route, const RequestFacts& facts,
                              std::string_view answers) {
  constexpr int kStatuses[] = {200, 0, 400, 408, 429, 500, 502, 529};
  std::vector<const Step*> out;
  Walk walk(route, facts, answers.size(), [&](const Step& step) { return step.path.size() % 3 == 0; });
  const Step* step = walk.first();
  for (std::size_t i = 0; step; ++i) {
    out.push_back(step);
    must(out.size() <= limits::kRouteTargets * (limits::kRouteRetries + 1));
    const auto answer = i < answers.size() ? static_cast<unsigned char>(answers[i]) : std::uint8_t{5};
    const auto next = walk.after(kStatuses[answer % 8], std::chrono::milliseconds(answer * 100));
    must((next.kind == Walk::Next::Kind::give_up) == (next.step == nullptr));
    must(next.wait >= std::chrono::milliseconds(0) && next.wait <= limits::kRouteRetryWait);
    must(next.kind != Walk::Next::Kind::retry || next.step == step);
    must(walk.retries() >= -1 && walk.retries() <= limits::kRouteRetries);
    step = next.step;
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto config = json::Document::parse(std::string(line(input)));
  const auto body = json::Document::parse(std::string(line(input)));
  if (!config) return 0;
  const auto route = parse_route(config->root());
  if (!route) {
    must(!route.error().empty() && route.error().size() <= limits::kRouteProblems);
    for (const RouteError& problem : route.error()) must(!problem.message.empty());
    const auto refused = read_route(config->root());
    must(!refused && json::Document::parse(refused.error().data).has_value());
    return 0;
  }
  must(!(*route)->steps().empty() && (*route)->steps().size() <= limits::kRouteTargets);
  RequestFacts facts{.metadata = {{"plan", "paid"}, {"user_id", "u"}, {"seats", "12"}},
                     .params = {},
                     .path = "/v1/chat/completions"};
  if (body) facts.params = body->root();
  const auto steps = planned(**route, facts);
  const auto called = walk(*route, facts, input);
  must(steps.has_value() != called.empty());
  must(walk(*route, facts, input) == called);
  if (!steps) return 0;
  const std::set<const Step*> allowed(steps->begin(), steps->end());
  for (const Step* step : called) must(allowed.contains(step));
  for (const Step* step : *steps) {
    if (body) must(json::Document::parse(step_body(body->root(), *step)).has_value());
  }
  return 0;
}
