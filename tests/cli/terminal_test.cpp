#include "sallyport/cli/terminal.hpp"

#include <doctest/doctest.h>

using namespace sallyport::cli;

TEST_CASE("nothing from data reaches the terminal as a command") {
  struct Row {
    std::string why;
    std::string in, out;
  };
  const Row rows[] = {
      {"plain", "a b", "a b"},
      {"letters of other scripts stay", "Zürich 東京", "Zürich 東京"},
      {"escape sequence", "\x1b[2Jx", "\\u{1b}[2Jx"},
      {"C1 control", "a\xc2\x9b", "a\\u{9b}"},
      {"line end", "a\nb", "a\\nb"},
      {"carriage return", "a\rb", "a\\u{d}b"},
      {"right-to-left override",
       "a\xe2\x80\xae"
       "b",
       "a\\u{202e}b"},
      {"zero-width space", "a\xe2\x80\x8b", "a\\u{200b}"},
      {"byte order mark",
       "\xef\xbb\xbf"
       "a",
       "\\u{feff}a"},
      {"not UTF-8", "a\xff\x80", "a\\xff\\x80"},
      {"cut letter", "a\xe2\x80", "a\\xe2\\x80"},
      {"delete", "a\x7f", "a\\u{7f}"},
      {"NUL", std::string("a\0b", 3), "a\\u{0}b"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.why);
    CHECK(printable(row.in) == row.out);
  }
  CHECK(printable_lines("a\n\x1b") == "a\n\\u{1b}");
}

TEST_CASE("columns of a table are aligned whatever the letters' width") {
  Table table({"NAME", "VALUE"});
  table.add({"東京", "1"});
  table.add({"Zürich", "2"});
  table.add({"e\xcc\x81", ""});
  CHECK(table.text() ==
        "NAME    VALUE\n"
        "東京    1\n"
        "Zürich  2\n"
        "e\xcc\x81       -\n");
}

TEST_CASE("times and durations are short") {
  CHECK(time_text(1'800'000'000'000) == "2027-01-15 08:00:00");
  CHECK(duration_text(850) == "850us");
  CHECK(duration_text(12'345) == "12ms");
  CHECK(duration_text(3'400'000) == "3.4s");
}
