#pragma once
/// Text for people: tables with aligned columns, and nothing from data that a terminal would obey.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::cli {

/// One line: control characters, directional marks and bytes that are not UTF-8 become visible escapes.
std::string printable(std::string_view text);
/// The same for text of several lines, which it keeps.
std::string printable_lines(std::string_view text);
/// Columns that printable text takes on a terminal.
std::size_t columns(std::string_view text);

/// Rows under a heading, two spaces between columns, the last one not padded. Cells are made printable.
class Table {
 public:
  explicit Table(std::vector<std::string> heading);
  void add(std::vector<std::string> row);
  bool empty() const { return rows_.size() < 2; }
  std::string text() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

/// "2026-11-21 09:30:05" in UTC of Unix milliseconds.
std::string time_text(std::int64_t millis);
/// 1204 as "1,204".
std::string grouped(std::uint64_t number);
/// "850us", "12ms", "3.4s"
std::string duration_text(std::int64_t micros);

}  // namespace sallyport::cli
