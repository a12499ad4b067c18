/// Header lines of clients and providers, and the names in a client's certificate: nothing crashes; what is
/// taken out of a line stands in it and has the letters that it may have; waits and dates stay within their
/// bounds; the client that a proxy names is an address, and only a trusted proxy names one. Input: header
/// lines; of the first one the name is also a certificate's, the value a date.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <source_location>
#include <string>

#include "../../src/gateway/model_headers.hpp"
#include "../../src/gateway/trace.hpp"
#include "../../src/identity/visit.hpp"
#include "sallyport/core/bytes.hpp"
#include "sallyport/core/clock.hpp"
#include "sallyport/identity/certificate_names.hpp"
#include "sallyport/identity/endpoint_path.hpp"
#include "sallyport/identity/keys.hpp"
#include "sallyport/llm/retry_after.hpp"
#include "sallyport/net/egress.hpp"
#include "sallyport/net/trusted_proxies.hpp"

using namespace sallyport;
using namespace std::chrono_literals;

namespace {

void must(bool holds, std::source_location where = std::source_location::current()) {
  if (holds) return;
  std::fprintf(stderr, "line %u does not hold\n", static_cast<unsigned>(where.line()));
  std::abort();
}

bool visible(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7f; });
}

net::Request request_of(std::string_view text) {
  net::Request out;
  while (!text.empty()) {
    const auto line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    const auto colon = std::min(line.find(':'), line.size());
    out.headers.lines.push_back(
        {.name = line.substr(0, colon), .value = trim(line.substr(std::min(colon + 1, line.size())))});
  }
  return out;
}

void read_lines(const net::Request& request) {
  const auto& headers = request.headers;
  const SystemTime now = time_of_seconds(1'800'000'000);
  const auto wait = llm::retry_after([&](std::string_view name) { return headers.find(name); }, now);
  must(!wait || (*wait >= 0ms && *wait <= 24h));
  const std::string trace = gateway::trace_of(headers);
  must(trace.empty() || gateway::is_trace(trace));
  must(visible(trace) && trace.size() <= 128);
  if (const auto token = identity::bearer_token(headers.find("authorization")); token && *token)
    must(!(*token)->empty() && visible(**token));
  const auto cookie = identity::cookie_of(request, "sallyport");
  must(cookie.find(';') == cookie.npos);
  for (const bool all : {false, true}) {
    for (const auto& [name, value] : gateway::answer_headers(headers, all)) {
      must(!equal_ignoring_case(name, "connection") && !equal_ignoring_case(name, "transfer-encoding"));
      must(!equal_ignoring_case(name, "content-length"));
    }
  }
  for (const auto& line : headers.lines) {
    const std::string name = lower(line.name);
    if (gateway::may_be_forwarded(name)) must(name != "authorization" && name != "cookie" && name != "host");
  }
}

void read_hops(const net::Headers& headers) {
  static const auto trusted = net::TrustedProxies::of({"10.0.0.0/8", "fd00::/8"}).value();
  net::Peer peer;
  peer.ip = "192.0.2.1";
  must(trusted.client_of(peer, headers) == peer.ip);
  peer.ip = "10.0.0.1";
  const std::string client = trusted.client_of(peer, headers);
  must(net::address_of(client, 0).has_value());
  must(client == peer.ip || headers.find("x-forwarded-for").has_value());
}

void read_certificate(std::string_view name, std::string_view value) {
  const auto names = identity::CertificateNames::parse(value);
  if (!names) return;
  const net::ClientCertificate certificate{.fingerprint = {},
                                           .subject_cn = std::string(name),
                                           .uris = {std::string(name), std::string(name)},
                                           .dns_names = {std::string(value)},
                                           .emails = {},
                                           .expires = {}};
  const std::string found = names->name_in(certificate);
  must(found.empty() || name.find(found) != name.npos || value.find(found) != value.npos);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const net::Request request = request_of(text);
  read_lines(request);
  read_hops(request.headers);
  if (request.headers.lines.empty()) return 0;
  const auto [name, value] = request.headers.lines.front();
  read_certificate(name, value);
  if (const auto proxies = net::TrustedProxies::of({std::string(value)}))
    must(proxies->contains(value.substr(0, value.find('/'))));
  if (const auto date = parse_date(value)) must(*date >= SystemTime{} && rfc3339(*date).size() == 24);
  if (identity::is_endpoint_path(value)) must(value.starts_with('/') && visible(value));
  return 0;
}
