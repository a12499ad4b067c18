#pragma once
/// OAuth clients as they describe themselves: by dynamic registration (RFC 7591) or by a document at the URL
/// that is their id (client id metadata documents). Nothing is stored: a registration is its own id, sealed.

#include <string>
#include <string_view>
#include <vector>

#include "sallyport/core/error.hpp"
#include "sallyport/identity/sealed_id.hpp"
#include "sallyport/json/document.hpp"

namespace sallyport::identity {

struct OauthClient {
  std::string id{};
  std::string name{};                    ///< as it calls itself: nobody has checked that
  std::string host{};                    ///< that its document came from; empty: registered
  std::vector<std::string> redirects{};  ///< where it may be sent back to
};

/// What a client says of itself, id and host left open. Errors: bad_request; the hint says what to change,
/// and `data` is the error code of RFC 7591 section 3.2.2.
Result<OauthClient> read_client(json::Value metadata);

/// Whether a URI may be one that people are sent back to: https, http on the machine itself, or a scheme of
/// an application's own (RFC 8252 section 7).
bool is_redirect(std::string_view uri);
/// The client may be sent back there: exactly one of its own, or on the machine itself the same with another
/// port (RFC 8252 section 7.3).
bool may_return_to(const OauthClient& client, std::string_view uri);
/// Whom a browser is sent to by this URI, for people: "example.com", "this computer", "the application
/// cursor".
std::string place_of(std::string_view uri);
inline constexpr std::string_view kThisComputer = "this computer";

/// The id that a registration gets. Errors: bad_request where it would be too long.
Result<std::string> sealed_client(const Sealer& sealer, const OauthClient& client);
/// The client of such an id. Errors: not_found.
Result<OauthClient> opened_client(const Sealer& sealer, std::string_view id);
/// An id that is the URL of a document: https, or http where that is allowed, with a path.
bool is_document_id(std::string_view id, bool allow_http);

}  // namespace sallyport::identity
