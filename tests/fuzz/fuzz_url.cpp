// URLs: what is accepted reads the same the second time, and can be sent and dialled as it stands.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "sallyport/net/egress.hpp"

using namespace sallyport;
using namespace sallyport::net;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

bool printable(std::string_view text) {
  for (const char c : text) {
    if (c <= ' ' || c >= '\x7f') return false;
  }
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto url = parse_url(text);
  if (const auto literal = address_of(text, 1)) {
    // Dialled without permission only where it is public; the metadata services never.
    require(!is_metadata_address(*literal) || !permitted({*literal}, Url{}, true));
    require(is_private_address(*literal) == !permitted({*literal}, Url{}, false).has_value() ||
            is_metadata_address(*literal));
  }
  if (!url) return 0;
  require(url->scheme == "http" || url->scheme == "https");
  require(url->port != 0 && url->path.starts_with('/'));
  require(printable(url->host) && printable(url->path));
  require(url->host.find_first_of("/@#?%\\[]") == std::string_view::npos);
  require(url->path.find_first_of("#\\") == std::string_view::npos);
  const auto again = parse_url(url->origin() + url->path);
  require(again && again->origin() == url->origin() && again->path == url->path);
  require(!url->host.ends_with('.') && url->host_header().find(url->host) != std::string::npos);
  // What is refused with permission is refused without.
  if (!check_egress(*url, true)) require(!check_egress(*url, false));
  return 0;
}
