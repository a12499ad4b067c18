#include "sallyport/net/head.hpp"

#include <algorithm>
#include <array>

#include "field_syntax.hpp"
#include "sallyport/core/bytes.hpp"
#include "sallyport/core/limits.hpp"

namespace sallyport::net {

namespace {

constexpr std::size_t kMethodBytes = 32;
// A request line that has no end by here has a target over its bound, whatever it holds.
constexpr std::size_t kRequestLineBytes = limits::kTargetBytes + kMethodBytes + 16;

constexpr std::array<bool, 256> table_of(std::string_view others) {
  std::array<bool, 256> t{};
  for (unsigned char c = '0'; c <= '9'; ++c) t[c] = true;
  for (unsigned char c = 'a'; c <= 'z'; ++c) t[c] = t[static_cast<std::size_t>(c - 'a' + 'A')] = true;
  for (const char c : others) t[static_cast<unsigned char>(c)] = true;
  return t;
}
// RFC 3986 pchar and '/', without what means something to one program and nothing to another: '%' and ';'.
constexpr auto kPathBytes = table_of("-._~!$&'()*+,=:@/");
constexpr auto kHostBytes = table_of("-._~:[]");

bool all_in(const std::array<bool, 256>& table, std::string_view text) {
  return std::ranges::all_of(text, [&](char c) { return table[static_cast<unsigned char>(c)]; });
}

Method method_of(std::string_view name) {
  for (const Method m :
       {Method::post, Method::get, Method::head, Method::put, Method::patch, Method::del, Method::options}) {
    if (name == name_of(m)) return m;
  }
  return Method::other;
}

/// One pass over one head. Lines are judged in the order they stand, and only when they are whole.
class HeadReader {
 public:
  HeadReader(std::string_view bytes, HeadParse& out) : bytes_(bytes), out_(out), request_(out.request) {}

  void run() {
    out_.state = HeadParse::State::need_more;
    out_.length = 0;
    out_.status = 0;
    out_.reason = {};
    request_.headers.lines.clear();
    request_.forwarded.lines.clear();
    request_.keep_alive = true;
    request_.content_length.reset();
    request_.chunked = false;
    request_.expect_continue = false;

    std::string_view line;
    if (!method_begins_well() || !next_line(line, kRequestLineBytes, 414, "target_too_long") ||
        !request_line(line)) {
      return;
    }
    for (;;) {
      if (!next_line(line, limits::kHeadBytes, 431, "head_too_large")) return;
      if (line.empty()) break;
      if (++lines_ > limits::kHeaderCount) return refuse(431, "too_many_headers");
      if (!field_line(line)) return;
    }
    if (!check_whole()) return;
    out_.state = HeadParse::State::complete;
    out_.length = at_;
  }

 private:
  void refuse(int status, std::string_view reason) {
    out_.state = HeadParse::State::refused;
    out_.status = status;
    out_.reason = reason;
  }
  bool no(int status, std::string_view reason) {
    refuse(status, reason);
    return false;
  }

  /// Refuses a peer that does not speak HTTP before it has sent a line end, if it ever will.
  bool method_begins_well() {
    const std::size_t end = std::min(bytes_.find(' '), bytes_.size());
    if (end == 0 && !bytes_.empty()) return no(400, "request_line");
    for (std::size_t i = 0; i < std::min(end, kMethodBytes + 1); ++i) {
      if (i == kMethodBytes || !is_token_byte(bytes_[i])) return no(400, "request_line");
    }
    return true;
  }

  /// The next line without its CRLF, which must end within the first `bound` bytes of the head.
  bool next_line(std::string_view& line, std::size_t bound, int status, std::string_view reason) {
    const std::size_t lf = bytes_.substr(0, bound).find('\n', at_);
    if (lf == std::string_view::npos) {
      if (bytes_.size() > bound) refuse(status, reason);
      return false;
    }
    if (lf == at_ || bytes_[lf - 1] != '\r') return no(400, "line_end");
    line = bytes_.substr(at_, lf - 1 - at_);
    at_ = lf + 1;
    return true;
  }

  bool request_line(std::string_view line) {
    if (line == "PRI * HTTP/2.0") return no(400, "preface");
    const std::size_t first = line.find(' ');
    const std::size_t last = line.rfind(' ');
    if (first == std::string_view::npos || last == first) return no(400, "request_line");
    // It wants a target of its own form, and others read what follows as the bytes of a tunnel.
    if (line.starts_with("CONNECT ")) return no(400, "target");
    request_.method = method_of(line.substr(0, first));
    const std::string_view target = line.substr(first + 1, last - first - 1);
    const std::string_view version = line.substr(last + 1);
    if (version.size() != 8 || !version.starts_with("HTTP/") || version[6] != '.' || !is_digit(version[5]) ||
        !is_digit(version[7])) {
      return no(400, "request_line");
    }
    if (version[5] != '1' || (version[7] != '0' && version[7] != '1')) return no(505, "version");
    request_.minor_version = version[7] - '0';
    if (target.empty()) return no(400, "request_line");
    if (target.size() > limits::kTargetBytes) return no(414, "target_too_long");
    return split_target(target);
  }

  bool split_target(std::string_view target) {
    for (const char c : target) {
      const auto u = static_cast<unsigned char>(c);
      if (u <= 0x20 || u >= 0x7F || u == '#') return no(400, "target");
    }
    request_.target = target;
    std::string_view rest = target;
    authority_ = {};
    if (rest.front() != '/') {  // absolute-form; asterisk-form and authority-form have nothing to reach here
      const std::size_t scheme = rest.find("://");
      if (scheme == std::string_view::npos) return no(400, "target");
      const std::string_view name = rest.substr(0, scheme);
      if (!equal_ignoring_case(name, "http") && !equal_ignoring_case(name, "https")) return no(400, "target");
      rest.remove_prefix(scheme + 3);
      const std::size_t end = std::min(rest.find_first_of("/?"), rest.size());
      authority_ = rest.substr(0, end);
      if (authority_.empty()) return no(400, "authority");
      rest.remove_prefix(end);
    }
    const std::size_t mark = std::min(rest.find('?'), rest.size());
    request_.path = rest.substr(0, mark);
    request_.query = mark < rest.size() ? rest.substr(mark + 1) : std::string_view{};
    if (request_.path.empty()) request_.path = "/";
    return path_is_plain(request_.path) || no(404, "path");
  }

  /// True for a path that has one reading only (N12).
  static bool path_is_plain(std::string_view path) {
    if (!all_in(kPathBytes, path)) return false;
    for (std::size_t slash = 0; slash != std::string_view::npos;) {
      const std::size_t next = path.find('/', slash + 1);
      const std::string_view segment =
          path.substr(slash + 1, next == std::string_view::npos ? next : next - slash - 1);
      if (segment == "." || segment == ".." || (segment.empty() && next != std::string_view::npos))
        return false;
      slash = next;
    }
    return true;
  }

  bool field_line(std::string_view line) {
    if (line.front() == ' ' || line.front() == '\t') return no(400, "fold");
    std::size_t colon = 0;
    while (colon < line.size() && is_token_byte(line[colon])) ++colon;
    if (colon == 0 || colon == line.size() || line[colon] != ':') return no(400, "field");
    const std::string_view name = line.substr(0, colon);
    const std::string_view raw = line.substr(colon + 1);
    if (!is_field_value(raw)) return no(400, "field");
    const std::string_view value = trim(raw);
    return known_field(name, raw, value);
  }

  bool known_field(std::string_view name, std::string_view raw, std::string_view value) {
    switch (name.size()) {
      case 4:
        if (equal_ignoring_case(name, "host")) return host(value) && keep(name, value);
        break;
      case 6:
        if (equal_ignoring_case(name, "expect")) return expect(value) && keep(name, value);
        break;
      case 10:
        if (equal_ignoring_case(name, "connection")) return connection(value) && keep(name, value);
        break;
      case 14:
        if (equal_ignoring_case(name, "content-length"))
          return content_length(raw, value) && keep(name, value);
        break;
      case 17:
        if (equal_ignoring_case(name, "transfer-encoding"))
          return transfer_encoding(raw, value) && keep(name, value);
        break;
      default:
        break;
    }
    if (name.size() >= 9 && (name[0] == 'x' || name[0] == 'X' || name[0] == 'f' || name[0] == 'F') &&
        speaks_of_forwarding(name)) {
      if (name.find('_') == std::string_view::npos) request_.forwarded.lines.push_back({name, value});
      return true;
    }
    return keep(name, value);
  }

  bool keep(std::string_view name, std::string_view value) {
    request_.headers.lines.push_back({name, value});
    return true;
  }

  /// Forwarded and X-Forwarded-Anything, '_' being as good as '-' (N10: some servers fold the two).
  static bool speaks_of_forwarding(std::string_view name) {
    if (equal_ignoring_case(name, "forwarded")) return true;
    return name.size() > 12 && equal_ignoring_case(name.substr(0, 1), "x") &&
           (name[1] == '-' || name[1] == '_') && equal_ignoring_case(name.substr(2, 9), "forwarded") &&
           (name[11] == '-' || name[11] == '_');
  }

  bool host(std::string_view value) {
    if (host_seen_ || value.empty() || !all_in(kHostBytes, value)) return no(400, "host");
    host_seen_ = true;
    host_ = value;
    return true;
  }

  bool content_length(std::string_view raw, std::string_view value) {
    // One line, digits only, nothing behind them: "5 " has been read as 5 and as an error (N02).
    if (request_.content_length || value.empty() || value.size() > 19 || raw.back() != value.back()) {
      return no(400, "content_length");
    }
    std::uint64_t n = 0;
    for (const char c : value) {
      if (!is_digit(c)) return no(400, "content_length");
      n = n * 10 + static_cast<std::uint64_t>(c - '0');
    }
    request_.content_length = n;
    return request_.chunked ? no(400, "smuggling") : true;
  }

  bool transfer_encoding(std::string_view raw, std::string_view value) {
    if (request_.chunked || request_.content_length) return no(400, "smuggling");
    if (request_.minor_version == 0) return no(400, "transfer_encoding");
    // Not every parser strips a tab behind it.
    if (value == "chunked" && raw.back() == value.back()) {
      request_.chunked = true;
      return true;
    }
    // A coding that we do not know is 501; anything that another parser might take for "chunked" is
    // ambiguous.
    return is_token(value) && !equal_ignoring_case(value, "chunked") ? no(501, "transfer_encoding")
                                                                     : no(400, "smuggling");
  }

  /// Nothing may be named here that another hop would then take away (N11). `upgrade`, `te` and
  /// `http2-settings` only say what the client could do besides; all three are ignored.
  bool connection(std::string_view value) {
    while (!value.empty()) {
      const std::size_t comma = std::min(value.find(','), value.size());
      const std::string_view option = trim(value.substr(0, comma));
      value.remove_prefix(std::min(comma + 1, value.size()));
      if (equal_ignoring_case(option, "close")) {
        close_ = true;
      } else if (equal_ignoring_case(option, "keep-alive")) {
        keep_alive_ = true;
      } else if (!option.empty() && !equal_ignoring_case(option, "upgrade") &&
                 !equal_ignoring_case(option, "te") && !equal_ignoring_case(option, "http2-settings")) {
        return no(400, "connection");
      }
    }
    return true;
  }

  bool expect(std::string_view value) {
    if (!equal_ignoring_case(value, "100-continue")) return no(417, "expect");
    request_.expect_continue = request_.minor_version == 1;
    return true;
  }

  bool check_whole() {
    if (!host_seen_) return no(400, "host");
    if (!authority_.empty() && !equal_ignoring_case(authority_, host_)) return no(400, "authority");
    const bool carries_body =
        request_.method == Method::post || request_.method == Method::put || request_.method == Method::patch;
    // HTTP/1.0 without a length could only mean "until the connection ends", which nobody can tell from a cut
    // (N04).
    if (request_.minor_version == 0 && carries_body && !request_.content_length)
      return no(400, "content_length");
    request_.keep_alive = !close_ && (request_.minor_version == 1 || keep_alive_);
    return true;
  }

  static bool is_digit(char c) { return c >= '0' && c <= '9'; }

  std::string_view bytes_;
  HeadParse& out_;
  Request& request_;
  std::size_t at_ = 0;
  std::size_t lines_ = 0;
  std::string_view authority_{};
  std::string_view host_{};
  bool host_seen_ = false;
  bool close_ = false;
  bool keep_alive_ = false;
};

}  // namespace

void parse_head(std::string_view bytes, HeadParse& out) { HeadReader(bytes, out).run(); }

HeadParse parse_head(std::string_view bytes) {
  HeadParse out;
  parse_head(bytes, out);
  return out;
}

}  // namespace sallyport::net
