#include "event_log.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include "sallyport/core/crypto.hpp"

namespace sallyport::gateway {
namespace {

constexpr std::size_t kEventCost = 64;  // bytes that an event takes beside its text

std::size_t cost(const EventLog::Message& message) { return message->size() + kEventCost; }

template <class N>
bool read_number(std::string_view text, N& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

std::string EventId::text() const {
  return std::to_string(shard) + "." + stream + "." + std::to_string(number);
}

std::optional<EventId> EventId::parse(std::string_view text) {
  const auto first = text.find('.'), last = text.rfind('.');
  EventId id;
  if (first == last || text.size() > 64 || !read_number(text.substr(0, first), id.shard) || id.shard < 0 ||
      !read_number(text.substr(last + 1), id.number))
    return std::nullopt;
  id.stream = text.substr(first + 1, last - first - 1);
  // One event has one name.
  return id.text() == text ? std::optional(std::move(id)) : std::nullopt;
}

std::size_t EventLog::Replay::bytes() const {
  std::size_t sum = 0;
  for (const Event& event : events) sum += cost(event.message);
  return sum;
}

std::string EventLog::open(std::string session, const std::string& owner) {
  std::string name = random_id(8);
  of_session_[session].push_back(name);
  Stream& s = streams_[name];
  s.session = std::move(session);
  s.owner = &owners_[owner];
  s.owner_name = owner;
  ++s.owner->streams;
  return name;
}

std::uint64_t EventLog::append(const std::string& stream, Message message) {
  const auto it = streams_.find(stream);
  if (it == streams_.end()) return 0;
  Stream& s = it->second;
  const std::size_t size = cost(message);
  s.bytes += size;
  s.owner->bytes += size;
  bytes_ += size;
  s.events.push_back({++s.last, std::move(message)});
  std::size_t surplus = 0, bytes = s.bytes;
  while (surplus + 1 < s.events.size() &&
         (s.events.size() - surplus > bounds_.events || bytes > bounds_.bytes))
    bytes -= cost(s.events[surplus++].message);
  drop_events(s, surplus);
  if (!s.listed) list(stream, s);
  const std::uint64_t number = s.last;
  make_room(*s.owner);
  return number;
}

void EventLog::finish(const std::string& stream, SteadyTime now) {
  const auto it = streams_.find(stream);
  if (it == streams_.end() || it->second.finished) return;
  Stream& s = it->second;
  unlist(s);
  s.finished = now;
  list(stream, s);
  make_room(*s.owner);
}

void EventLog::list(const std::string& name, Stream& stream) {
  const auto into = [&](Order& order) {
    Names& names = stream.finished ? order.finished : order.busy;
    return names.insert(names.end(), name);
  };
  stream.place = into(order_);
  stream.own_place = into(stream.owner->order);
  stream.listed = true;
}

void EventLog::unlist(Stream& stream) {
  if (!std::exchange(stream.listed, false)) return;
  (stream.finished ? order_.finished : order_.busy).erase(stream.place);
  Order& own = stream.owner->order;
  (stream.finished ? own.finished : own.busy).erase(stream.own_place);
}

void EventLog::forget(const std::string& name) {
  Stream& s = streams_.find(name)->second;
  drop_events(s, s.events.size());
  unlist(s);
}

void EventLog::erase(const std::string& stream) {
  if (const auto it = streams_.find(stream); it != streams_.end()) erase(it);
}

void EventLog::erase(Streams::iterator it) {
  Stream& s = it->second;
  drop_events(s, s.events.size());
  unlist(s);
  if (const auto names = of_session_.find(s.session); names != of_session_.end()) {
    std::erase(names->second, it->first);
    if (names->second.empty()) of_session_.erase(names);
  }
  if (--s.owner->streams == 0) owners_.erase(s.owner_name);
  streams_.erase(it);
}

std::vector<std::string> EventLog::erase_session(const std::string& session) {
  const auto it = of_session_.find(session);
  if (it == of_session_.end()) return {};
  auto names = it->second;
  for (const auto& name : names) erase(name);
  return names;
}

std::uint64_t EventLog::last(const std::string& stream) const {
  const auto it = streams_.find(stream);
  return it == streams_.end() ? 0 : it->second.last;
}

void EventLog::drop_events(Stream& stream, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t size = cost(stream.events[i].message);
    stream.bytes -= size;
    stream.owner->bytes -= size;
    bytes_ -= size;
  }
  stream.events.erase(stream.events.begin(), stream.events.begin() + static_cast<std::ptrdiff_t>(count));
}

/// Finished streams go first, and the owner's before others'. The last of an owner's stays, whatever its
/// size.
void EventLog::make_room(Owner& owner) {
  Order& own = owner.order;
  const auto too_much = [&] {
    return own.finished.size() + own.busy.size() > 1 &&
           (owner.bytes > bounds_.of_one || own.finished.size() > bounds_.finished_of_one);
  };
  while (too_much() && !own.finished.empty()) erase(streams_.find(own.finished.front()));
  while (too_much() && !own.busy.empty()) forget(std::string(own.busy.front()));
  while (!order_.finished.empty() && (bytes_ > bounds_.total || order_.finished.size() > bounds_.finished))
    erase(streams_.find(order_.finished.front()));
  while (bytes_ > bounds_.total && !order_.busy.empty()) forget(std::string(order_.busy.front()));
}

EventLog::Replay EventLog::after(const std::string& stream, std::string_view session,
                                 std::uint64_t number) const {
  const auto it = streams_.find(stream);
  if (it == streams_.end()) return {};
  const Stream& s = it->second;
  if (s.session != session) return {.found = Replay::Found::foreign};
  const std::uint64_t oldest = s.last + 1 - s.events.size();
  if (number > s.last || number + 1 < oldest) return {};
  Replay replay{.found = Replay::Found::here, .finished = s.finished.has_value()};
  std::ranges::copy_if(s.events, std::back_inserter(replay.events),
                       [&](const Event& event) { return event.number > number; });
  return replay;
}

void EventLog::sweep(SteadyTime now) {
  while (!order_.finished.empty()) {
    const auto oldest = streams_.find(order_.finished.front());
    if (now - *oldest->second.finished < bounds_.kept) break;
    erase(oldest);
  }
}

}  // namespace sallyport::gateway
