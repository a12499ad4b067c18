/// URLs that configuration or a fetched document names: parsed strictly, so that what was checked is what is
/// dialled.

#include <algorithm>
#include <array>

#include "sallyport/core/bytes.hpp"
#include "sallyport/core/limits.hpp"
#include "sallyport/net/egress.hpp"

namespace sallyport::net {
namespace {

constexpr std::size_t kNameLength = 253;  // RFC 1035 §2.3.4, without the final dot
constexpr std::size_t kLabelLength = 63;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
bool is_alnum(char c) { return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

Failure refuse(std::string why) { return client_error(Code::bad_request, "URL refused: " + std::move(why)); }

/// Whether something would read the name as an IPv4 number (WHATWG URL §3.5, "ends in a number").
bool ends_in_number(std::string_view host) {
  const std::size_t dot = host.rfind('.');
  const std::string_view last = dot == std::string_view::npos ? host : host.substr(dot + 1);
  if (std::ranges::all_of(last, is_digit)) return true;
  return last.size() >= 2 && last[0] == '0' && (last[1] == 'x' || last[1] == 'X') &&
         std::ranges::all_of(last.substr(2), is_hex);
}

bool is_dns_name(std::string_view host) {
  if (host.empty() || host.size() > kNameLength) return false;
  std::size_t label = 0;
  char before = '.';
  for (const char c : host) {
    if (c == '.') {
      if (label == 0 || before == '-') return false;
      label = 0;
    } else {
      // Container networks name hosts with underscores; resolvers take them.
      if (!is_alnum(c) && c != '_' && c != '-') return false;
      if (c == '-' && label == 0) return false;
      if (++label > kLabelLength) return false;
    }
    before = c;
  }
  return label > 0 && before != '-';
}

Result<std::uint16_t> parse_port(std::string_view text) {
  if (text.empty() || text.size() > 5 || text[0] == '0' || !std::ranges::all_of(text, is_digit)) {
    return refuse("the port is not a number from 1 to 65535");
  }
  unsigned value = 0;
  for (const char c : text) value = value * 10 + static_cast<unsigned>(c - '0');
  if (value > 65535) return refuse("the port is not a number from 1 to 65535");
  return static_cast<std::uint16_t>(value);
}

/// RFC 3986 §3.3 and §3.4: pchar, '/', '?'.
Result<void> check_path(std::string_view path) {
  constexpr std::string_view kMarks = "-._~!$&'()*+,;=:@/?";
  for (std::size_t i = 0; i < path.size(); ++i) {
    const char c = path[i];
    if (c == '%') {
      if (i + 2 >= path.size() || !is_hex(path[i + 1]) || !is_hex(path[i + 2])) {
        return refuse("'%' in the path is not followed by two hex digits");
      }
      i += 2;
    } else if (!is_alnum(c) && kMarks.find(c) == std::string_view::npos) {
      return refuse("the path holds a character that must be percent-encoded");
    }
  }
  return {};
}

Result<std::string> parse_host(std::string_view text, bool bracketed) {
  if (bracketed) {
    const auto address = address_of(text, 0);
    if (!address || text.find(':') == std::string_view::npos)
      return refuse("the host is not an IPv6 address");
    // The text of an address is "[...]:port": one spelling for one address.
    return address->text.substr(1, address->text.rfind(']') - 1);
  }
  if (text.empty()) return refuse("there is no host");
  if (text.back() == '.') return refuse("the host ends in a dot");
  if (ends_in_number(text)) {
    if (!address_of(text, 0))
      return refuse("the host is a number but not an IPv4 address of four decimal parts");
    return std::string(text);
  }
  if (!is_dns_name(text))
    return refuse("the host is not a DNS name (international names in their xn-- form)");
  return lower(text);
}

bool is_local_name(std::string_view host) {
  constexpr std::array<std::string_view, 5> kNames{"localhost", "localhost.localdomain", "localhost6",
                                                   "ip6-localhost", "ip6-loopback"};
  return std::ranges::find(kNames, host) != kNames.end() || host.ends_with(".localhost");
}

bool is_ipv6(std::string_view host) { return host.find(':') != std::string_view::npos; }

}  // namespace

std::string Url::host_header() const {
  std::string out = is_ipv6(host) ? "[" + host + "]" : host;
  if (port != (scheme == "https" ? 443 : 80)) out += ":" + std::to_string(port);
  return out;
}

std::string Url::origin() const {
  return scheme + "://" + (is_ipv6(host) ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

Result<Url> parse_url(std::string_view text) {
  if (text.size() > limits::kTargetBytes) return refuse("it is too long");
  if (std::ranges::any_of(
          text, [](char c) { return c <= ' ' || c == '\x7f' || static_cast<unsigned char>(c) >= 0x80; })) {
    return refuse("it holds a space, a control character or a byte outside ASCII");
  }
  const std::size_t colon = text.find("://");
  if (colon == std::string_view::npos) return refuse("it does not begin with http:// or https://");
  Url url;
  url.scheme = lower(text.substr(0, colon));
  if (url.scheme != "http" && url.scheme != "https") return refuse("only http and https are dialled");
  if (text.find('#') != std::string_view::npos) return refuse("it has a fragment");
  std::string_view rest = text.substr(colon + 3);
  const std::size_t end = std::min(rest.find_first_of("/?"), rest.size());
  std::string_view authority = rest.substr(0, end);
  rest.remove_prefix(end);
  if (authority.find('@') != std::string_view::npos) {
    return refuse("it holds a user name or password (use a credential)");
  }

  const bool bracketed = authority.starts_with('[');
  std::string_view host;
  if (bracketed) {
    const std::size_t close = authority.find(']');
    if (close == std::string_view::npos) return refuse("the bracket around the host is not closed");
    host = authority.substr(1, close - 1);
    authority.remove_prefix(close + 1);
    if (!authority.empty() && authority[0] != ':')
      return refuse("something other than a port follows the host");
  } else {
    host = authority.substr(0, authority.find(':'));
    authority.remove_prefix(host.size());
  }
  auto checked = parse_host(host, bracketed);
  if (!checked) return Failure(std::move(checked.error()));
  url.host = std::move(*checked);
  url.port = url.scheme == "https" ? 443 : 80;
  if (!authority.empty()) {
    auto port = parse_port(authority.substr(1));
    if (!port) return Failure(std::move(port.error()));
    url.port = *port;
  }
  if (auto fine = check_path(rest); !fine) return Failure(std::move(fine.error()));
  url.path = rest.starts_with('/') ? std::string(rest) : "/" + std::string(rest);
  return url;
}

Result<void> check_egress(const Url& url, bool allow_private) {
  auto literal = address_of(url.host, url.port);
  if (!literal && is_local_name(url.host)) literal = address_of("127.0.0.1", url.port);
  if (!literal) return {};
  auto left = permitted({std::move(*literal)}, url, allow_private);
  if (left) return {};
  left.error().hint = left.error().what;
  return Failure(std::move(left.error()));
}

}  // namespace sallyport::net
