#pragma once
/// A clock that a test sets.

#include "sallyport/core/clock.hpp"

namespace sallyport::store {

class TestClock final : public Clock {
 public:
  SystemTime now() const override { return SystemTime(std::chrono::milliseconds(millis)); }
  void advance(std::chrono::milliseconds by) { millis += by.count(); }
  std::int64_t millis = 1'800'000'000'000;
};

}  // namespace sallyport::store
