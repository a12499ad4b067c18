// The head of a request: what is answered does not depend on how the bytes were cut, and what is accepted
// keeps its word.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "sallyport/core/limits.hpp"
#include "sallyport/net/head.hpp"

using namespace sallyport;
using namespace sallyport::net;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

bool inside(std::string_view part, std::string_view whole) {
  return part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size();
}

void check_accepted(const HeadParse& p, std::string_view bytes) {
  const Request& r = p.request;
  const std::string_view head = bytes.substr(0, p.length);
  require(p.length <= limits::kHeadBytes && head.ends_with("\r\n\r\n"));
  require(head.find('\0') == std::string_view::npos);
  require(r.target.size() <= limits::kTargetBytes && inside(r.target, head));
  require(r.path.starts_with('/'));
  require(r.path.find("//") == std::string_view::npos &&
          r.path.find_first_of("%;\\ ?#") == std::string_view::npos);
  for (std::size_t at = 0; at != std::string_view::npos; at = r.path.find('/', at + 1)) {
    const std::string_view segment = r.path.substr(at + 1, r.path.find('/', at + 1) - at - 1);
    require(segment != "." && segment != "..");
  }
  require(!(r.chunked && r.content_length));
  require(!(r.chunked && r.minor_version == 0));
  require(r.headers.count("host") == 1);
  require(r.headers.count("content-length") == (r.content_length ? 1U : 0U));
  require(r.headers.count("transfer-encoding") == (r.chunked ? 1U : 0U));
  require(r.headers.lines.size() + r.forwarded.lines.size() <= limits::kHeaderCount);
  for (const Header& h : r.headers.lines) {
    require(!h.name.empty() && inside(h.name, head));
    require(h.name.find_first_of("\r\n \t:") == std::string_view::npos);
    require(h.value.find_first_of("\r\n") == std::string_view::npos);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const HeadParse whole = parse_head(bytes);
  if (whole.state == HeadParse::State::complete) check_accepted(whole, bytes);

  HeadParse part;  // used again and again, as a connection does
  const std::size_t step = size > 2048 ? 61 : 1;
  for (std::size_t n = 0; n < size; n += step) {
    parse_head(bytes.substr(0, n), part);
    switch (whole.state) {
      case HeadParse::State::need_more:
        require(part.state == HeadParse::State::need_more);
        break;
      case HeadParse::State::complete:
        require(part.state == (n < whole.length ? HeadParse::State::need_more : HeadParse::State::complete));
        require(n < whole.length || part.length == whole.length);
        break;
      case HeadParse::State::refused:
        require(part.state == HeadParse::State::need_more ||
                (part.state == HeadParse::State::refused && part.status == whole.status &&
                 part.reason == whole.reason));
        break;
    }
  }
  return 0;
}
