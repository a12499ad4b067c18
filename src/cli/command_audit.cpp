/// sallyport audit tail | verify | export.

#include <chrono>
#include <filesystem>
#include <iostream>
#include <set>
#include <thread>

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "invocation.hpp"
#include "sallyport/admin/journal_key.hpp"
#include "sallyport/cli/audit_view.hpp"
#include "sallyport/cli/program.hpp"
#include "sallyport/cli/terminal.hpp"
#include "sallyport/core/clock.hpp"
#include "sallyport/store/journal.hpp"

namespace sallyport::cli {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kTailRows = 20;
constexpr auto kLookAgain = std::chrono::milliseconds(200);

struct TailOptions {
  bool follow = false;
  std::string since;
  std::optional<std::size_t> most;
};

/// JSON text in which nothing is left that a terminal obeys. Such letters stand in strings only, where \u
/// says the same.
std::string shown_json(std::string_view line) {
  bool plain = true;
  for (const char c : line) plain = plain && c >= ' ' && c < 0x7f;
  if (plain) return std::string(line);
  const auto json = nlohmann::ordered_json::parse(line, nullptr, false);
  return json.is_discarded() ? printable(line) : json.dump(-1, ' ', true, Json::error_handler_t::replace);
}

std::string streamed(const AuditRow& row) {
  const auto cells = audit_cells(row);
  constexpr std::size_t kWidths[] = {19, 20, 14, 32, 18, 8, 0};
  std::string out;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const auto cell = cells[i].empty() ? "-" : printable(cells[i]);
    out += cell;
    const auto width = columns(cell);
    if (i + 1 < cells.size()) out.append((width < kWidths[i] ? kWidths[i] - width : 0) + 2, ' ');
  }
  return out + '\n';
}

/// Reads backwards in growing steps, so that the end of a long journal does not cost all of it.
Result<std::vector<std::string>> last_lines(const std::string& data, std::optional<std::int64_t> since,
                                            std::size_t most) {
  std::deque<std::string> lines;
  const auto now = unix_millis(system_clock().now());
  const std::int64_t kSteps[] = {60'000, 3'600'000, 86'400'000, now};
  for (const auto step : kSteps) {
    lines.clear();
    const auto read = store::read_journal(data, since.value_or(now - step), [&](std::string_view line) {
      lines.emplace_back(line);
      // A call is two records; what is before them only costs memory.
      if (most > 0 && lines.size() > most * 4 + 64) lines.pop_front();
      return true;
    });
    if (!read) return std::unexpected(read.error());
    if (since || lines.size() >= most * 4 + 64) break;
  }
  return std::vector<std::string>(std::make_move_iterator(lines.begin()),
                                  std::make_move_iterator(lines.end()));
}

int follow(Invocation& invocation, AuditFollower& follower, const std::set<std::size_t>& shown) {
  std::map<std::string, AuditRow> open;
  while (invocation.out) {
    const auto lines = follower.look();
    if (!lines) return invocation.failed(lines.error());
    for (const auto& line : *lines) {
      if (shown.contains(std::hash<std::string>()(line))) continue;
      if (invocation.json()) {
        invocation.out << shown_json(line) << '\n';
        continue;
      }
      // A call is shown when it has ended: then its intent is the row that the outcome completes.
      const auto record = Json::parse(line, nullptr, false);
      const auto call = record.value("call", std::string());
      AuditRows one(0);
      if (record.value("type", "") == "intent") {
        one.add(line);
        if (!one.rows().empty()) open[call] = one.rows().front();
        continue;
      }
      one.add(line);
      if (one.rows().empty()) continue;
      auto row = one.rows().front();
      if (const auto begun = open.extract(call); begun && !call.empty()) {
        begun.mapped().outcome = row.outcome;
        begun.mapped().duration = row.duration;
        row = begun.mapped();
      }
      invocation.out << streamed(row);
    }
    invocation.out.flush();
    std::this_thread::sleep_for(kLookAgain);
  }
  return kDone;
}

int tail(Invocation& invocation, const TailOptions& options) {
  std::optional<std::int64_t> since;
  if (!options.since.empty()) {
    since = since_millis(options.since);
    if (!since) {
      invocation.err << "sallyport: --since takes " << kSinceForms << '\n';
      return kWrongUse;
    }
  }
  std::error_code ignored;
  const auto& data = invocation.settings.data;
  if (!std::filesystem::is_directory(data, ignored)) {
    return invocation.failed(
        client_error(Code::not_found,
                     fmt::format("there is no data directory {}; name it with --data DIR", data))
            .error());
  }
  AuditFollower follower(data);
  if (options.follow) {
    if (const auto ok = follower.begin(); !ok) return invocation.failed(ok.error());
  }
  // Without a number, a time asks for all since then.
  const std::size_t most = options.most.value_or(since ? 0 : kTailRows);
  auto lines = last_lines(data, since, most);
  if (!lines) return invocation.failed(lines.error());
  std::set<std::size_t> shown;
  for (const auto& line : *lines) shown.insert(std::hash<std::string>()(line));
  if (invocation.json()) {
    const auto skip = most > 0 && lines->size() > most ? lines->size() - most : 0;
    for (std::size_t i = skip; i < lines->size(); ++i) invocation.out << shown_json((*lines)[i]) << '\n';
  } else {
    AuditRows rows(most);
    for (const auto& line : *lines) rows.add(line);
    Table table(audit_heading());
    for (const auto& row : rows.rows()) table.add(audit_cells(row));
    if (!table.empty()) invocation.out << table.text();
    if (table.empty() && !options.follow) invocation.err << "the journal holds nothing yet\n";
  }
  invocation.out.flush();
  return options.follow ? follow(invocation, follower, shown) : int{kDone};
}

Result<std::string> public_key(const Invocation& invocation, const std::string& file) {
  return admin::read_public_key(file.empty() ? admin::journal_public_key_file(invocation.settings.data)
                                             : file);
}

int verify(Invocation& invocation, const std::string& key_file, const std::string& checkpoint) {
  std::error_code ignored;
  if (!checkpoint.empty() && !std::filesystem::exists(checkpoint, ignored)) {
    return invocation.failed(
        client_error(Code::not_found, fmt::format("there is no checkpoint file {}", checkpoint)).error());
  }
  const auto key = public_key(invocation, key_file);
  if (!key) return invocation.failed(key.error());
  const auto report = store::verify_journal(invocation.settings.data, *key, checkpoint);
  if (!report) return invocation.failed(report.error());
  if (invocation.json()) {
    invocation.print({{"ok", report->ok},
                      {"records", report->records},
                      {"chains", report->chains},
                      {"checkpoints", report->checkpoints},
                      {"open_intents", report->open_intents},
                      {"torn_tails", report->torn_tails},
                      {"garbled_payloads", report->garbled_payloads},
                      {"problems", report->problems}});
    return report->ok ? kDone : kFailed;
  }
  invocation.out << fmt::format(
      "{}: {} records in {} chains, {} checkpoints, {} open intents, {} torn tails{}\n",
      report->ok ? "ok" : "NOT OK", report->records, report->chains, report->checkpoints,
      report->open_intents, report->torn_tails,
      report->garbled_payloads > 0
          ? fmt::format(", {} payloads lost in a power cut", report->garbled_payloads)
          : "");
  for (const auto& problem : report->problems) invocation.err << "sallyport: " << printable(problem) << '\n';
  return report->ok ? kDone : kFailed;
}

int write_export(Invocation& invocation, const std::string& file, bool payloads) {
  // A checkpoint first: what follows the last one in an export could be cut off unseen.
  if (const auto made = invocation.run("checkpoint", Json::object()); !made)
    return invocation.failed(made.error());
  const auto key = public_key(invocation, "");
  if (!key) return invocation.failed(key.error());
  const auto done = store::export_journal(invocation.settings.data, *key, file, payloads);
  if (!done) return invocation.failed(done.error());
  std::error_code ignored;
  const auto size = std::filesystem::file_size(file, ignored);
  if (invocation.json()) {
    invocation.print({{"file", file}, {"bytes", size}, {"payloads", payloads}});
  } else {
    invocation.out << fmt::format("wrote {} ({} bytes{})\n", printable(file), size,
                                  payloads ? ", with payloads" : "");
  }
  return kDone;
}

}  // namespace

void add_audit(CLI::App& app, Invocation& invocation) {
  auto* audit = app.add_subcommand("audit", "The journal: what was attempted and what happened");
  audit->require_subcommand(1);

  auto* tailing =
      audit->add_subcommand("tail", "Show the last calls; -o json shows the records as they stand");
  auto options = std::make_shared<TailOptions>();
  tailing->add_flag("-f,--follow", options->follow, "Go on with what comes");
  tailing->add_option("--since", options->since, "An age (2h) or a time (2026-11-21T09:00:00Z)");
  tailing->add_option("-n", options->most, "How many; 0: all (default 20, with --since all)");
  tailing->callback([&invocation, options] {
    invocation.action = [&invocation, options] { return tail(invocation, *options); };
  });

  auto* verifying = audit->add_subcommand("verify", "Check every chain and checkpoint");
  auto checkpoint = std::make_shared<std::string>();
  auto key = std::make_shared<std::string>();
  verifying->add_option("--checkpoint", *checkpoint,
                        "A checkpoint kept elsewhere: the journal must still contain it");
  verifying->add_option("--key", *key, "Public key kept elsewhere (default: DATA/journal.pub)");
  verifying->callback([&invocation, checkpoint, key] {
    invocation.action = [&invocation, checkpoint, key] { return verify(invocation, *key, *checkpoint); };
  });

  auto* exporting =
      audit->add_subcommand("export", "Write the journal into one archive that can be checked anywhere");
  auto file = std::make_shared<std::string>();
  auto payloads = std::make_shared<bool>(false);
  exporting->add_option("FILE", *file, "Archive to write (.tar)")->required();
  exporting->add_flag("--with-payloads", *payloads, "Arguments and results too, where they were kept");
  exporting->callback([&invocation, file, payloads] {
    invocation.action = [&invocation, file, payloads] { return write_export(invocation, *file, *payloads); };
  });
}

}  // namespace sallyport::cli
