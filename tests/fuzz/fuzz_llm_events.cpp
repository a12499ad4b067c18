/// Lines as the events of a provider's stream, and as a whole answer: nothing crashes; what was read is
/// written for every wire as whole frames of JSON, which that wire's own reader takes to the same kind of
/// end; blocks open and close one by one, and events are numbered without a gap. Input: one byte that chooses
/// the wire and whether the client is known, then one event's data a line.

#include <cstdint>
#include <cstdlib>
#include <string>

#include "sallyport/json/document.hpp"
#include "sallyport/llm/event_reader.hpp"
#include "sallyport/llm/event_writer.hpp"

using namespace sallyport;

namespace {

constexpr llm::Wire kWires[] = {llm::Wire::chat, llm::Wire::responses, llm::Wire::messages};
constexpr json::Rules kWritten{.unique_keys = false, .max_depth = 200};

void must(bool holds) {
  if (!holds) std::abort();
}

const llm::Request& client() {
  static const llm::Request kRequest = [] {
    llm::Request request{.from = llm::Wire::responses};
    request.tools.push_back({.name = "p", .custom = true});
    request.tools.push_back({.name = "f", .space = "ns"});
    return request;
  }();
  return kRequest;
}

/// Holds a stream of ours to the rules of its wire.
struct Rules {
  std::int64_t sequence = 0, index = 0;
  bool open = false;

  void take(llm::Wire wire, const json::Value& event) {
    if (wire == llm::Wire::responses) must(event.find("sequence_number")->integer() == sequence++);
    if (wire != llm::Wire::messages) return;
    const auto type = *event.find("type")->string();
    if (!type.starts_with("content_block")) return;
    must(event.find("index")->integer() == index);
    must(open == (type != "content_block_start"));
    open = type != "content_block_stop";
    if (!open) ++index;
  }
};

void write_and_read(llm::Wire to, const std::vector<llm::Event>& events, bool failed,
                    const llm::Writing& writing) {
  llm::EventWriter writer(to, writing);
  std::string out;
  for (const auto& event : events) writer.write(event, out);
  if (failed) writer.fail({.message = "broken"}, out);
  must(writer.ended());
  llm::EventReader reader(to);
  std::vector<llm::Event> again;
  Rules rules;
  std::string_view rest = out;
  while (!rest.empty()) {
    const auto end = rest.find("\n\n");
    must(end != std::string_view::npos);
    auto frame = rest.substr(0, end);
    rest.remove_prefix(end + 2);
    if (frame.starts_with("event: ")) frame.remove_prefix(frame.find('\n') + 1);
    must(frame.starts_with("data: ") && frame.find_first_of("\r\n") == std::string_view::npos);
    frame.remove_prefix(6);
    if (frame != "[DONE]") {
      const auto document = json::Document::parse(std::string(frame), kWritten);
      must(document.has_value());
      rules.take(to, document->root());
    }
    // What was nested deeply in one wire may be too deep in another; that is an error, not an end.
    if (!reader.read("message", frame, again)) return;
  }
  must(reader.finish(again).has_value() && !again.empty());
  const bool wrong = again.back().kind == llm::Event::Kind::failed;
  must(wrong == (failed || events.back().kind == llm::Event::Kind::failed));
}

void whole(llm::Wire from, const json::Value& body, const llm::Writing& writing) {
  const auto events = llm::read_answer(from, body);
  if (!events) {
    must(events.error().code == Code::upstream_broken);
    return;
  }
  const auto end = events->back().kind;
  must(end == llm::Event::Kind::done || end == llm::Event::Kind::failed);
  for (const auto to : kWires) {
    const auto answer = llm::write_answer(to, *events, writing);
    must(answer || end == llm::Event::Kind::failed || to == llm::Wire::messages);
    if (answer) must(json::Document::parse(*answer, kWritten).has_value());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto from = kWires[data[0] % 3];
  const llm::Writing writing{.id = "x",
                             .created = 1,
                             .model = "m",
                             .wants_usage = true,
                             .request = data[0] / 3 % 2 ? &client() : nullptr};
  std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  llm::EventReader reader(from);
  std::vector<llm::Event> events;
  bool failed = false;
  while (!text.empty() && !failed) {
    const auto line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    failed = !reader.read("message", line, events);
    const auto document = json::Document::parse(std::string(line), json::kUpstream);
    if (document) whole(from, document->root(), writing);
  }
  failed = !reader.finish(events) || failed;
  must(failed || reader.ended());
  for (const auto to : kWires) write_and_read(to, events, failed, writing);
  return 0;
}
