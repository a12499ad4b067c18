#pragma once
/// Would clients find out how to log in? Walks the way of each known client through discovery, from outside.

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "sallyport/core/error.hpp"

namespace sallyport::cli {

/// What a request was answered with.
struct Answered {
  int status = 0;                                             ///< 0: there was no answer, `problem` says why
  std::string problem{};                                      ///< in words
  std::map<std::string, std::string, std::less<>> headers{};  ///< by name in lower case
  std::string body{};
};
/// `type`: Content-Type of the body; both are empty for a GET.
using Ask = std::function<Answered(const std::string& method, const std::string& url, const std::string& type,
                                   const std::string& body)>;

/// One request of a client on its way, or one thing that it checks.
struct Step {
  std::string what;  ///< "challenge", "resource metadata", "server metadata", "issuer", ...
  std::string url;   ///< asked; empty where nothing was
  int status = 0;
  bool good = false;
  std::string note{};  ///< what is wrong, or worth knowing
};
/// How far one client comes.
struct Walk {
  std::string client;
  std::vector<Step> steps;
  bool arrives = false;
  std::string problem{};  ///< where it stops; empty: it arrives
  std::string advice{};   ///< what to do about that
};

/// The way of every known client to `url` (the endpoint as users would type it in), at most a dozen requests
/// each; the same request is made once. Errors: bad_request (no such URL).
Result<std::vector<Walk>> examine(const std::string& url, const Ask& ask);

/// Asks over the network: our own client, with TLS verified against the system's authorities (and `ca_file`),
/// without following redirects. Each answer within ten seconds.
Ask asking(const std::string& ca_file);

}  // namespace sallyport::cli
