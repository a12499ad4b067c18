#include <doctest/doctest.h>

#include <random>
#include <string>

#include "sallyport/policy/rules.hpp"

using sallyport::policy::glob_covers;
using sallyport::policy::glob_match;
using sallyport::policy::name_covers;
using sallyport::policy::name_match;

namespace {
/// The definition, written down as it is said.
bool by_definition(std::string_view glob, std::string_view text) {
  if (glob.empty()) return text.empty();
  if (glob[0] == '*')
    return by_definition(glob.substr(1), text) || (!text.empty() && by_definition(glob, text.substr(1)));
  return !text.empty() && (glob[0] == '?' || glob[0] == text[0]) &&
         by_definition(glob.substr(1), text.substr(1));
}
}  // namespace

TEST_CASE("globs match whole names, byte by byte") {
  struct Row {
    const char *glob, *text;
    bool matches;
  };
  for (const auto& row : {
           Row{"", "", true},
           Row{"", "a", false},
           Row{"*", "", true},
           Row{"*", "github/get_me", true},
           Row{"**", "x", true},
           Row{"?", "", false},
           Row{"?", "x", true},
           Row{"?", "xy", false},
           Row{"github/get_*", "github/get_me", true},
           Row{"github/get_*", "github/get_", true},
           Row{"github/get_*", "github/set_me", false},
           Row{"github/get_*", "xgithub/get_me", false},
           Row{"*/delete_*", "github/delete_repo", true},
           Row{"*/delete_*", "delete_repo", false},
           Row{"*/delete_*", "a/b/delete_x", true},
           Row{"claude-*", "claude-opus", true},
           Row{"claude-*", "Claude-opus", false},
           Row{"a*b*c", "a-b-b-c", true},
           Row{"a*b*c", "a-c-b", false},
           Row{"*.*", "a.b.c", true},
           Row{"a?c", "abc", true},
           Row{"a?c", "a/c", true},
           Row{"[ab]", "a", false},
           Row{"[ab]", "[ab]", true},
           Row{"\\*", "\\x", true},
           Row{"a", "a\n", false},
           Row{"*a", "aaa", true},
           Row{"\xc3?", "\xc3\xa9", true},
       }) {
    CAPTURE(row.glob);
    CAPTURE(row.text);
    CHECK(glob_match(row.glob, row.text) == row.matches);
  }
}

TEST_CASE("globs match what their definition says on a generated corpus") {
  std::mt19937 random(20261121);
  const auto text_of = [&](std::string_view alphabet, std::size_t most) {
    std::string out;
    for (std::size_t n = random() % (most + 1); n > 0; --n) out += alphabet[random() % alphabet.size()];
    return out;
  };
  for (int i = 0; i < 200000; ++i) {
    const auto glob = text_of("ab/*?*", 8);
    const auto text = text_of("ab/", 8);
    if (glob_match(glob, text) != by_definition(glob, text)) FAIL_CHECK(glob << " against " << text);
  }
}

TEST_CASE("many stars against a long name cost steps in proportion to both, not powers of them") {
  std::string glob;
  for (int i = 0; i < 1000; ++i) glob += "*a";
  CHECK_FALSE(glob_match(glob + "*b", std::string(20000, 'a')));
  CHECK(glob_match(glob, std::string(20000, 'a')));
}

TEST_CASE("a pattern covers another one only where it matches all that the other matches") {
  struct Row {
    const char *outer, *inner;
    bool covers;
  };
  for (const auto& row : {
           Row{"github/*", "github/get_*", true},
           Row{"github/get_*", "github/*", false},
           Row{"*", "*/*", true},
           Row{"*/*", "*", false},
           Row{"a?c", "abc", true},
           Row{"a?c", "a?c", true},
           Row{"a?c", "a*c", false},
           Row{"a*c", "a?c", true},
           Row{"a*", "a", true},
           Row{"abc", "a?c", false},
           Row{"abc", "abc", true},
       }) {
    CAPTURE(row.outer);
    CAPTURE(row.inner);
    CHECK(glob_covers(row.outer, row.inner) == row.covers);
  }
  std::mt19937 random(20261122);
  const auto word = [&](const char* letters, std::size_t kinds) {
    std::string out;
    for (auto n = random() % 6; n > 0; --n) out += letters[random() % kinds];
    return out;
  };
  int covered = 0;
  for (int i = 0; i < 200000; ++i) {
    const std::string outer = word("ab*?", 4), inner = word("ab*?", 4), text = word("ab", 2);
    if (!glob_covers(outer, inner)) continue;
    ++covered;
    CAPTURE(outer);
    CAPTURE(inner);
    CAPTURE(text);
    if (glob_match(inner, text)) CHECK(glob_match(outer, text));
  }
  CHECK(covered > 1000);
}

TEST_CASE("no name of one server reaches into what a pattern allows of another's") {
  struct Row {
    const char *pattern, *name;
    bool matches;
  };
  for (const auto& row : {
           Row{"*", "a/b/c", true},
           Row{"*c", "a/b/c", true},
           Row{"*-prod/*", "a-prod/b/c", true},
           Row{"*-prod/*", "sandbox/x-prod/delete", false},
           Row{"*-prod/*", "sandbox/file:///a-prod/b", false},
           Row{"?/*", "a/b", true},
           Row{"?a/*", "/a/b", false},
           Row{"*/gpt-5", "hub/gpt-5", true},
           Row{"*/gpt-5", "hub/stranger/gpt-5", false},
           Row{"*/*/gpt-5", "hub/stranger/gpt-5", true},
           Row{"github/*", "github/a/b", true},
           Row{"github/a*b", "github/a/b", true},
           Row{"*/*", "github", false},
           Row{"*/", "github/", true},
       }) {
    CAPTURE(row.pattern);
    CAPTURE(row.name);
    CHECK(name_match(row.pattern, row.name) == row.matches);
  }
  CHECK(name_covers("*", "*-prod/*"));
  CHECK(name_covers("*/*", "a*/b"));
  CHECK(name_covers("*-prod/*", "a-prod/*"));
  CHECK_FALSE(name_covers("*-prod/*", "sandbox/x-prod/*"));
  CHECK_FALSE(name_covers("*-prod/*", "*"));
}
