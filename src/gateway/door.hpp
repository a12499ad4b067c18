#pragma once
/// The checks that come before anyone is believed: Host, Origin, Accept, media types, credentials.

#include <string>
#include <string_view>
#include <vector>

#include "call.hpp"
#include "sallyport/gateway/gateway.hpp"

namespace sallyport::gateway {

/// Threads: immutable.
class Door {
 public:
  explicit Door(const GatewayOptions& options);

  /// Host and Origin (DNS rebinding: N13). Errors: forbidden.
  Result<void> check_origin(const net::Request& request) const;
  /// Host alone, for what pages anywhere may call. Errors: forbidden.
  Result<void> check_host(const net::Request& request) const;
  /// CORS headers for that.
  static std::vector<std::pair<std::string, std::string>> open_to_pages();
  /// CORS headers for an allowed Origin; empty otherwise.
  std::vector<std::pair<std::string, std::string>> cors(const net::Request& request) const;
  /// The answer to a browser that asks before it calls (Fetch, CORS preflight). Requires: cors() has headers
  /// for it.
  static net::Reply preflight(const net::Request& request);
  /// What a POST brings: JSON, and not compressed. Errors: unsupported_media.
  static Result<void> check_body_type(const net::Request& request);
  /// Media types of a POST. Errors: unsupported_media, not_acceptable.
  static Result<void> check_media(Call& call);
  /// What GET and DELETE need: they do not exist in the modern era. Errors: method_not_allowed, bad_request.
  static Result<void> check_legacy(const net::Request& request);
  /// Media type of a GET. Errors: not_acceptable.
  static Result<void> check_stream(Call& call);
  /// Principal of the request. Waits where a token's issuer has to be asked first. Errors: unauthenticated,
  /// insufficient_scope, forbidden, bad_request (two kinds of credential), unavailable (the keys of a token's
  /// issuer cannot be had).
  static Task<Result<void>> authenticate(Call& call, const Clock& clock);

 private:
  /// Sets the principal where a key or nothing at all tells it; else the token that has to be looked at.
  static Result<std::optional<std::string_view>> token_of(Call& call, SystemTime now);
  bool host_allowed(std::string_view host) const;
  std::vector<std::string> hosts_, origins_;
  std::string own_origin_;  ///< of public_url: what browsers send, whatever a proxy makes of Host
};

}  // namespace sallyport::gateway
