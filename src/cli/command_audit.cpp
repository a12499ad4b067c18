/// sallyport audit tail | query | verify | export.

#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <deque>
#include <filesystem>
#include <iostream>
#include <set>
#include <thread>
#include <unordered_map>

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "invocation.hpp"
#include "sallyport/admin/journal_key.hpp"
#include "sallyport/cli/audit_view.hpp"
#include "sallyport/cli/call_filter.hpp"
#include "sallyport/cli/program.hpp"
#include "sallyport/cli/terminal.hpp"
#include "sallyport/core/clock.hpp"
#include "sallyport/store/journal.hpp"

namespace sallyport::cli {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kTailRows = 20;
constexpr auto kLookAgain = std::chrono::milliseconds(200);

/// As they are written.
struct WishOptions {
  CallWish wish;
  std::string team;
  std::vector<std::string> metadata;
};

struct TailOptions {
  bool follow = false;
  std::string since;
  std::optional<std::size_t> most;
  WishOptions wish;
};

void add_wish(CLI::App& command, WishOptions& wish) {
  command.add_option("--agent,--principal", wish.wish.principal,
                     "Whose: release-bot, or agent:release-bot, user:alice, user:*");
  command.add_option("--team", wish.team, "Calls of its members, as the team is now");
  command.add_option("--model", wish.wish.model, "Model calls: a pattern over MODEL or PROVIDER/MODEL");
  command.add_option("--tool", wish.wish.tool, "Tool calls: a pattern over TOOL or SERVER/TOOL");
  command.add_option("--trace", wish.wish.trace, "Of one trace");
  command.add_option("--metadata", wish.metadata, "KEY=VALUE of a model call's metadata; may be repeated");
}

/// Errors: not_found (no such team), bad_request (metadata).
Result<CallWish> wish_of(Invocation& invocation, const WishOptions& options) {
  CallWish out = options.wish;
  for (const std::string& entry : options.metadata) {
    const auto equals = entry.find('=');
    if (equals == std::string::npos || equals == 0)
      return client_error(Code::bad_request, fmt::format("--metadata takes KEY=VALUE, not {}", entry));
    out.metadata[entry.substr(0, equals)] = entry.substr(equals + 1);
  }
  if (options.team.empty()) return out;
  const auto team = invocation.run("get", {{"kind", "Team"}, {"name", options.team}, {"format", "json"}});
  if (!team) return Failure(team.error());
  out.team.emplace();
  const auto documents = team->value("documents", Json::array());
  for (const auto& document : documents) {
    for (const auto& member : document.value("members", Json::array()))
      out.team->push_back(member.get<std::string>());
  }
  return out;
}

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
                                            std::size_t most, const CallWish& wish) {
  std::deque<std::string> lines;
  const auto now = unix_millis(system_clock().now());
  const std::int64_t kSteps[] = {60'000, 3'600'000, 86'400'000, now};
  for (const auto step : kSteps) {
    if (most == 0 && step != now) continue;
    lines.clear();
    CallFilter filter(wish);
    const auto read = store::read_journal(data, since.value_or(now - step), [&](std::string_view line) {
      if (!wish.empty() && !filter.takes(Json::parse(line, nullptr, false))) return true;
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

int follow(Invocation& invocation, AuditFollower& follower, const std::vector<std::string>& lines_before,
           const CallWish& wish) {
  CallFilter filter(wish);
  std::map<std::string, AuditRow> open;
  std::set<std::size_t> shown;
  // Calls that are under way now end in what follows.
  for (const std::string& line : lines_before) {
    shown.insert(std::hash<std::string>()(line));
    const auto record = Json::parse(line, nullptr, false);
    if (!record.is_object()) continue;
    if (!wish.empty()) static_cast<void>(filter.takes(record));
    const auto type = record.value("type", ""), call = record.value("call", "");
    if (type == "outcome" || type == "unknown") open.erase(call);
    if (type != "intent") continue;
    AuditRows one(0);
    one.add(line);
    if (!one.rows().empty()) open[call] = one.rows().front();
  }
  while (invocation.out) {
    const auto lines = follower.look();
    if (!lines) return invocation.failed(lines.error());
    for (const auto& line : *lines) {
      if (shown.contains(std::hash<std::string>()(line))) continue;
      if (!wish.empty() && !filter.takes(Json::parse(line, nullptr, false))) continue;
      if (invocation.json()) {
        invocation.out << shown_json(line) << '\n';
        continue;
      }
      // A call is shown when it has ended: then its intent is the row that the outcome completes.
      const auto record = Json::parse(line, nullptr, false);
      if (!record.is_object()) continue;
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

Result<void> has_data(const std::string& data) {
  std::error_code ignored;
  if (std::filesystem::is_directory(data, ignored)) return {};
  return client_error(Code::not_found,
                      fmt::format("there is no data directory {}; name it with --data DIR", data));
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
  const auto& data = invocation.settings.data;
  if (const auto there = has_data(data); !there) return invocation.failed(there.error());
  const auto wish = wish_of(invocation, options.wish);
  if (!wish) return invocation.failed(wish.error());
  AuditFollower follower(data);
  if (options.follow) {
    if (const auto ok = follower.begin(); !ok) return invocation.failed(ok.error());
  }
  // Without a number, a time asks for all since then.
  const std::size_t most = options.most.value_or(since ? 0 : kTailRows);
  auto lines = last_lines(data, since, most, *wish);
  if (!lines) return invocation.failed(lines.error());
  if (invocation.json()) {
    const auto skip = most > 0 && lines->size() > most ? lines->size() - most : 0;
    for (std::size_t i = skip; i < lines->size(); ++i) invocation.out << shown_json((*lines)[i]) << '\n';
  } else {
    AuditRows rows(most);
    for (const auto& line : *lines) rows.add(line);
    Table table(audit_heading());
    for (const auto& row : rows.rows()) table.add(audit_cells(row));
    if (!table.empty()) invocation.out << table.text();
    if (table.empty() && !options.follow)
      invocation.err << (wish->empty() ? "the journal holds nothing yet\n"
                                       : "the journal holds no such call\n");
  }
  invocation.out.flush();
  return options.follow ? follow(invocation, follower, *lines, *wish) : int{kDone};
}

/// A number that may be missing, as text.
std::string count_text(const Json& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_number_integer() ? std::to_string(it->get<std::int64_t>())
                                                       : std::string();
}

/// Cells of one call: {intent, outcome}, either of which may be missing.
std::vector<std::string> query_cells(const Json& call) {
  const Json& begun = call.contains("intent") ? call["intent"] : call["outcome"];
  const Json ended = call.value("outcome", Json::object());
  const Json model = ended.value("model", Json::object());
  const Json tokens = model.value("tokens", Json::object());
  // One that a crash left open has no status; it may have acted.
  std::string outcome = ended.value("status", ended.empty() ? "open" : ended.value("type", ""));
  if (begun.value("type", "") == "refusal") outcome = "refused: " + begun.value("reason", "");
  return {
      time_text(begun.value("t", std::int64_t{0})),
      begun.value("principal", ""),
      begun.value("target", begun.value("method", "")),
      model.value("provider", "").empty() ? "" : model.value("provider", "") + "/" + model.value("model", ""),
      outcome,
      ended.contains("us") ? duration_text(ended.value("us", std::int64_t{0})) : "",
      count_text(tokens, "input"),
      count_text(tokens, "cache_read"),
      count_text(tokens, "output"),
      model.value("cost_usd", ""),
      begun.value("trace", "")};
}

int query(Invocation& invocation, const TailOptions& options) {
  std::int64_t since = 0;
  if (!options.since.empty()) {
    const auto from = since_millis(options.since);
    if (!from) {
      invocation.err << "sallyport: --since takes " << kSinceForms << '\n';
      return kWrongUse;
    }
    since = *from;
  }
  if (const auto there = has_data(invocation.settings.data); !there) return invocation.failed(there.error());
  const auto wish = wish_of(invocation, options.wish);
  if (!wish) return invocation.failed(wish.error());
  CallFilter filter(*wish);
  const std::size_t most = options.most.value_or(0);
  std::deque<Json> calls;
  std::uint64_t first = 0;  // number of those that were dropped
  std::unordered_map<std::string, std::uint64_t> open;
  const auto read = store::read_journal(invocation.settings.data, since, [&](std::string_view line) {
    Json record = Json::parse(line, nullptr, false);
    if (!record.is_object() || !filter.takes(record)) return true;
    const auto type = record.value("type", ""), call = record.value("call", "");
    if (type == "outcome" || type == "unknown") {
      const auto found = open.extract(call);
      if (found && found.mapped() >= first) calls[found.mapped() - first]["outcome"] = std::move(record);
      return true;
    }
    if (type != "intent" && type != "refusal") return true;
    if (type == "intent") open[call] = first + calls.size();
    calls.push_back({{"intent", std::move(record)}});
    if (most > 0 && calls.size() > most) {
      calls.pop_front();
      ++first;
    }
    return true;
  });
  if (!read) return invocation.failed(read.error());
  if (invocation.json()) {
    for (const Json& call : calls) invocation.out << shown_json(call.dump()) << '\n';
    return kDone;
  }
  Table table({"TIME (UTC)", "PRINCIPAL", "TARGET", "ANSWERED BY", "OUTCOME", "DURATION", "INPUT", "CACHED",
               "OUTPUT", "USD", "TRACE"});
  for (const Json& call : calls) table.add(query_cells(call));
  if (table.empty()) {
    invocation.err << "the journal holds no such call\n";
  } else {
    invocation.out << table.text();
  }
  return kDone;
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

/// Whether what is written there comes out where results do, as with /dev/stdout.
bool is_standard_output(const std::string& file) {
  struct stat named{}, output{};
  return ::stat(file.c_str(), &named) == 0 && ::fstat(STDOUT_FILENO, &output) == 0 &&
         named.st_dev == output.st_dev && named.st_ino == output.st_ino;
}

int write_export(Invocation& invocation, const std::string& file, bool payloads) {
  // A checkpoint first: what follows the last one in an export could be cut off unseen.
  if (const auto made = invocation.run("checkpoint", Json::object()); !made)
    return invocation.failed(made.error());
  const auto key = public_key(invocation, "");
  if (!key) return invocation.failed(key.error());
  const bool to_output = is_standard_output(file);  // asked now: a file is replaced by another
  const auto size = store::export_journal(invocation.settings.data, *key, file, payloads);
  if (!size) return invocation.failed(size.error());
  if (invocation.json() && !to_output) {
    invocation.print({{"file", file}, {"bytes", *size}, {"payloads", payloads}});
  } else {
    (to_output ? invocation.err : invocation.out)
        << fmt::format("wrote {} ({} bytes{})\n", printable(file), *size, payloads ? ", with payloads" : "");
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
  add_wish(*tailing, options->wish);
  tailing->callback([&invocation, options] {
    invocation.action = [&invocation, options] { return tail(invocation, *options); };
  });

  auto* querying = audit->add_subcommand(
      "query", "Find calls, with what they used and cost; -o json shows one object per call");
  auto query_options = std::make_shared<TailOptions>();
  querying->add_option("--since", query_options->since,
                       "An age (2h) or a time (2026-11-21T09:00:00Z); default: all");
  querying->add_option("-n", query_options->most, "The last so many; 0: all (default)");
  add_wish(*querying, query_options->wish);
  querying->callback([&invocation, query_options] {
    invocation.action = [&invocation, query_options] { return query(invocation, *query_options); };
  });

  auto* verifying = audit->add_subcommand("verify", "Check every chain and checkpoint");
  auto checkpoint = std::make_shared<std::string>();
  auto key = std::make_shared<std::string>();
  verifying->add_option("--checkpoint", *checkpoint,
                        "A checkpoint kept elsewhere: the journal must still contain it");
  verifying->add_option("--public-key,--key", *key, "Public key kept elsewhere (default: DATA/journal.pub)");
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
