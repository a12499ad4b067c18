#pragma once
/// How long a server is left alone after a look at its lists, although it says that they changed.

#include <algorithm>
#include <chrono>

#include "sallyport/core/clock.hpp"

namespace sallyport::gateway {

/// Some servers say so after every list: each time nothing had changed doubles the time. Threads: one.
class Settling {
 public:
  /// A look happened. `poked`: the server had asked for it. `same`: nothing had changed.
  void looked(bool poked, bool same) {
    row_ = poked ? row_ + 1 : 0;
    const bool restless = row_ > kRestless;
    const Duration most = restless ? Duration(kMostRestless) : Duration(kMost);
    time_ = poked && (same || restless) ? std::min<Duration>(time_ * 2, most) : Duration(kLeast);
  }
  /// It said nothing for a while.
  void quiet() { row_ = 0; }
  Duration time() const { return time_; }

 private:
  static constexpr auto kLeast = std::chrono::milliseconds(500);
  static constexpr auto kMost = std::chrono::seconds(8);
  // A server that says again and again that its lists changed is looked at less often.
  static constexpr auto kMostRestless = std::chrono::minutes(1);
  static constexpr int kRestless = 10;
  Duration time_ = kLeast;
  int row_ = 0;  ///< looks that the server asked for, one after the other
};

}  // namespace sallyport::gateway
