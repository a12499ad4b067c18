#pragma once
/// What the files of Feed share.

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "feed.hpp"
#include "sallyport/policy/rules.hpp"

namespace sallyport::gateway {

/// All streams of one shard that see the same: what they were told last.
struct View {
  explicit View(net::Shard& shard) : gap(shard) {}
  std::string key;
  Caller caller;
  std::shared_ptr<const policy::Principal> principal;
  std::vector<std::shared_ptr<Follower>> members;
  Feed::Digests told{};
  SteadyTime told_at{};
  net::Deadline gap;
  std::uint8_t pending = 0;  // changed, but it is too soon to say so again
  std::uint8_t telling = 0;  // being passed to members[0, cursor)
  std::size_t cursor = 0;
  bool ended = false, stale = false, queued = false;
  bool awaited = false;  // lists wait for servers that are being reached: what they bring then is no change
};

}  // namespace sallyport::gateway
