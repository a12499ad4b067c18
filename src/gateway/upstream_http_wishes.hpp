#pragma once
/// What a modern upstream is asked to tell about: all at once, or in portions where it refuses that. Pure.

#include <algorithm>
#include <optional>
#include <set>
#include <string>

#include "sallyport/core/limits.hpp"
#include "sallyport/gateway/upstream.hpp"

namespace sallyport::gateway::http {

/// One thing that is watched.
struct Watched {
  Topic topic = Topic::resource;
  std::string id;
  auto operator<=>(const Watched&) const = default;
};

class Wishes {
 public:
  /// From now on these and no others.
  void want(std::set<Watched> all) {
    all_ = std::move(all);
    const auto unwanted = [&](const Watched& each) { return !all_.contains(each); };
    std::erase_if(agreed_, unwanted);
    std::erase_if(refused_, unwanted);
  }
  /// What was refused before is asked for once more.
  void insist(const Watched& wish) { refused_.erase(wish); }

  /// What to ask for next: all that was agreed to, and a portion of the rest.
  std::set<Watched> next() const {
    std::set<Watched> out = agreed_;
    std::size_t room = portion_;
    for (const Watched& wish : all_) {
      if (room == 0) break;
      if (!refused_.contains(wish) && out.insert(wish).second) --room;
    }
    return out;
  }

  void agreed(const std::set<Watched>& asked) {
    for (const Watched& wish : asked) {
      if (all_.contains(wish)) agreed_.insert(wish);
    }
    grow();
  }

  enum class Blame : std::uint8_t {
    nobody,  ///< nothing was asked for: it was not about any wish
    some,    ///< one of them; fewer are asked for next
    one,     ///< this one, which is left out from now on
  };
  struct Refusal {
    Blame blame = Blame::nobody;
    std::optional<Watched> wish{};
  };
  Refusal refused(const std::set<Watched>& asked) {
    std::set<Watched> fresh;
    std::ranges::set_difference(asked, agreed_, std::inserter(fresh, fresh.end()));
    if (fresh.empty()) {
      // It has changed its mind about something.
      fresh = asked;
      agreed_.clear();
    }
    if (fresh.empty()) return {};
    if (fresh.size() > 1) {
      portion_ = fresh.size() / 2;
      return {.blame = Blame::some};
    }
    refused_.insert(*fresh.begin());
    grow();
    return {.blame = Blame::one, .wish = *fresh.begin()};
  }

 private:
  void grow() { portion_ = std::min(portion_ * 2, limits::kWatched); }

  std::set<Watched> all_, agreed_, refused_;
  std::size_t portion_ = limits::kWatched;
};

}  // namespace sallyport::gateway::http
