#pragma once
/// What is fetched from an issuer: its metadata and what that points to. Redirects are not followed.

#include <string>
#include <string_view>

#include "sallyport/core/cancel.hpp"
#include "sallyport/core/task.hpp"
#include "sallyport/json/document.hpp"
#include "sallyport/net/client.hpp"
#include "sallyport/store/documents.hpp"

namespace sallyport::identity {

/// How an issuer is asked.
struct IssuerRequest {
  std::string url{};
  std::string body{};     ///< application/x-www-form-urlencoded; empty: GET
  std::string headers{};  ///< further lines
};
struct IssuerReply {
  int status = 0;
  std::string body{};
};
/// Errors: forbidden (where that URL leads is not allowed for this issuer), and as net::Client.
Task<Result<IssuerReply>> ask_issuer(net::Client& client, const store::Issuer& issuer, IssuerRequest request,
                                     SteadyTime deadline, Cancel* cancel);

/// What is there, where that is answered with 200.
Task<Result<std::string>> fetch_from(net::Client& client, const store::Issuer& issuer, std::string url,
                                     SteadyTime deadline, Cancel* cancel);

/// Its metadata, found as OpenID Connect Discovery section 4 and RFC 8414 section 3 say, with the issuer's
/// own name in it. Errors: upstream_broken, and those of fetch_from.
Task<Result<json::Document>> fetch_metadata(net::Client& client, const store::Issuer& issuer,
                                            SteadyTime deadline, Cancel* cancel);

/// A URL that a stranger may have written, as logs show it; and what an error says, for those.
std::string shown_url(std::string_view url);
const std::string& words_of(const Error& error);

}  // namespace sallyport::identity
