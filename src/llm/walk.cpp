#include "sallyport/llm/walk.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "route_tree.hpp"
#include "sallyport/core/crypto.hpp"
#include "sallyport/core/limits.hpp"

namespace sallyport::llm {
namespace {

constexpr int kRateLimited = 429;

/// A number from 0 up to, but not including, 1.
double fraction(std::uint64_t bits) { return static_cast<double>(bits >> 11) * 0x1p-53; }

/// The first 8 bytes of a digest.
std::uint64_t number_of(const Digest& digest) {
  std::uint64_t out = 0;
  for (std::size_t i = 0; i < sizeof out; ++i) out = out << 8 | digest[i];
  return out;
}

/// Back-off in front of retry number `retry` (1, 2, ...): 1, 2, 4, 8, 16 s.
std::chrono::milliseconds back_off(int retry) { return std::chrono::seconds(1LL << (retry - 1)); }

/// What sticky balancing goes by; empty where the request has none of it.
std::string sticky_key(const RouteNode& node, const RequestFacts& facts) {
  std::string key;
  bool any = false;
  for (const FactField& field : node.sticky) {
    const auto value = fact(facts, field);
    any = any || value.has_value();
    if (!value) {
      key += '-';
    } else if (const auto* text = std::get_if<std::string>(&*value)) {
      key += "s" + std::to_string(text->size()) + ":" + *text;
    } else if (const auto* number = std::get_if<double>(&*value)) {
      key += "n" + std::to_string(*number) + ";";
    } else if (const auto* flag = std::get_if<bool>(&*value)) {
      key += *flag ? 't' : 'f';
    } else {
      key += '0';
    }
  }
  return any ? key : std::string();
}

}  // namespace

Walk::Walk(std::shared_ptr<const Route> route, RequestFacts facts, std::uint64_t random, Open open)
    : route_(std::move(route)), facts_(std::move(facts)), random_(random), open_(std::move(open)) {}

const Step* Walk::first() { return enter(route_->root()); }

Walk::Next Walk::after(int status, std::optional<std::chrono::milliseconds> retry_after) {
  if (!step_) return {};
  const int counted = status == 0 ? 502 : status;
  const Retry& retry = step_->retry;
  if (retry.attempts == 0 || !retry.retried(counted)) return move_on(counted);
  exhausted_ = true;
  if (retried_ >= retry.attempts) return move_on(counted);
  const bool told = retry.use_retry_after && counted == kRateLimited && retry_after;
  const auto wait = told ? *retry_after : back_off(retried_ + 1);
  if (wait > limits::kRouteRetryWait - waited_) return move_on(counted);
  exhausted_ = false;
  waited_ += wait;
  ++retried_;
  ++attempts_;
  return {.kind = Next::Kind::retry, .wait = wait, .step = step_};
}

Walk::Next Walk::pass() { return move_on(std::nullopt); }

Walk::Next Walk::move_on(std::optional<int> status) {
  while (!frames_.empty()) {
    Frame& frame = frames_.back();
    if (frame.node->strategy == Strategy::fallback && (!status || frame.node->falls(*status)) &&
        ++frame.at < frame.children.size()) {
      if (const Step* step = enter(*frame.node->targets[frame.children[frame.at]]))
        return {.kind = Next::Kind::other, .step = step};
      continue;
    }
    frames_.pop_back();
  }
  return {};
}

const Step* Walk::enter(const RouteNode& node) {
  if (node.strategy == Strategy::target) {
    step_ = &node.step;
    ++attempts_;
    retried_ = 0;
    exhausted_ = false;
    waited_ = {};
    return step_;
  }
  auto children = order(node);
  const std::size_t depth = frames_.size();
  frames_.push_back({.node = &node, .children = std::move(children), .at = 0});
  for (;;) {
    const Frame& frame = frames_[depth];
    if (frame.at >= frame.children.size()) break;
    if (const Step* step = enter(*node.targets[frame.children[frame.at]])) return step;
    ++frames_[depth].at;
  }
  frames_.pop_back();
  return nullptr;
}

std::vector<std::size_t> Walk::order(const RouteNode& node) {
  auto children = reachable(node, facts_);
  if (node.strategy != Strategy::fallback && node.strategy != Strategy::loadbalance) return children;
  std::vector<std::size_t> healthy;
  for (const std::size_t index : children) {
    if (!held_back(*node.targets[index])) healthy.push_back(index);
  }
  // Where all are held back, none is: somebody has to find out.
  if (!healthy.empty()) children = std::move(healthy);
  if (node.strategy == Strategy::loadbalance && !children.empty()) children = {balanced(node, children)};
  return children;
}

std::size_t Walk::balanced(const RouteNode& node, const std::vector<std::size_t>& candidates) {
  if (const std::string key = sticky_key(node, facts_); !key.empty()) {
    // Rendezvous hashing: when a target comes or goes, only what went to it goes elsewhere.
    const auto score = [&](std::size_t index) {
      const RouteNode& target = *node.targets[index];
      const double at = 1 - fraction(number_of(sha256(key + "@" + target.path)));
      return -std::log(at) / target.weight;
    };
    return std::ranges::min(candidates, {}, score);
  }
  double total = 0;
  for (const std::size_t index : candidates) total += node.targets[index]->weight;
  double at = fraction(draw()) * total;
  for (const std::size_t index : candidates) {
    at -= node.targets[index]->weight;
    if (at < 0) return index;
  }
  return candidates.back();
}

bool Walk::held_back(const RouteNode& node) const {
  if (!open_) return false;
  switch (node.strategy) {
    case Strategy::target:
      return node.step.breaker && open_(node.step);
    case Strategy::conditional:
      return false;
    default:
      return std::ranges::all_of(reachable(node, facts_),
                                 [&](std::size_t index) { return held_back(*node.targets[index]); });
  }
}

std::uint64_t Walk::draw() {
  // SplitMix64: one number makes as many as nested balancing needs.
  random_ += 0x9E3779B97F4A7C15U;
  std::uint64_t z = random_;
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9U;
  z = (z ^ z >> 27) * 0x94D049BB133111EBU;
  return z ^ z >> 31;
}

}  // namespace sallyport::llm
