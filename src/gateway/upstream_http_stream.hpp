#pragma once
/// What an upstream says outside of calls: the GET stream of a legacy session, and the subscriptions/listen
/// streams of the modern era. Threads: the owner shard's.

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "upstream_http_exchange.hpp"
#include "upstream_http_wishes.hpp"

namespace sallyport::gateway::http {

/// A stream that ends before this, and brought nothing, was not worth opening.
constexpr auto kShortStream = std::chrono::seconds(5);
/// Before a stream that ended is opened again: what the upstream asked for, and longer after `barren` such
/// streams in a row.
Duration reopen_pause(Duration wanted, int barren);

/// The lists that a server has, and those of whose changes it says that it will tell.
struct ListKinds {
  bool tools = false, prompts = false, resources = false;
  bool any() const { return tools || prompts || resources; }
  bool covers(const ListKinds& other) const {
    return (tools || !other.tools) && (prompts || !other.prompts) && (resources || !other.resources);
  }
};
struct OfferedLists {
  ListKinds has, tells;
};
OfferedLists lists_of(const UpstreamIdentity& identity);
/// `capabilities.<group>.<member>` is true.
bool offers(const UpstreamIdentity& identity, std::string_view group, std::string_view member);

/// Who hears a stream. All are set; they are called on the owner shard, and not any more after stop().
struct StreamEars {
  std::function<void(const mcp::Envelope&)> notification;
  /// A request of the upstream's, legacy only. Errors end the stream.
  std::function<Result<void>(const mcp::Envelope&)> request;
  /// The stream is open and tells of these lists; all false when it is not. `gap`: it was open before, so
  /// something may have been missed.
  std::function<void(ListKinds, bool gap)> state;
  /// The upstream does not know the session any more.
  std::function<void()> gone;
};

/// The GET stream of one legacy session: opened, read, and taken up again until it is stopped or refused.
class GetStream : public std::enable_shared_from_this<GetStream> {
 public:
  GetStream(std::shared_ptr<Link> link, Identity identity, StreamEars ears);
  void start();
  void stop();
  /// Waits until it is open (true), or refused, lost or not open in time (false).
  Task<bool> opened(SteadyTime deadline);

 private:
  enum class State : std::uint8_t { opening, open, none } state_ = State::opening;
  static Task<> run(std::shared_ptr<GetStream> self);
  Task<bool> read(net::ClientResponse response);
  void set(State state);

  const std::shared_ptr<Link> link_;
  const Identity identity_;
  StreamEars ears_;
  Cancel cancel_;
  std::string last_id_;
  Duration retry_;
  bool was_open_ = false;
  bool heard_ = false;
  std::vector<std::shared_ptr<Slot<bool>>> waiting_;
};

/// The subscriptions of one modern upstream for one isolation. What is wanted changes by opening a new stream
/// before the old one is closed.
class Listening : public std::enable_shared_from_this<Listening> {
 public:
  /// `gap`: something may have been missed before it was made.
  Listening(std::shared_ptr<Link> link, Identity identity, ListKinds lists, StreamEars ears, bool gap);
  void start();
  void stop();
  /// What is watched from now on. Nothing is opened while there is nothing to hear.
  void want(std::set<Watched> watched);
  /// Waits until a stream is open that carries all that is wanted now. Errors: upstream_broken when the
  /// upstream does not agree to `watched`, unreachable, timeout.
  Task<Result<bool>> confirmed(Watched watched, SteadyTime deadline);

 private:
  struct Stream {
    Cancel cancel;
    std::set<Watched> asked{};
    std::string filter{};
    ListKinds lists{};            ///< that the upstream agreed to tell about
    std::set<Watched> watched{};  ///< likewise
    bool acknowledged = false;
    bool ended = false;
    bool wishes_refused = false;  ///< it may be for something that was asked for
    Duration retry = limits::kStreamRetry;
  };
  struct Waiting {
    Watched watched;
    std::shared_ptr<Slot<Result<bool>>> slot;
  };

  static Task<> run(std::shared_ptr<Listening> self);
  static Task<> read(std::shared_ptr<Listening> self, std::shared_ptr<Stream> stream, std::string id,
                     std::shared_ptr<Slot<Result<bool>>> opened);
  Task<Result<bool>> open(std::shared_ptr<Stream> stream);
  bool good() const { return current_ && !current_->ended && current_->filter == filter(wishes_.next()); }
  std::string filter(const std::set<Watched>& asked) const;
  /// Those that `whom` is true for wait no longer.
  void answer(const Result<bool>& opened, const std::function<bool(const Watched&)>& whom);
  void hear(Stream& stream, const mcp::Envelope& envelope);
  Task<> until_woken();
  void wake();

  const std::shared_ptr<Link> link_;
  const Identity identity_;
  const ListKinds lists_;
  const StreamEars ears_;
  Wishes wishes_;
  std::shared_ptr<Stream> current_;
  std::vector<Waiting> waiting_;
  std::string refused_;  ///< the filter that the upstream would not have
  std::shared_ptr<Slot<bool>> sleeper_;
  Cancel cancel_;
  bool gap_;
};

}  // namespace sallyport::gateway::http
