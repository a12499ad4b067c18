#pragma once
/// Where an issuer may be asked.

#include <string_view>

#include "sallyport/core/error.hpp"
#include "sallyport/net/egress.hpp"

namespace sallyport::identity {

/// A URL that came from a document or from the issuer itself: tokens stand and fall with what is fetched
/// there. Errors: as net::parse_url and net::check_egress; forbidden for http where `allow_private` is not
/// set.
inline Result<net::Url> issuer_url(std::string_view text, bool allow_private) {
  auto url = net::parse_url(text);
  if (!url) return Failure(url.error());
  if (url->scheme != "https" && !allow_private) return client_error(Code::forbidden, "it is not https");
  if (auto allowed = net::check_egress(*url, allow_private); !allowed) return Failure(allowed.error());
  return url;
}

}  // namespace sallyport::identity
