#pragma once
/// One request's way through a route.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "sallyport/llm/route.hpp"

namespace sallyport::llm {

/// Says which target is next. Steps belong to the route, which the walk keeps. Threads: one at a time.
class Walk {
 public:
  /// Whether the circuit breaker of the step with this path holds it back now.
  using Open = std::function<bool(const Step& step)>;
  /// `random` decides load balancing: the same number goes the same way. `open` may be empty.
  /// Borrows: what `facts` borrows.
  Walk(std::shared_ptr<const Route> route, RequestFacts facts, std::uint64_t random, Open open = {});

  /// The first target; null only where planned() fails. Requires: called once, before after().
  const Step* first();

  struct Next {
    enum class Kind : std::uint8_t {
      retry,    ///< the same step again, after `wait`
      other,    ///< another one at once
      give_up,  ///< the answer at hand is the client's
    };
    Kind kind = Kind::give_up;
    std::chrono::milliseconds wait{0};
    const Step* step = nullptr;  ///< to call; null when giving up
  };
  /// After an attempt at the current step. `status`: the provider's; 408 when its time was over, 0 when it
  /// could not be reached (counts as 502). `retry_after`: see retry_after.hpp. Not asked about what we
  /// refused ourselves (policy, bad request): no other target changes that.
  Next after(int status, std::optional<std::chrono::milliseconds> retry_after = {});
  /// The current step has no place for the request and was not called: the next one of a fallback, whatever
  /// statuses that goes by, and never the same again.
  Next pass();

  const Step* current() const { return step_; }
  /// Of the current step, for x-portkey-retry-attempt-count: 0 none was needed, n it ended with retry n, -1
  /// all were used up in vain.
  int retries() const { return exhausted_ ? -1 : retried_; }
  /// Calls made so far, at all steps together, the current one included.
  int attempts() const { return attempts_; }

 private:
  struct Frame {
    const RouteNode* node;
    std::vector<std::size_t> children;  // in the order in which they are tried
    std::size_t at;                     // of `children`, the one being tried
  };
  const Step* enter(const RouteNode& node);
  std::vector<std::size_t> order(const RouteNode& node);
  std::size_t balanced(const RouteNode& node, const std::vector<std::size_t>& candidates);
  bool held_back(const RouteNode& node) const;
  std::uint64_t draw();
  /// nullopt: there is none, and every fallback goes on.
  Next move_on(std::optional<int> status);

  std::shared_ptr<const Route> route_;
  RequestFacts facts_;
  std::uint64_t random_;
  Open open_;
  std::vector<Frame> frames_;
  const Step* step_ = nullptr;
  int attempts_ = 0;
  int retried_ = 0;                      // of the current step
  bool exhausted_ = false;               // the same
  std::chrono::milliseconds waited_{0};  // the same
};

}  // namespace sallyport::llm
