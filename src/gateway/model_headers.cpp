#include "model_headers.hpp"

#include <algorithm>
#include <array>

#include "sallyport/core/bytes.hpp"
#include "sallyport/net/client.hpp"

namespace sallyport::gateway {
namespace {

/// Ours, secret, or of one connection only; those that frame a message are kept out by append_header.
constexpr std::array<std::string_view, 25> kNotSent{"accept",
                                                    "accept-encoding",
                                                    "api-key",
                                                    "authorization",
                                                    "baggage",
                                                    "cookie",
                                                    "content-encoding",
                                                    "content-type",
                                                    "date",
                                                    "forwarded",
                                                    "openai-project",
                                                    "origin",
                                                    "priority",
                                                    "openai-organization",
                                                    "range",
                                                    "referer",
                                                    "traceparent",
                                                    "tracestate",
                                                    "via",
                                                    "x-amzn-trace-id",
                                                    "x-api-key",
                                                    "x-goog-api-key",
                                                    "x-real-ip",
                                                    "x-request-start",
                                                    "x-host"};
/// The last ones are what proxies with a login of their own put in: who the client is, often with a token.
constexpr std::array<std::string_view, 18> kPrefixesNotSent{"cf-",
                                                            "if-",
                                                            "mcp-",
                                                            "proxy-",
                                                            "sallyport-",
                                                            "sec-",
                                                            "x-forwarded-",
                                                            "x-http-method",
                                                            "x-original-",
                                                            "x-portkey-",
                                                            "x-rewrite-",
                                                            "x-sallyport-",
                                                            "x-amzn-oidc-",
                                                            "x-auth-request-",
                                                            "x-goog-iap-",
                                                            "x-goog-authenticated-user-",
                                                            "x-ms-client-principal",
                                                            "x-ms-token-"};
constexpr std::array<std::string_view, 17> kNotAnswered{"alt-svc",
                                                        "connection",
                                                        "content-encoding",
                                                        "content-length",
                                                        "content-type",
                                                        "date",
                                                        "keep-alive",
                                                        "location",
                                                        "nel",
                                                        "refresh",
                                                        "server",
                                                        "set-cookie",
                                                        "trailer",
                                                        "transfer-encoding",
                                                        "upgrade",
                                                        "via",
                                                        "www-authenticate"};
constexpr std::array<std::string_view, 7> kPrefixesNotAnswered{
    "access-control-", "proxy-", "sallyport-", "strict-transport", "x-accel-", "x-portkey-", "x-sallyport-"};
constexpr std::array<std::string_view, 5> kRetry{"retry-after", "retry-after-ms", "x-ms-retry-after-ms",
                                                 "x-should-retry", "request-id"};

bool begins_with_one(std::string_view name, const auto& prefixes) {
  return std::ranges::any_of(prefixes, [&](std::string_view prefix) { return name.starts_with(prefix); });
}

/// Of a client's headers (names in lower case) those that are ours, secret, or of its connection.
bool stays_here(std::string_view name) {
  return std::ranges::find(kNotSent, name) != kNotSent.end() || begins_with_one(name, kPrefixesNotSent);
}

void add_line(std::string& out, std::string_view name, std::string_view value) {
  // False for what frames a message: that is not ours to pass on.
  (void)net::append_header(out, name, value);
}

}  // namespace

bool may_be_forwarded(std::string_view name) {
  constexpr std::array<std::string_view, 3> kTraces{"baggage", "traceparent", "tracestate"};
  if (std::ranges::find(kTraces, name) != kTraces.end()) return true;
  std::string line;
  return !stays_here(name) && net::append_header(line, name, "x");
}

std::string provider_headers(const ModelHandle& handle, const net::Headers& client, bool relayed) {
  const ProviderEntry& provider = *handle.provider;
  std::string out;
  add_line(out, "Content-Type", "application/json");
  add_line(out, "Accept", "application/json, text/event-stream");
  add_line(out, "Accept-Encoding", "identity");
  const std::string_view own_line = handle.credential_line.reveal();
  const std::string credential = lower(own_line.substr(0, own_line.find(':')));
  const auto configured = [&](std::string_view name) {
    return std::ranges::any_of(provider.document.headers,
                               [&](const auto& own) { return equal_ignoring_case(own.first, name); });
  };
  const auto travels = [&](std::string_view name) {
    if (name == credential || configured(name)) return false;
    return std::ranges::find(handle.forwarded, name) != handle.forwarded.end() ||
           (relayed && !stays_here(name));
  };
  if (relayed || !handle.forwarded.empty()) {
    for (const net::Header& line : client.lines)
      if (travels(lower(line.name))) add_line(out, line.name, line.value);
  }
  for (const auto& [name, value] : provider.kind->headers) {
    const bool said = configured(name) || (client.find(name) && travels(lower(name)));
    if (!said) add_line(out, name, value);
  }
  out += provider.fixed_lines;
  out += handle.credential_line.reveal();
  return out;
}

std::vector<std::pair<std::string, std::string>> answer_headers(const net::Headers& provider, bool all) {
  std::vector<std::pair<std::string, std::string>> out;
  for (const net::Header& line : provider.lines) {
    const std::string name = lower(line.name);
    const bool travels = all ? std::ranges::find(kNotAnswered, name) == kNotAnswered.end() &&
                                   !begins_with_one(name, kPrefixesNotAnswered)
                             : std::ranges::find(kRetry, name) != kRetry.end();
    if (travels) out.emplace_back(line.name, line.value);
  }
  return out;
}

}  // namespace sallyport::gateway
