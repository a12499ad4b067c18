// The head of a response and its chunks: what is answered does not depend on how the bytes were cut, what is
// accepted is unambiguous, and the decoded payload is the same whatever the pieces.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include "sallyport/core/limits.hpp"
#include "sallyport/net/response.hpp"

using namespace sallyport;
using namespace sallyport::net;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

bool inside(std::string_view part, std::string_view whole) {
  return part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size();
}

void check_accepted(const ResponseHead& head, std::string_view bytes) {
  require(bytes.size() <= limits::kHeadBytes && bytes.ends_with("\r\n\r\n"));
  require(head.status >= 100 && head.status <= 599);
  require(head.headers.lines.size() <= limits::kHeaderCount);
  for (const Header& h : head.headers.lines) {
    require(!h.name.empty() && h.name.find_first_of("\r\n \t:") == std::string_view::npos);
    require(h.value.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos);
    require(h.value.empty() || inside(h.value, bytes));
  }
  const std::size_t lengths = head.headers.count("content-length");
  const std::size_t codings = head.headers.count("transfer-encoding");
  require(lengths + codings <= 1);
  require(head.body != BodyEnd::length || (lengths == 1 && head.content_length > 0));
  require(head.body != BodyEnd::chunked || codings == 1);
  require(head.body != BodyEnd::close || !head.keep_alive);
}

struct Decoded {
  std::string payload;
  std::size_t used = 0;
  bool done = false;
  bool failed = false;
};

Decoded decode(std::string_view bytes, std::size_t piece) {
  ChunkDecoder decoder;
  Decoded out;
  for (std::size_t from = 0; from < bytes.size() && !decoder.done() && !out.failed; from += piece) {
    std::string_view part = bytes.substr(from, piece);
    while (!part.empty() && !decoder.done()) {
      const auto step = decoder.next(part);
      if (!step) {
        out.failed = true;
        require(!decoder.next("0\r\n\r\n"));  // broken stays broken
        break;
      }
      require(step->used > 0 && step->used <= part.size());
      require(step->payload.empty() || step->payload.data() >= part.data());
      out.payload += step->payload;
      out.used += step->used;
      part.remove_prefix(step->used);
    }
  }
  out.done = decoder.done();
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  for (const bool head_method : {false, true}) {
    ResponseHead head;
    const auto whole = parse_response_head(bytes, 0, head_method, head);
    if (whole && *whole > 0) {
      check_accepted(head, bytes.substr(0, *whole));
      require(!head_method || head.body == BodyEnd::none);
    }
    ResponseHead part;
    const std::size_t step = size > 2048 ? 61 : 1;
    std::size_t seen = 0;
    for (std::size_t n = 0; n <= size; n += step) {
      const auto found = parse_response_head(bytes.substr(0, n), seen, head_method, part);
      if (!found) {
        require(!whole);
        break;
      }
      if (*found > 0) {
        require(whole && *whole == *found && part.status == head.status && part.body == head.body);
        break;
      }
      require(!whole || *whole == 0 || n < *whole);
      seen = n;
    }
    if (whole && *whole > 0 && head.body == BodyEnd::chunked) {
      const std::string_view body = bytes.substr(*whole);
      const Decoded once = decode(body, std::max<std::size_t>(body.size(), 1));
      const Decoded slow = decode(body, 1);
      require(once.done == slow.done && once.failed == slow.failed);
      if (!once.failed) require(once.payload == slow.payload && once.used == slow.used);
    }
  }
  return 0;
}
