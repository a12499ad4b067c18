#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "sallyport/core/bytes.hpp"
#include "sallyport/mcp/names.hpp"

namespace sallyport::mcp {

namespace {

// The work is at most the product of the two; what is longer matches nothing.
constexpr std::size_t kTemplateBytes = 1024;
constexpr std::size_t kUriBytes = 8 * 1024;

/// What the variables of an expression may expand to.
enum class Class : std::uint8_t {
  segment,   ///< {x} {.x} {;x}: nothing that ends a path segment
  path,      ///< {/x}: segments and their slashes
  query,     ///< {?x} {&x}: up to the fragment
  anything,  ///< {+x} {#x}
};

bool belongs(Class c, char byte) {
  const auto u = static_cast<unsigned char>(byte);
  if (u <= 0x20 || u == 0x7F) return false;
  switch (c) {
    case Class::segment:
      return byte != '/' && byte != '?' && byte != '#';
    case Class::path:
      return byte != '?' && byte != '#';
    case Class::query:
      return byte != '#';
    case Class::anything:
      return true;
  }
  return false;
}

/// One step of the automaton. A literal takes exactly its byte. A star takes any number of bytes of its
/// class; where `lead` is not 0 the expression is absent or begins with that byte.
struct Item {
  bool star = false;
  char byte = 0;  // literal
  char lead = 0;
  Class of = Class::segment;
};

// nullopt: not a template of RFC 6570.
std::optional<Item> expression(std::string_view inside) {
  Item item{.star = true};
  if (inside.empty()) return std::nullopt;
  switch (inside.front()) {
    case '+':
      item.of = Class::anything;
      break;
    case '#':
      item.of = Class::anything;
      item.lead = '#';
      break;
    case '.':
      item.of = Class::segment;
      item.lead = '.';
      break;
    case '/':
      item.of = Class::path;
      item.lead = '/';
      break;
    case ';':
      item.of = Class::segment;
      item.lead = ';';
      break;
    case '?':
      item.of = Class::query;
      item.lead = '?';
      break;
    case '&':
      item.of = Class::query;
      item.lead = '&';
      break;
    case '=':
    case ',':
    case '!':
    case '@':
    case '|':
      return std::nullopt;
    default:
      return item;
  }
  if (inside.size() == 1) return std::nullopt;
  return item;
}

std::optional<std::vector<Item>> parse(std::string_view text) {
  std::vector<Item> items;
  while (!text.empty()) {
    const char c = text.front();
    if (c == '}') return std::nullopt;
    if (c != '{') {
      items.push_back({.star = false, .byte = c});
      text.remove_prefix(1);
      continue;
    }
    const std::size_t end = text.find('}');
    if (end == std::string_view::npos || text.substr(1, end - 1).find('{') != std::string_view::npos) {
      return std::nullopt;
    }
    const auto item = expression(text.substr(1, end - 1));
    if (!item) return std::nullopt;
    items.push_back(*item);
    text.remove_prefix(end + 1);
  }
  return items;
}

/// The states that the automaton is in: before item i, or within star i after its lead.
class States {
 public:
  explicit States(const std::vector<Item>& items)
      : items_(items), before_(items.size() + 1), inside_(items.size() + 1) {}

  void enter(std::size_t at) {
    while (!before_[at]) {
      before_[at] = 1;
      if (at == items_.size() || !items_[at].star) return;
      if (items_[at].lead == 0) inside_[at] = 1;
      ++at;
    }
  }

  /// Becomes what `now` is after one byte; false when no state is left.
  bool step_from(const States& now, char byte) {
    std::ranges::fill(before_, 0);
    std::ranges::fill(inside_, 0);
    bool any = false;
    for (std::size_t i = 0; i < items_.size(); ++i) {
      const Item& item = items_[i];
      const bool literal = now.before_[i] && !item.star && item.byte == byte;
      const bool leads = now.before_[i] && item.star && item.lead != 0 && item.lead == byte;
      const bool within = now.inside_[i] && belongs(item.of, byte);
      if (leads || within) inside_[i] = 1;
      if (literal || leads || within) {
        enter(i + 1);
        any = true;
      }
    }
    return any;
  }

  bool at_end() const { return before_.back() != 0; }

 private:
  const std::vector<Item>& items_;
  std::vector<char> before_, inside_;
};

}  // namespace

bool template_matches(std::string_view uri_template, std::string_view uri) {
  if (uri_template.size() > kTemplateBytes || uri.size() > kUriBytes) return false;
  const std::string_view prefix = uri_template.substr(0, uri_template.find_first_of("{}"));
  if (!uri.starts_with(prefix)) return false;
  const auto items = parse(uri_template.substr(prefix.size()));
  if (!items) return false;
  States one(*items), other(*items);
  States *now = &one, *next = &other;
  now->enter(0);
  for (const char byte : uri.substr(prefix.size())) {
    if (!next->step_from(*now, byte)) return false;
    std::swap(now, next);
  }
  return now->at_end();
}

namespace {

/// Of the bytes behind '%': does what they stand for need no escape, or is it no byte at all?
bool is_needless_escape(std::string_view digits) {
  const auto byte = unhex(digits);
  if (!byte || byte->empty()) return true;
  const char c = byte->front();
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == 0 ||
         std::string_view("-._~/\\%").find(c) != std::string_view::npos;
}

bool is_dots(std::string_view segment) { return segment == "." || segment == ".."; }

}  // namespace

bool has_other_spellings(std::string_view uri) {
  const auto scheme = uri.contains(':') ? uri.substr(0, uri.find(':')) : std::string_view();
  const bool is_web = scheme == "http" || scheme == "https";
  const auto without_case = is_web ? uri.substr(0, uri.find_first_of("/?#", scheme.size() + 3)) : scheme;
  if (std::ranges::any_of(without_case, [](char c) { return c >= 'A' && c <= 'Z'; })) return true;
  if (uri.starts_with("file:") &&
      (!uri.starts_with("file:///") || uri.find_first_of("?#") != std::string_view::npos))
    return true;
  const std::size_t authority = uri.find("://");
  const std::size_t begin = authority == std::string_view::npos ? 0 : authority + 3;
  for (std::size_t i = 0; i < uri.size(); ++i) {
    const std::string_view rest = uri.substr(i + 1);
    if (uri[i] == '\\') return true;
    if (uri[i] == '%' && is_needless_escape(rest.substr(0, 2))) return true;
    if (uri[i] != '/') continue;
    if (is_dots(rest.substr(0, rest.find('/')))) return true;
    if (i >= begin && rest.starts_with('/') && !uri.substr(0, i).ends_with(':')) return true;
  }
  return false;
}

std::vector<std::string> other_spellings(std::string_view uri) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string escaped, plain;
  for (std::size_t i = 0; i < uri.size(); ++i) {
    const auto byte = uri[i] == '%' ? unhex(uri.substr(i + 1, 2)) : std::nullopt;
    const bool is_escape = byte && byte->size() == 1;
    const char c = is_escape ? byte->front() : uri[i];
    const auto code = static_cast<unsigned char>(c);
    if (is_escape || code >= 0x80) {
      escaped.append({'%', kHex[code >> 4U], kHex[code & 15U]});
    } else {
      escaped += c;
    }
    plain += c;
    if (is_escape) i += 2;
  }
  std::vector<std::string> out;
  for (std::string& other : std::array{std::move(escaped), std::move(plain)})
    if (other != uri) out.push_back(std::move(other));
  return out;
}

}  // namespace sallyport::mcp
