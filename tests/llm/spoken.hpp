#pragma once
/// Streams and answers for tests: taken apart, read, written, and told in one line.

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sallyport/json/document.hpp"
#include "sallyport/llm/event_reader.hpp"
#include "sallyport/llm/event_writer.hpp"

namespace sallyport::llm::test {

inline json::Document parsed(std::string text, json::Rules rules = json::kStrict) {
  auto document = json::Document::parse(text, rules);
  REQUIRE_MESSAGE(document.has_value(), text, " ", (document ? std::string{} : document.error().what));
  return std::move(*document);
}

inline constexpr Wire kAllWires[] = {Wire::chat, Wire::responses, Wire::messages};

struct Frame {
  std::string type = "message";
  std::string data{};
};

/// Whole frames only; what our own writers write has one data line each.
inline std::vector<Frame> frames_of(std::string_view stream) {
  std::vector<Frame> out;
  while (!stream.empty()) {
    const auto end = stream.find("\n\n");
    REQUIRE(end != std::string_view::npos);
    auto block = stream.substr(0, end);
    stream.remove_prefix(end + 2);
    Frame frame;
    bool any = false;
    while (!block.empty()) {
      const auto line = block.substr(0, block.find('\n'));
      block.remove_prefix(std::min(block.size(), line.size() + 1));
      if (line.starts_with("event: ")) frame.type = line.substr(7);
      if (line.starts_with("data: ")) any = true, frame.data = line.substr(6);
    }
    if (any) out.push_back(std::move(frame));
  }
  return out;
}

/// Reads a stream to its end; an Error shows as failed with its text.
inline std::vector<Event> read_stream(Wire from, std::string_view stream) {
  EventReader reader(from);
  std::vector<Event> out;
  for (const auto& frame : frames_of(stream)) {
    if (const auto read = reader.read(frame.type, frame.data, out); !read) {
      out.push_back({.kind = Event::Kind::failed, .error = {.message = "broken: " + read.error().what}});
      return out;
    }
  }
  if (const auto finished = reader.finish(out); !finished)
    out.push_back({.kind = Event::Kind::failed, .error = {.message = "broken: " + finished.error().what}});
  return out;
}

inline std::vector<Event> read_whole(Wire from, const std::string& body) {
  const auto document = parsed(body, json::kUpstream);
  auto events = read_answer(from, document.root());
  if (!events) return {{.kind = Event::Kind::failed, .error = {.message = "broken: " + events.error().what}}};
  return *std::move(events);
}

inline Writing writing(const Request* request = nullptr) {
  return {.id = "resp_1", .created = 1700000000, .model = "alias", .wants_usage = true, .request = request};
}

inline std::string write_stream(Wire to, const std::vector<Event>& events, const Request* request = nullptr) {
  EventWriter writer(to, writing(request));
  std::string out;
  for (const auto& event : events) writer.write(event, out);
  return out;
}

inline std::string_view name_of(StopReason reason) {
  constexpr std::string_view names[] = {"done",  "stop_string", "limit", "context_full",
                                        "tools", "filtered",    "pause"};
  return names[static_cast<std::size_t>(reason)];
}

/// What an answer says, whatever its wire: blocks in order, then why it stopped and what it used.
inline std::string told(const std::vector<Event>& events) {
  using Kind = Event::Kind;
  std::vector<std::pair<std::uint32_t, std::string>> blocks;
  std::map<std::uint32_t, std::string> names, closes;
  std::string stop, usage, end;
  const auto at = [&](std::uint32_t block, const std::string& name) -> std::string& {
    for (auto& [number, text] : blocks) {
      if (number == block) return text;
    }
    names[block] = name;
    return blocks.emplace_back(block, "").second;
  };
  for (const auto& event : events) {
    switch (event.kind) {
      case Kind::started:
        break;
      case Kind::text:
        at(event.block, "text") += event.text;
        break;
      case Kind::refusal:
        at(event.block, "refusal") += event.text;
        break;
      case Kind::thinking:
        at(event.block, "thinking") += event.text;
        break;
      case Kind::signature:
        at(event.block, "thinking");
        closes[event.block] = "+";
        break;
      case Kind::redacted:
        at(event.block, "redacted");
        break;
      case Kind::tool_begin:
        at(event.block, (event.custom ? "custom " : "call ") + event.name + " " + event.id);
        break;
      case Kind::tool_arguments:
        at(event.block, "?") += event.text;
        break;
      case Kind::tool_end:
        closes[event.block] = ".";
        break;
      case Kind::citation:
        closes[event.block] += "*";
        break;
      case Kind::opaque:
        at(event.block, "opaque");
        break;
      case Kind::usage:
        usage = fmt::format(" used {}/{}/{}/{} {}/{}", event.usage.input, event.usage.cache_read,
                            event.usage.cache_write_5m, event.usage.cache_write_1h, event.usage.output,
                            event.usage.reasoning);
        break;
      case Kind::stop:
        stop = fmt::format(" stop {}{}{}", name_of(event.reason), event.text.empty() ? "" : " ", event.text);
        break;
      case Kind::failed:
        end = fmt::format(" failed {} {}{}{}", event.error.status, event.error.code,
                          event.error.code.empty() ? "" : " ", event.error.message);
        break;
      case Kind::done:
        end += " end";
        break;
    }
  }
  std::string out;
  for (const auto& [number, text] : blocks)
    out += fmt::format("[{}: {}]{}", names[number], text, closes[number]);
  return out + stop + usage + end;
}

}  // namespace sallyport::llm::test
