// Says what the head check makes of each head on standard input: four bytes of length, least significant
// first, then the head. One line for each, in the words that head_differential.mjs compares with those of
// llhttp.

#include <cstdio>
#include <iostream>
#include <iterator>
#include <string>
#include <string_view>

#include "sallyport/core/bytes.hpp"
#include "sallyport/net/head.hpp"

using namespace sallyport;
using namespace sallyport::net;

namespace {

std::string verdict_on(std::string_view bytes) {
  const HeadParse parsed = parse_head(bytes);
  if (parsed.state == HeadParse::State::need_more) return "more";
  if (parsed.state == HeadParse::State::refused)
    return "refused " + std::to_string(parsed.status) + " " + std::string(parsed.reason);
  const Request& request = parsed.request;
  // The handler of a method that is not served sees no more of it than that.
  std::string out = "accepted " + std::to_string(parsed.length) + " ";
  out += request.method == Method::other ? "*" : name_of(request.method);
  out += " " + hex(request.target) + " 1." + std::to_string(request.minor_version);
  out += request.keep_alive ? " keep " : " close ";
  out += request.chunked          ? "chunked"
         : request.content_length ? std::to_string(*request.content_length)
                                  : "none";
  for (const Headers* headers : {&request.headers, &request.forwarded}) {
    out += headers == &request.headers ? " headers" : " forwarded";
    for (const Header& header : headers->lines) out += " " + hex(header.name) + ":" + hex(header.value);
  }
  return out;
}

}  // namespace

int main() {
  const std::string all{std::istreambuf_iterator<char>(std::cin), {}};
  std::string_view rest = all;
  const auto byte = [&](std::size_t i) {
    return static_cast<std::size_t>(static_cast<unsigned char>(rest[i]));
  };
  while (rest.size() >= 4) {
    const std::size_t size = byte(0) | byte(1) << 8U | byte(2) << 16U | byte(3) << 24U;
    rest.remove_prefix(4);
    if (size > rest.size()) break;
    std::cout << verdict_on(rest.substr(0, size)) << '\n';
    rest.remove_prefix(size);
  }
  if (rest.empty()) return 0;
  std::cerr << "heads: the input ends in the middle of a head\n";
  return 1;
}
