#include "sallyport/mcp/names.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <regex>

#include "parsed.hpp"
#include "sallyport/core/crypto.hpp"

namespace sallyport::mcp {
namespace {

using test::code_of;
using test::shown;

std::string hash_of(std::string_view canonical) { return "_" + sha256_hex(canonical).substr(0, 8); }

TEST_CASE("exported names are a pure function of server, tool and prefix") {
  const std::string x60(60, 'x'), x64(64, 'x'), x65(65, 'x');
  struct Row {
    std::string server, name;
    std::optional<std::string> prefix;
    std::string expected;
  };
  const Row rows[] = {
      {"github", "get_me", std::nullopt, "github__get_me"},
      {"github", "get_me", "", "get_me"},
      {"github", "get_me", "gh-", "gh-get_me"},
      {"github", "a__b", std::nullopt, "github__a__b"},
      {"jira", "issue.search", std::nullopt, "jira__issue_search" + hash_of("jira/issue.search")},
      {"jira", "a/b", "", "a_b" + hash_of("jira/a/b")},
      {"jira", "a b", "", "a_b" + hash_of("jira/a b")},
      {"s", x64, "", x64},
      {"s", x65, "", x65.substr(0, 55) + hash_of("s/" + x65)},
      {"srv", x60, std::nullopt, "srv__" + x60.substr(0, 50) + hash_of("srv/" + x60)},
      {"s", x60 + ".", "", x60.substr(0, 55) + hash_of("s/" + x60 + ".")},
      {"s", "a", "p.", "p_a" + hash_of("s/a")},
      {"s", "\xD0\xB0", "", "__" + hash_of("s/\xD0\xB0")},
  };
  const std::regex allowed("[A-Za-z0-9_-]{1,64}");
  for (const auto& row : rows) {
    CAPTURE(row.name);
    const auto exported = exported_name(row.server, row.name, row.prefix);
    CHECK(exported == row.expected);
    CHECK(std::regex_match(exported, allowed));
  }
  CHECK(canonical_name("github", "get_me") == "github/get_me");
}

TEST_CASE("names that differ only in replaced bytes or beyond the cut stay different") {
  CHECK(exported_name("s", "a.b", {}) != exported_name("s", "a/b", {}));
  CHECK(exported_name("s", "a.b", {}) != exported_name("s", "a_b", {}));
  const std::string x(70, 'x');
  CHECK(exported_name("s", x + "1", {}) != exported_name("s", x + "2", {}));
}

TEST_CASE("N41 names with characters that deceive are refused, and shown escaped") {
  struct Row {
    std::string why;
    std::string name;
    const char* seen;
  };
  const Row rows[] = {
      {"Cyrillic letter", "p\xD0\xB0y", "p\\u{430}y"},
      {"zero-width space", "pay\xE2\x80\x8B", "pay\\u{200b}"},
      {"zero-width joiner", "pa\xE2\x80\x8Dy", "pa\\u{200d}y"},
      {"right-to-left mark", "pay\xE2\x80\x8F", "pay\\u{200f}"},
      {"right-to-left override",
       "\xE2\x80\xAE"
       "yap",
       "\\u{202e}yap"},
      {"isolate",
       "\xE2\x81\xA6"
       "pay",
       "\\u{2066}pay"},
      {"tag characters", "pay\xF3\xA0\x81\xA1", "pay\\u{e0061}"},
      {"ANSI escape", "\x1B[31mpay", "\\u{1b}[31mpay"},
      {"C1 control sequence",
       "\xC2\x9B"
       "31mpay",
       "\\u{9b}31mpay"},
      {"newline", "pay\nok", "pay\\u{a}ok"},
      {"tab", "pay\tok", "pay\\u{9}ok"},
      {"NUL", std::string("pay\0x", 5), "pay\\u{0}x"},
      {"delete", "pay\x7F", "pay\\u{7f}"},
      {"byte order mark", "\xEF\xBB\xBFpay", "\\u{feff}pay"},
      {"emoji", "pay\xF0\x9F\x98\x80", "pay\\u{1f600}"},
      {"half a sequence", "pay\xE2\x80", "pay\\x{e2}\\x{80}"},
      {"overlong", "pay\xC0\xAF", "pay\\x{c0}\\x{af}"},
      {"surrogate", "pay\xED\xA0\x80", "pay\\x{ed}\\x{a0}\\x{80}"},
      {"no-break space", "pay\xC2\xA0", "pay\\u{a0}"},
      {"leading space", " pay", " pay"},
      {"trailing space", "pay ", "pay "},
      {"empty", "", ""},
      {"10 kB", std::string(10000, 'x'), "xxx"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.why);
    const auto checked = check_definition_name(row.name);
    REQUIRE(!checked);
    CHECK(checked.error().code == Code::upstream_broken);
    CHECK(checked.error().blame == Blame::upstream);
    CHECK(checked.error().what.find(row.seen) != std::string::npos);
    CHECK(checked.error().what == escaped(checked.error().what));
    CHECK(checked.error().what.size() < 1000);
  }
  for (const std::string_view name : {"get_me", "a.b/c-d", "with space", "a__b", "x", "what?*"}) {
    CHECK(shown(code_of(check_definition_name(name))) == "accepted");
  }
  CHECK(shown(code_of(check_definition_name(std::string(256, 'x')))) == "accepted");
}

TEST_CASE("templates match what they can expand to") {
  struct Row {
    std::string pattern, uri;
    bool fits;
  };
  const Row rows[] = {
      {"file:///a", "file:///a", true},
      {"file:///a", "file:///a/b", false},
      {"file:///a", "file:///", false},
      {"file:///{path}", "file:///x.txt", true},
      {"file:///{path}", "file:///", true},
      {"file:///{path}", "file:///a/b", false},
      {"file:///{path}", "file:///a?b", false},
      {"file:///{+path}", "file:///a/b?c#d", true},
      {"file:///{+path}", "file:///", true},
      {"file:///{+path}", "http:///a", false},
      {"file:///{path*}", "file:///a,b", true},
      {"db://{table}/{id}", "db://users/7", true},
      {"db://{table}/{id}", "db://users", false},
      {"db://{table}/{id}/x", "db://users/7/x", true},
      {"db://{table}/{id}/x", "db://users/7/y", false},
      {"db://{a}-{b}.{c}", "db://x-y-z.w", true},
      {"a:{x}b{y}b", "a:bbbb", true},
      {"a:{x}b{y}c", "a:bbbb", false},
      {"repo://{owner}{/path*}", "repo://o/a/b", true},
      {"repo://{owner}{/path*}", "repo://o", true},
      {"repo://{owner}{/path*}", "repo://o?x", false},
      {"s://q{?a,b}", "s://q", true},
      {"s://q{?a,b}", "s://q?a=1&b=x/y", true},
      {"s://q{?a,b}", "s://qa=1", false},
      {"s://q?z=1{&a}", "s://q?z=1&a=2", true},
      {"s://q{#f}", "s://q#x/y?z", true},
      {"s://q{#f}", "s://qx", false},
      {"s://q{.ext}", "s://q.tar.gz", true},
      {"s://q{;a,b}", "s://q;a=1;b", true},
      {"s://{a:3}/x", "s://abc/x", true},
      {"s://{a}{b}{c}", "s://abc", true},
      {"s://{a}", "s://a b", false},
      {"s://{a}", "s://a\nb", false},
      {"s://{a}", "s://%20%2F", true},
      {"s://{", "s://{", false},
      {"s://}", "s://}", false},
      {"s://{}", "s://x", false},
      {"s://{a{b}}", "s://x", false},
      {"s://{=a}", "s://x", false},
      {"s://{+}", "s://x", false},
      {"", "", true},
      {"", "x", false},
  };
  for (const auto& row : rows) {
    CAPTURE(row.pattern);
    CAPTURE(row.uri);
    CHECK(template_matches(row.pattern, row.uri) == row.fits);
  }
}

TEST_CASE("a hostile template costs no more than its length times the URI's") {
  std::string pattern = "s://";
  while (pattern.size() < 1000) pattern += "{a}x";
  const std::string uri = "s://" + std::string(8000, 'x') + "/";
  const auto begin = std::chrono::steady_clock::now();
  CHECK(!template_matches(pattern, uri));
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(5));
  CHECK(!template_matches("s://{+a}", "s://" + std::string(9000, 'x')));
  CHECK(!template_matches(std::string(2000, 'x'), std::string(2000, 'x')));
}

TEST_CASE("a URI that a server may take for another one is told from one with a single spelling") {
  for (const std::string uri :
       {"note://5/text", "file:///etc/passwd", "file:///a%20b/c", "file:///.../x", "db://h/t?q=1#2",
        "urn:a:b", "", "web://https://example.org/a", "repo://o/r/contents{/x}", "repo://Owner/Repo",
        "https://a/B?C#D", "file:///h%40b/ä"}) {
    CAPTURE(uri);
    CHECK_FALSE(has_other_spellings(uri));
  }
  for (const std::string uri : {"file:///etc//secrets/key",
                                "file:////etc/secrets/key",
                                "file:///etc/passwd#x",
                                "file:///etc/passwd?x",
                                "file://localhost/etc/passwd",
                                "file:/etc/passwd",
                                "note://a//b",
                                "note:////a",
                                "//a",
                                "note://a/./b",
                                "note://a/../b",
                                "note://a/..",
                                "note://a/.",
                                "note://a\\b",
                                "note://%61",
                                "note://%2e%2e/b",
                                "note://%2f",
                                "FILE:///etc/passwd",
                                "Note://a",
                                "HTTPS://a/b",
                                "https://A/b",
                                "note://%00",
                                "note://%",
                                "note://%g0"}) {
    CAPTURE(uri);
    CHECK(has_other_spellings(uri));
  }
}

TEST_CASE("a URI's other spellings are all escaped that is or must be, and nothing escaped") {
  using Uris = std::vector<std::string>;
  struct Row {
    const char* uri;
    Uris others;
  };
  for (const Row& row : {Row{"note://a/b", {}}, Row{"note://a%40b", {"note://a@b"}}, Row{"note://a@b", {}},
                         Row{"note://%c3%a9", {"note://%C3%A9", "note://é"}},
                         Row{"note://%C3%A9", {"note://é"}}, Row{"note://é", {"note://%C3%A9"}},
                         Row{"note://%4", {}}, Row{"note://%", {}}, Row{"note://%zz%20", {"note://%zz "}}}) {
    CAPTURE(row.uri);
    CHECK(other_spellings(row.uri) == row.others);
  }
}

}  // namespace
}  // namespace sallyport::mcp
