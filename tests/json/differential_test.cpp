#include <doctest/doctest.h>

#include <array>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "sallyport/json/document.hpp"

using namespace sallyport;
using namespace std::string_literals;
using json::Document;
using json::Kind;
using json::Value;
using Tree = nlohmann::json;

namespace {

/// What nlohmann/json makes of a text, and in which of the agreed respects the two readers may differ.
struct Reference {
  std::optional<Tree> tree;
  bool duplicate = false;  ///< it keeps the last of two equal keys silently
  bool overflow = false;   ///< it refuses numbers beyond a double; RFC 8259 does not
};

Reference reference(const std::string& text) {
  Reference result;
  std::vector<std::set<std::string>> keys;
  try {
    result.tree = Tree::parse(text, [&](int, Tree::parse_event_t event, Tree& parsed) {
      if (event == Tree::parse_event_t::object_start) keys.emplace_back();
      if (event == Tree::parse_event_t::object_end) keys.pop_back();
      if (event == Tree::parse_event_t::key)
        result.duplicate |= !keys.back().insert(parsed.get<std::string>()).second;
      return true;
    });
  } catch (const Tree::out_of_range&) {
    result.overflow = true;
  } catch (const Tree::parse_error&) {
    result.tree.reset();
  }
  return result;
}

bool same_tree(const Value& ours, const Tree& theirs) {
  switch (ours.kind()) {
    case Kind::null:
      return theirs.is_null();
    case Kind::boolean:
      return theirs.is_boolean() && ours.boolean() == theirs.get<bool>();
    case Kind::string:
      return theirs.is_string() && ours.string() == theirs.get<std::string>();
    case Kind::number:
      if (theirs.is_number_unsigned() && theirs.get<std::uint64_t>() > INT64_MAX)
        return !ours.integer().has_value();
      if (theirs.is_number_integer()) return ours.integer() == theirs.get<std::int64_t>();
      return theirs.is_number_float() && ours.number() == theirs.get<double>();
    case Kind::array: {
      if (!theirs.is_array() || ours.size() != theirs.size()) return false;
      std::size_t i = 0;
      for (const auto element : ours.elements())
        if (!same_tree(element, theirs[i++])) return false;
      return i == theirs.size();
    }
    case Kind::object:
      if (!theirs.is_object() || ours.size() != theirs.size()) return false;
      for (const auto& member : ours.members()) {
        const auto at = theirs.find(member.key());
        if (at == theirs.end() || !same_tree(member.value, *at)) return false;
        const auto found = ours.find(member.key());
        if (!found || found->raw() != member.value.raw()) return false;
      }
      return true;
  }
  return false;
}

class Texts {
 public:
  explicit Texts(std::uint64_t seed) : random_(seed) {}

  std::string document() {
    std::string out;
    value(out, 0);
    return out;
  }

  /// Changes a few bytes; mostly with bytes that mean something in JSON.
  std::string mutated(std::string text) {
    static const std::string alphabet =
        "{}[]:,\"\\/ \t\n\r+-.0123456789eEtrufalsn\x00\x1f\x7f\x80\xbf\xc2\xe2\xed\xf0\xff"s;
    for (std::size_t n = 1 + below(3); n > 0; --n) {
      const std::size_t at = below(text.size() + 1);
      const char byte = below(8) == 0 ? static_cast<char>(below(256)) : alphabet[below(alphabet.size())];
      switch (below(4)) {
        case 0:
          text.insert(at, 1, byte);
          break;
        case 1:
          if (at < text.size()) text[at] = byte;
          break;
        case 2:
          text.erase(at, 1 + below(3));
          break;
        default:
          text.insert(at, text.substr(below(text.size() + 1), below(12)));
      }
    }
    return text;
  }

  std::size_t below(std::size_t bound) { return random_() % bound; }

 private:
  void space(std::string& out) {
    for (std::size_t n = below(8) == 0 ? below(3) : 0; n > 0; --n) out += " \t\n\r"[below(4)];
  }
  void value(std::string& out, int depth) {
    space(out);
    switch (below(depth > 5 ? 6 : 10)) {
      case 0:
        out += "true";
        break;
      case 1:
        out += "false";
        break;
      case 2:
        out += "null";
        break;
      case 3:
        number(out);
        break;
      case 4:
      case 5:
        string(out);
        break;
      case 6:
      case 7:
        out += '[';
        for (std::size_t n = below(5), i = 0; i < n; ++i) {
          if (i) out += ',';
          value(out, depth + 1);
        }
        out += ']';
        break;
      default:
        out += '{';
        for (std::size_t n = below(below(8) == 0 ? 30 : 5), i = 0; i < n; ++i) {
          if (i) out += ',';
          space(out);
          string(out);
          space(out);
          out += ':';
          value(out, depth + 1);
        }
        out += '}';
    }
    space(out);
  }
  void number(std::string& out) {
    if (below(2)) out += '-';
    out += below(4) == 0 ? "0" : std::to_string(1 + below(100));
    for (std::size_t n = below(6) == 0 ? below(20) : 0; n > 0 && out.back() != '0'; --n)
      out += static_cast<char>('1' + below(9));
    if (below(3) == 0) out += "." + std::to_string(random_());
    if (below(3) == 0) {
      out += "eE"[below(2)];
      out += std::array{"", "+", "-"}[below(3)];
      out += std::to_string(below(below(4) == 0 ? 400 : 30));
    }
  }
  void string(std::string& out) {
    static const std::array pieces{
        "\\n",  "\\\"",           "\\\\",         "\\/",          "\\u0000",          "\\u00e9",
        "\\b",  "\\ud83d\\ude00", "\xc3\xa9",     "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\\uFFFF",
        "\x7f", "\\u20AC",        "\xef\xbf\xbd", "\\t",          "\xed\x9f\xbf",     "\xee\x80\x80"};
    out += '"';
    for (std::size_t n = below(below(6) == 0 ? 40 : 8); n > 0; --n) {
      if (below(4) == 0)
        out += pieces[below(pieces.size())];
      else
        out += static_cast<char>('a' + below(5));
    }
    out += '"';
  }

  std::mt19937_64 random_;
};

/// True when both readers agree on the text, or differ only where they may.
bool agree(const std::string& text, std::size_t& accepted) {
  const auto theirs = reference(text);
  const auto strict = Document::parse(text);
  const auto loose = Document::parse(text, json::kUpstream);
  const bool marked = text.starts_with("\xef\xbb\xbf");  // it skips a byte order mark
  if (strict.has_value() && !loose.has_value()) return false;
  if (theirs.overflow || marked) return true;
  if (text.find('\0') != text.npos) return !loose;  // it takes NUL for the end of the text
  if (strict.has_value() != (theirs.tree.has_value() && !theirs.duplicate)) return false;
  if (loose.has_value() != theirs.tree.has_value()) return false;
  if (!strict) return true;
  ++accepted;
  if (!same_tree(strict->root(), *theirs.tree)) return false;
  const auto form = json::canonical(strict->root());
  const auto again = Document::parse(form);
  return again && json::canonical(again->root()) == form;
}

}  // namespace

TEST_CASE("generated documents and their mutations are read exactly as nlohmann/json reads them") {
  const char* const given = std::getenv("SALLYPORT_SEED");
  const std::uint64_t seed = given ? std::strtoull(given, nullptr, 10) : std::random_device{}();
  CAPTURE(seed);
  Texts texts(seed);
  std::size_t accepted = 0;
  std::size_t refused = 0;
  for (int i = 0; i < 6000; ++i) {
    const auto text = texts.document();
    if (!agree(text, accepted)) FAIL_CHECK("they differ on: " << text);
    for (int m = 0; m < 4; ++m) {
      const auto changed = texts.mutated(text);
      const auto before = accepted;
      if (!agree(changed, accepted)) FAIL_CHECK("they differ on: " << changed);
      refused += accepted == before;
    }
  }
  MESSAGE("seed " << seed << ": " << accepted << " accepted, " << refused << " refused");
  CHECK(accepted > 5000);
  CHECK(refused > 5000);
}

TEST_CASE("numbers beyond a double are grammar to us and keep their text (N19)") {
  CHECK_FALSE(reference("1e400").tree.has_value());
  const auto parsed = Document::parse("1e400");
  REQUIRE(parsed.has_value());
  CHECK(parsed->root().raw() == "1e400");
}
