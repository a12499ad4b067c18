#pragma once
/// Answers of the built-in authorization server that are no pages.

#include <string>
#include <string_view>

#include "sallyport/core/error.hpp"
#include "sallyport/json/document.hpp"
#include "sallyport/net/http.hpp"

namespace sallyport::identity {

/// RFC 6749 section 5.1: nobody in between keeps it.
inline net::Reply oauth_reply(int status, std::string body) {
  return {.status = status,
          .content_type = "application/json",
          .body = std::move(body),
          .headers = {{"Cache-Control", "no-store"}, {"Pragma", "no-cache"}}};
}

/// RFC 6749 section 5.2.
inline net::Reply oauth_error(int status, std::string_view error, std::string_view description) {
  return oauth_reply(status, "{\"error\":" + json::quote(error) +
                                 ",\"error_description\":" + json::quote(description) + "}");
}

/// What stands wrong in a request to the token endpoint.
inline net::Reply oauth_refusal(std::string_view error, std::string_view description) {
  return oauth_error(error == "invalid_client" ? 401 : 400, error, description);
}

/// The same of an error, whose `data` may name it; or that it cannot be done now.
inline net::Reply oauth_refusal(const Error& error) {
  if (error.code == Code::bad_request || error.code == Code::too_large)
    return oauth_refusal(error.data.empty() ? "invalid_request" : std::string_view(error.data), error.hint);
  net::Reply reply =
      oauth_error(503, "temporarily_unavailable", "The gateway cannot do that now; try again.");
  reply.headers.emplace_back("Retry-After", "1");
  return reply;
}

inline net::Reply redirect_to(std::string url) {
  return {
      .status = 303,
      .content_type = {},
      .body = {},
      .headers = {
          {"Location", std::move(url)}, {"Cache-Control", "no-store"}, {"Referrer-Policy", "no-referrer"}}};
}

}  // namespace sallyport::identity
