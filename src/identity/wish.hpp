#pragma once
/// What the parts of the built-in authorization server share.

#include <algorithm>
#include <string>
#include <string_view>

#include "oauth_answers.hpp"
#include "sallyport/identity/authorization_server.hpp"

namespace sallyport::identity {

/// Who comes back from another tab, or after lunch.
inline constexpr std::string_view kOldPage =
    "This page is too old, or was opened in another browser. Go back to your application and log in again.";

/// What a client asks for, checked as far as it can be before anybody has said yes.
struct AuthorizationServer::Wish {
  std::string query;  ///< as it came
  OauthClient client{};
  std::string redirect{}, challenge{}, state{}, resource{}, scope{};
  std::string error{}, description{};  ///< what the client is to be told instead; empty: nothing is wrong
  std::string back(const std::string& issuer, std::string_view code, std::string_view refusal,
                   std::string_view why) const {
    return with_query(
        redirect,
        {{"code", code}, {"error", refusal}, {"error_description", why}, {"state", state}, {"iss", issuer}});
  }
};

/// What a provider says of somebody, as a grant keeps it: teams that it names, not those of documents.
/// `asserted`: by an assertion that a client brought, and not at a sign-in.
std::string identity_of(const Issuer& issuer, const policy::Principal& principal,
                        const std::vector<std::string>& teams, bool asserted);

/// For a login that cannot go on, and whose client must not be told by a redirect.
inline net::Reply page_of(const Error& error) {
  if (error.code == Code::bad_request || error.code == Code::not_found)
    return problem_page(400, "This login cannot go on", error.hint);
  if (error.code == Code::limited)
    return problem_page(503, "Too many at once", "Many people are signing in now. Try again in a moment.");
  return problem_page(
      503, "Signing in does not work now",
      "The gateway cannot reach what it needs. Try again; if it stays so, tell its administrators.");
}

/// The form is too old, or another tab's: the query that it was about leads to the sign-in or consent page
/// again, as if the client had just sent the browser.
inline net::Reply lost_page(const Form& form, const Error& error) {
  const std::string& query = form["query"];
  const bool plain = std::ranges::all_of(query, [](char c) { return c > ' ' && c < 0x7f; });
  return query.empty() || !plain ? page_of(error) : redirect_to("/oauth/authorize?" + query);
}

}  // namespace sallyport::identity
