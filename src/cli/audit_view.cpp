#include "sallyport/cli/audit_view.hpp"

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <iomanip>
#include <sstream>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "sallyport/cli/settings.hpp"
#include "sallyport/cli/terminal.hpp"
#include "sallyport/core/clock.hpp"
#include "sallyport/store/journal_files.hpp"
#include "sallyport/store/journal_line.hpp"

namespace sallyport::cli {
namespace {

using Json = nlohmann::json;

std::string text(const Json& record, const char* key) {
  const auto it = record.find(key);
  return it != record.end() && it->is_string() ? it->get<std::string>() : std::string();
}

std::int64_t number(const Json& record, const char* key) {
  const auto it = record.find(key);
  return it != record.end() && it->is_number() ? it->get<std::int64_t>() : 0;
}

/// Who a call is attributed to; before anyone was recognised, where it came from.
std::string who(const Json& record) {
  auto principal = text(record, "principal");
  return principal.empty() ? text(record, "client") : principal;
}

/// What was reached; where nothing was named, through which door.
std::string what(const Json& record) {
  auto target = text(record, "target");
  return target.empty() ? text(record, "endpoint") : target;
}

std::string outcome_text(const Json& record) {
  const auto status = text(record, "status"), code = text(record, "code");
  return code.empty() ? status : fmt::format("{} ({})", status, code);
}

/// Records of the program itself: everything that is not the chain's own.
std::string members(const Json& record) {
  std::string out;
  for (const auto& [key, value] : record.items()) {
    if (key == "seq" || key == "t" || key == "type" || key == "prev" || key == "note") continue;
    if (key == "with" && value.is_object()) {
      out += (out.empty() ? "" : " ") + members(value);
      continue;
    }
    out += fmt::format("{}{}={}", out.empty() ? "" : " ", key,
                       value.is_string() ? value.get<std::string>() : value.dump());
  }
  return out;
}

}  // namespace

void AuditRows::push(AuditRow row) {
  rows_.push_back(std::move(row));
  if (most_ == 0 || rows_.size() <= most_) return;
  rows_.pop_front();
  ++first_;
}

void AuditRows::add(std::string_view line) {
  const auto record = Json::parse(line, nullptr, false);
  if (!record.is_object()) return;
  const auto type = text(record, "type"), call = text(record, "call");
  AuditRow row;
  row.millis = number(record, "t");
  if (type == "intent") {
    row.principal = who(record);
    row.method = text(record, "method");
    row.target = what(record);
    row.rule = text(record, "rule");
    row.outcome = "open";
    row.open = true;
    open_[call] = first_ + rows_.size();
    return push(std::move(row));
  }
  if (type == "outcome" || type == "unknown") {
    const auto status = type == "unknown" ? "unknown" : outcome_text(record);
    const auto duration = type == "unknown" ? std::string() : duration_text(number(record, "us"));
    const auto found = open_.find(call);
    const bool known = found != open_.end();
    const auto at = known ? found->second : 0;
    if (known) open_.erase(found);
    if (known && at >= first_) {
      auto& begun = rows_[at - first_];
      begun.outcome = status;
      begun.duration = duration;
      begun.open = false;
      return;
    }
    if (known) return;  // its intent is older than what is kept
    row.method = "call " + call;
    row.target = text(record, "target");
    row.outcome = status;
    row.duration = duration;
    return push(std::move(row));
  }
  if (type == "refusal") {
    row.principal = who(record);
    row.method = text(record, "method");
    row.target = what(record);
    row.rule = text(record, "rule");
    const auto status = number(record, "status");
    row.outcome =
        fmt::format("refused: {}{}", text(record, "reason"), status ? fmt::format(" ({})", status) : "");
    return push(std::move(row));
  }
  if (type == "refusals") {
    row.method = "refusals";
    row.outcome = fmt::format("refused: {} ({} more)", text(record, "reason"), number(record, "count"));
    return push(std::move(row));
  }
  const auto with = record.value("with", Json::object());
  if (text(record, "note") == "answered" && with.is_object()) {
    // Lists and handshakes: answered by us, so that there is neither intent nor outcome.
    row.principal = who(with);
    row.method = text(with, "method");
    row.target = what(with);
    row.outcome = "ok";
    return push(std::move(row));
  }
  row.method = type == "note" ? text(record, "note") : type;
  row.principal = "sallyport";
  row.outcome = members(record);  // the last column: it may be long
  push(std::move(row));
}

std::optional<std::int64_t> since_millis(const std::string& text) {
  if (const auto age = parse_duration(text)) return unix_millis(system_clock().now() - *age);
  std::tm fields{};
  std::istringstream in(text);
  in >> std::get_time(&fields, "%Y-%m-%dT%H:%M:%S");
  if (in.fail()) return std::nullopt;
  std::string rest;
  in >> rest;
  if (rest != "Z" && !(rest.starts_with('.') && rest.ends_with('Z'))) return std::nullopt;
  return static_cast<std::int64_t>(timegm(&fields)) * 1000;
}

std::vector<std::string> audit_heading() {
  return {"TIME (UTC)", "PRINCIPAL", "METHOD", "TARGET", "RULE", "DURATION", "OUTCOME"};
}

std::vector<std::string> audit_cells(const AuditRow& row) {
  return {time_text(row.millis), row.principal, row.method, row.target, row.rule, row.duration, row.outcome};
}

AuditFollower::AuditFollower(std::string data) : data_(std::move(data)) {}

Result<void> AuditFollower::begin() {
  const auto folder = store::journal_folder(data_);
  const auto segments = store::list_segments(folder);
  if (!segments) return std::unexpected(segments.error());
  for (const auto& segment : *segments) {
    std::error_code ignored;
    const auto size = std::filesystem::file_size(folder + "/" + segment.file(), ignored);
    offsets_[segment.file()] = ignored ? 0 : size;
  }
  return {};
}

Result<std::vector<std::string>> AuditFollower::look() {
  const auto folder = store::journal_folder(data_);
  const auto segments = store::list_segments(folder);
  if (!segments) return std::unexpected(segments.error());
  // Of two lines with one time, the one read first goes first: each chain keeps its order.
  std::multimap<std::int64_t, std::string> found;
  for (const auto& segment : *segments) {
    const auto path = folder + "/" + segment.file();
    auto& offset = offsets_[segment.file()];
    std::error_code ignored;
    if (std::filesystem::file_size(path, ignored) <= offset || ignored) continue;
    auto reader = store::LineReader::open(path, offset);
    if (!reader) return std::unexpected(reader.error());
    while (const auto line = reader->next()) {
      if (const auto record = store::parse_line(*line)) found.emplace(record->millis, std::string(*line));
    }
    offset = reader->offset();  // where a line that is not finished begins
  }
  std::vector<std::string> lines;
  for (auto& [millis, line] : found) lines.push_back(std::move(line));
  return lines;
}

}  // namespace sallyport::cli
