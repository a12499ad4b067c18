#include "sse_endpoint.hpp"

#include "sallyport/core/bytes.hpp"

namespace sallyport::gateway {
namespace {

Failure broken(std::string what) {
  return fail(Code::upstream_broken, Blame::upstream, "its 'endpoint' event " + std::move(what));
}

/// The reference as a whole URL (RFC 3986 section 5.2, as far as servers use it).
std::string absolute(const net::Url& base, std::string_view reference) {
  const std::size_t end = reference.find_first_of("/?");
  if (reference.substr(0, end).find(':') != std::string_view::npos) return std::string(reference);
  if (reference.starts_with("//")) return base.scheme + ":" + std::string(reference);
  if (reference.starts_with('/')) return base.origin() + std::string(reference);
  std::string path = base.path.substr(0, base.path.find('?'));
  if (reference.starts_with('?')) return base.origin() + path + std::string(reference);
  path.resize(path.rfind('/') + 1);
  for (;;) {
    if (reference.starts_with("./")) {
      reference.remove_prefix(2);
    } else if (reference.starts_with("../")) {
      reference.remove_prefix(3);
      if (path.size() > 1) path.resize(path.rfind('/', path.size() - 2) + 1);
    } else {
      return base.origin() + path + std::string(reference);
    }
  }
}

}  // namespace

Result<std::string> message_endpoint(const net::Url& base, std::string_view reference) {
  reference = trim(reference);
  if (reference.empty()) return broken("is empty");
  auto url = net::parse_url(absolute(base, reference));
  if (!url) return broken("is no usable URL: " + url.error().what);
  if (url->origin() != base.origin()) return broken("leads to another origin than the stream's");
  return std::move(url->path);
}

}  // namespace sallyport::gateway
