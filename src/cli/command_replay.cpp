/// sallyport policy replay: what a draft of policies would have decided about the calls in the journal.

#include <iostream>
#include <map>
#include <set>
#include <tuple>

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "document_files.hpp"
#include "invocation.hpp"
#include "sallyport/admin/decision_basis.hpp"
#include "sallyport/admin/recorded_calls.hpp"
#include "sallyport/cli/audit_view.hpp"
#include "sallyport/cli/program.hpp"
#include "sallyport/cli/terminal.hpp"
#include "sallyport/core/limits.hpp"

namespace sallyport::cli {
namespace {

using Json = nlohmann::json;
using What = gateway::Redecision::What;

struct ReplayOptions {
  std::vector<std::string> drafts;
  std::string since = "30d";
  bool prune = false;
};

/// The documents of the draft in the place of those that the registry has.
Result<void> lay_over(std::vector<store::AnyDocument>& documents, std::vector<store::AnyDocument> draft,
                      bool prune) {
  std::set<std::pair<std::string, std::string>> given;
  for (const auto& document : draft) {
    const std::pair key(std::string(store::kind_of(document)), store::name_of(document));
    if (!given.insert(key).second)
      return client_error(Code::bad_request, fmt::format("the draft has {} {} twice", key.first, key.second));
  }
  std::erase_if(documents, [&](const store::AnyDocument& document) {
    return given.contains({std::string(store::kind_of(document)), store::name_of(document)}) ||
           (prune && std::holds_alternative<store::PolicyDocument>(document));
  });
  documents.insert(documents.end(), std::make_move_iterator(draft.begin()),
                   std::make_move_iterator(draft.end()));
  return {};
}

Result<std::vector<store::AnyDocument>> read_draft(const std::vector<std::string>& names, std::istream& in) {
  const auto files = read_document_files(names, in);
  if (!files) return std::unexpected(files.error());
  std::vector<store::AnyDocument> out;
  std::string problems;
  for (const auto& file : *files) {
    auto documents = store::read_documents(file.at("text").get<std::string>(), file.at("name"));
    if (!documents) {
      for (const auto& problem : documents.error()) problems += "\n" + problem.text();
      continue;
    }
    out.insert(out.end(), std::make_move_iterator(documents->begin()),
               std::make_move_iterator(documents->end()));
  }
  if (!problems.empty()) return client_error(Code::bad_request, "the draft cannot be read:" + problems);
  return out;
}

/// Calls that are alike in who, where, what and how they are decided.
struct Group {
  std::uint64_t calls = 0;
  std::int64_t last = 0;
  std::string example{};  ///< the newest one
};
/// Principal, endpoint, target, allowed then, rule then, what now, rule now.
using GroupKey = std::tuple<std::string, std::string, std::string, bool, std::string, What, std::string>;

class Tally {
 public:
  void add(const gateway::RecordedCall& call, const gateway::Redecision& now) {
    ++calls_;
    if (now.what == What::undetermined) {
      ++undetermined_;
    } else if ((now.what == What::allowed) == call.allowed) {
      return;
    } else {
      ++(call.allowed ? denied_ : allowed_);
    }
    auto& group =
        groups_[{call.principal, call.endpoint, call.target, call.allowed, call.rule, now.what, now.rule}];
    ++group.calls;
    if (call.millis < group.last) return;
    group.last = call.millis;
    group.example = call.id;
  }

  Json json(std::int64_t since) const {
    auto rows = Json::array();
    for (const auto& [key, group] : groups_) {
      const auto& [principal, endpoint, target, allowed, rule, what, now] = key;
      rows.push_back({{"principal", principal},
                      {"endpoint", endpoint},
                      {"target", target},
                      {"was", allowed ? "allowed" : "denied"},
                      {"was_by", rule},
                      {"would_be", word_of(what)},
                      {"would_be_by", now},
                      {"calls", group.calls},
                      {"last", group.last},
                      {"call", group.example}});
    }
    return {{"since", since},
            {"calls", calls_},
            {"denied", denied_},
            {"allowed", allowed_},
            {"undetermined", undetermined_},
            {"changes", std::move(rows)}};
  }

  std::string text(std::int64_t since) const {
    Table table({"CALLS", "PRINCIPAL", "ENDPOINT", "TARGET", "WAS", "WOULD BE", "LAST", "CALL"});
    const auto by = [](std::string_view word, const std::string& rule) {
      if (rule.empty()) return std::string(word);
      return fmt::format("{}{}{}", word, word == "undetermined" ? ": " : " by ", rule);
    };
    for (const auto& [key, group] : groups_) {
      const auto& [principal, endpoint, target, allowed, rule, what, now] = key;
      table.add({grouped(group.calls), principal, endpoint, target.empty() ? "-" : target,
                 by(allowed ? "allowed" : "denied", rule), by(word_of(what), now), time_text(group.last),
                 group.example});
    }
    std::string out = table.empty() ? "" : table.text();
    out += fmt::format("{} decisions since {}: {} would be denied, {} would be allowed", grouped(calls_),
                       time_text(since), grouped(denied_), grouped(allowed_));
    if (undetermined_ > 0)
      out += fmt::format(
          ", {} undetermined (`capture: full` on a server keeps the arguments that decide; of refused calls "
          "none are kept)",
          grouped(undetermined_));
    return out + "\n";
  }

 private:
  static std::string_view word_of(What what) {
    return what == What::allowed ? "allowed" : what == What::denied ? "denied" : "undetermined";
  }
  std::uint64_t calls_ = 0, denied_ = 0, allowed_ = 0, undetermined_ = 0;
  std::map<GroupKey, Group> groups_;
};

/// Decides everything that needs no arguments at once, and what needs them when they were looked for.
Result<Tally> replayed(gateway::Replay& replay, const std::string& data, std::int64_t since) {
  using Arguments = admin::RecordedDecision::Arguments;
  Tally tally;
  std::map<std::string, gateway::RecordedCall> open;
  std::set<std::string> wanted;
  const auto read = admin::read_decisions(data, since, [&](const admin::RecordedDecision& one) {
    auto now = replay.decide(
        one.call, one.arguments == Arguments::none ? std::optional(std::string_view()) : std::nullopt);
    if (one.arguments == Arguments::some && wanted.size() >= limits::kUndecided)
      now.rule = fmt::format("only the arguments of {} calls are looked for", grouped(limits::kUndecided));
    const bool may_be_kept = one.arguments == Arguments::some && wanted.size() < limits::kUndecided;
    if (now.what != What::undetermined || !may_be_kept) return tally.add(one.call, now);
    wanted.insert(one.call.id);
    open.emplace(one.call.id, one.call);
  });
  if (!read) return std::unexpected(read.error());
  const auto found = admin::read_arguments(data, wanted, [&](const std::string& id, std::string_view json) {
    const auto call = open.extract(id);
    if (!call.empty()) tally.add(call.mapped(), replay.decide(call.mapped(), json));
  });
  if (!found) return std::unexpected(found.error());
  for (const auto& [id, call] : open)
    tally.add(call, {.what = What::undetermined, .rule = "its arguments were not kept"});
  return tally;
}

int replay(Invocation& invocation, const ReplayOptions& options) {
  const auto since = since_millis(options.since);
  if (!since) {
    invocation.err << "sallyport: --since takes " << kSinceForms << '\n';
    return kWrongUse;
  }
  auto draft = read_draft(options.drafts, invocation.in);
  if (!draft) return invocation.failed(draft.error());
  // Decided here and not by the server, which has calls to serve.
  const auto json = invocation.run("policy.basis", Json::object());
  if (!json) return invocation.failed(json.error());
  auto basis = admin::basis_from(*json);
  if (!basis) return invocation.failed(basis.error());
  if (const auto laid = lay_over(basis->documents, std::move(*draft), options.prune); !laid)
    return invocation.failed(laid.error());
  auto documents = basis->documents;
  auto snapshot = admin::snapshot_of(std::move(*basis));
  if (!snapshot) return invocation.failed(snapshot.error());
  gateway::Replay replay(std::move(*snapshot), std::move(documents));
  const auto tally = replayed(replay, invocation.settings.data, *since);
  if (!tally) return invocation.failed(tally.error());
  if (invocation.json()) {
    invocation.print(tally->json(*since));
  } else {
    invocation.out << tally->text(*since);
  }
  return kDone;
}

}  // namespace

void add_policy_replay(CLI::App& policy, Invocation& invocation) {
  auto* command = policy.add_subcommand(
      "replay", "Decide the recorded calls again by a draft, and show those that it would decide otherwise");
  auto options = std::make_shared<ReplayOptions>();
  command
      ->add_option("--draft", options->drafts,
                   "Files or folders; their documents stand in the place of those of the same name")
      ->required();
  command->add_option("--since", options->since, fmt::format("How far back: {}", kSinceForms))
      ->capture_default_str();
  command->add_flag("--prune", options->prune, "Policies that the draft does not have are gone");
  command->callback([&invocation, options] {
    invocation.action = [&invocation, options] { return replay(invocation, *options); };
  });
}

}  // namespace sallyport::cli
