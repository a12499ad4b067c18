#include "event_log.hpp"

#include <algorithm>
#include <charconv>

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

std::string EventLog::open(std::string session) {
  std::string name = random_id(8);
  of_session_[session].push_back(name);
  streams_[name].session = std::move(session);
  return name;
}

std::uint64_t EventLog::append(const std::string& stream, Message message) {
  const auto it = streams_.find(stream);
  if (it == streams_.end()) return 0;
  Stream& s = it->second;
  s.bytes += cost(message);
  bytes_ += cost(message);
  s.events.push_back({++s.last, std::move(message)});
  std::size_t surplus = 0, bytes = s.bytes;
  while (surplus + 1 < s.events.size() &&
         (s.events.size() - surplus > bounds_.events || bytes > bounds_.bytes))
    bytes -= cost(s.events[surplus++].message);
  drop_events(s, surplus);
  if (!s.listed) {
    s.place = busy_.insert(busy_.end(), stream);
    s.listed = true;
  }
  make_room();
  return s.last;
}

void EventLog::finish(const std::string& stream, SteadyTime now) {
  const auto it = streams_.find(stream);
  if (it == streams_.end() || it->second.finished) return;
  Stream& s = it->second;
  if (s.listed) busy_.erase(s.place);
  s.place = finished_.insert(finished_.end(), stream);
  s.listed = true;
  s.finished = now;
  make_room();
}

void EventLog::erase(const std::string& stream) {
  if (const auto it = streams_.find(stream); it != streams_.end()) erase(it);
}

void EventLog::erase(Streams::iterator it) {
  Stream& s = it->second;
  drop_events(s, s.events.size());
  if (s.listed) (s.finished ? finished_ : busy_).erase(s.place);
  if (const auto names = of_session_.find(s.session); names != of_session_.end()) {
    std::erase(names->second, it->first);
    if (names->second.empty()) of_session_.erase(names);
  }
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
    stream.bytes -= cost(stream.events[i].message);
    bytes_ -= cost(stream.events[i].message);
  }
  stream.events.erase(stream.events.begin(), stream.events.begin() + static_cast<std::ptrdiff_t>(count));
}

void EventLog::make_room() {
  while (!finished_.empty() && (bytes_ > bounds_.total || finished_.size() > bounds_.finished))
    erase(streams_.find(finished_.front()));
  // What is still going on loses its beginning: whoever comes back for that is told so.
  while (bytes_ > bounds_.total && !busy_.empty()) {
    Stream& oldest = streams_.find(busy_.front())->second;
    drop_events(oldest, oldest.events.size());
    oldest.listed = false;
    busy_.pop_front();
  }
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
  while (!finished_.empty()) {
    const auto oldest = streams_.find(finished_.front());
    if (now - *oldest->second.finished < bounds_.kept) break;
    erase(oldest);
  }
}

}  // namespace sallyport::gateway
