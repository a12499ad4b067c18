#pragma once
/// The journal as people read it: one row for a call, made of its intent and its outcome.

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "sallyport/core/error.hpp"

namespace sallyport::cli {

/// Unix milliseconds of "2h" ago or of an RFC 3339 time in UTC.
std::optional<std::int64_t> since_millis(const std::string& text);
inline constexpr std::string_view kSinceForms = "an age like 2h or a time like 2026-11-21T09:00:00Z";

struct AuditRow {
  std::int64_t millis = 0;
  std::string principal, method, target, rule, outcome, duration;
  bool open = false;  ///< an intent without its outcome
};

/// Merges records into rows and keeps the last `most` of them (0: all).
class AuditRows {
 public:
  explicit AuditRows(std::size_t most) : most_(most) {}
  void add(std::string_view line);
  const std::deque<AuditRow>& rows() const { return rows_; }

 private:
  void push(AuditRow row);
  const std::size_t most_;
  std::uint64_t first_ = 0;  ///< number of rows dropped: indices below are absolute
  std::deque<AuditRow> rows_;
  std::unordered_map<std::string, std::uint64_t> open_;  ///< call -> row
};

/// Cells in the order of audit_heading().
std::vector<std::string> audit_cells(const AuditRow& row);
std::vector<std::string> audit_heading();

/// What is appended to the journal from now on. New segments are found as they come.
class AuditFollower {
 public:
  explicit AuditFollower(std::string data);
  /// Notes where every segment ends now.
  Result<void> begin();
  /// Lines since the last look, in order of their times.
  Result<std::vector<std::string>> look();

 private:
  const std::string data_;
  std::map<std::string, std::uint64_t> offsets_;  ///< by file
};

}  // namespace sallyport::cli
