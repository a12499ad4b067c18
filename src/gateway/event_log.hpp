#pragma once
/// What the streams of legacy sessions have said, for clients that lose a stream and come back
/// (2025-11-25, transports: Resumability and Redelivery). Pure: no I/O, no clock of its own.

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "sallyport/core/clock.hpp"
#include "sallyport/core/limits.hpp"

namespace sallyport::gateway {

/// Names one event: the shard that keeps it, the stream, and its place there. The priming event is number 0.
struct EventId {
  int shard = 0;
  std::string stream{};  ///< 64 random bits; good for nothing without the session it belongs to
  std::uint64_t number = 0;
  std::string text() const;  ///< "1.q0mWy3x9JZ8.12"
  static std::optional<EventId> parse(std::string_view text);
};

/// Threads: its shard's.
class EventLog {
 public:
  struct Bounds {
    std::size_t events = limits::kLogEvents, bytes = limits::kLogBytes;
    std::size_t total = limits::kLogTotal, finished = limits::kLogFinished;
    std::size_t of_one = limits::kLogOfOne, finished_of_one = limits::kLogFinishedOfOne;
    Duration kept = limits::kLogKept;
  };
  using Message = std::shared_ptr<const std::string>;
  struct Event {
    std::uint64_t number = 0;
    Message message;
  };
  /// What came after an event. `found` tells a stream of another session from one that is no more.
  struct Replay {
    enum class Found : std::uint8_t { here, lost, foreign } found = Found::lost;
    std::vector<Event> events{};
    bool finished = false;
    std::size_t bytes() const;
  };

  EventLog() = default;
  explicit EventLog(Bounds bounds) : bounds_(bounds) {}

  /// A new stream of `session`, which belongs to `owner`; its name.
  std::string open(std::string session, const std::string& owner = "");
  /// The event's number. Requires: open and not finished.
  std::uint64_t append(const std::string& stream, Message message);
  /// Nothing more will come: it is kept for a while and goes when room is needed.
  void finish(const std::string& stream, SteadyTime now);
  void erase(const std::string& stream);
  /// Erases every stream of a session; their names.
  std::vector<std::string> erase_session(const std::string& session);
  std::uint64_t last(const std::string& stream) const;
  Replay after(const std::string& stream, std::string_view session, std::uint64_t number) const;
  /// Drops what was finished long enough ago.
  void sweep(SteadyTime now);

  std::size_t streams() const { return streams_.size(); }
  std::size_t bytes() const { return bytes_; }

 private:
  using Names = std::list<std::string>;
  /// In the order of finishing, and open streams with events, oldest first.
  struct Order {
    Names finished{}, busy{};
  };
  struct Owner {
    std::size_t streams = 0, bytes = 0;
    Order order{};
  };
  struct Stream {
    std::string session;
    Owner* owner = nullptr;
    std::string owner_name{};
    std::vector<Event> events{};
    std::uint64_t last = 0;
    std::size_t bytes = 0;
    std::optional<SteadyTime> finished{};
    Names::iterator place{}, own_place{};  // in order_ and in its owner's; while it is listed
    bool listed = false;
  };
  using Streams = std::unordered_map<std::string, Stream>;
  void drop_events(Stream& stream, std::size_t count);
  void list(const std::string& name, Stream& stream);
  void unlist(Stream& stream);
  /// An open stream loses its beginning: whoever comes back for that is told so.
  void forget(const std::string& name);
  void erase(Streams::iterator it);
  void make_room(Owner& owner);

  Bounds bounds_{};
  Streams streams_;
  std::unordered_map<std::string, std::vector<std::string>> of_session_;
  std::unordered_map<std::string, Owner> owners_;
  Order order_;
  std::size_t bytes_ = 0;
};

}  // namespace sallyport::gateway
