/// Event streams: every cut of the same bytes gives the same events and the same end, and what our writer
/// wrote comes out of the reader as one event. Input: one byte that chooses bound and cut, then the stream.

#include <cstdint>
#include <cstdlib>
#include <string>

#include "sallyport/mcp/sse.hpp"

using namespace sallyport;

namespace {

void must(bool holds) {
  if (!holds) std::abort();
}

struct Heard {
  std::string events;
  bool dead = false;
  bool operator==(const Heard&) const = default;
};

Heard hear(std::string_view bytes, std::size_t bound, std::size_t piece) {
  mcp::SseReader reader(bound);
  Heard heard;
  while (true) {
    const auto events = reader.feed(bytes.substr(0, piece));
    if (!events) {
      must(events.error().code == Code::too_large && reader.dead());
      heard.dead = true;
      return heard;
    }
    for (const auto& event : *events) {
      must(event.data.size() <= bound && !event.type.empty());
      heard.events += event.type + '\0' + event.data + '\0' + event.last_id + '\0';
      heard.events += event.retry ? std::to_string(*event.retry) : "-";
    }
    // An empty piece at the end asks a dead reader to say so.
    if (bytes.empty()) return heard;
    bytes.remove_prefix(std::min(piece, bytes.size()));
  }
}

void write_and_read(const std::string& text) {
  const auto frame = mcp::sse_frame(text, "id");
  mcp::SseReader reader(frame.size());
  const auto events = reader.feed(frame);
  must(events && events->size() == 1 && !reader.dead());
  std::string expected = text;
  for (char& c : expected) {
    if (c == '\r' || c == '\n') c = ' ';
  }
  must(events->front().data == expected && events->front().last_id == "id" &&
       events->front().type == "message");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string text(reinterpret_cast<const char*>(data + 1), size - 1);
  const std::size_t bound = data[0] % 2 == 0 ? 1 << 16 : 24;
  const std::size_t piece = 1 + data[0] / 2 % 17;
  const auto whole = hear(text, bound, text.size() + 1);
  must(hear(text, bound, 1) == whole);
  must(hear(text, bound, piece) == whole);
  write_and_read(text);
  return 0;
}
