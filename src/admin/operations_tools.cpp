/// Operations on the definitions of servers: tool.list, tool.diff, tool.approve, tool.reject, export.list.

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "operation.hpp"
#include "sallyport/core/limits.hpp"
#include "sallyport/json/difference.hpp"
#include "sallyport/json/document.hpp"
#include "sallyport/json/schema.hpp"
#include "sallyport/mcp/suspicion.hpp"
#include "sallyport/store/definition_hash.hpp"

namespace sallyport::admin {
namespace {

using nlohmann::json;

std::string_view word_of(store::DefinitionState state) {
  switch (state) {
    case store::DefinitionState::approved:
      return "approved";
    case store::DefinitionState::waiting:
      return "waiting";
    case store::DefinitionState::rejected:
      return "rejected";
    case store::DefinitionState::gone:
      return "gone";
  }
  return "gone";
}

/// "server/name" of one sort. Errors: bad_request.
Result<store::DefinitionKey> key_of(const std::string& tool, const std::string& sort) {
  const auto slash = tool.find('/');
  if (slash == std::string::npos || slash == 0 || slash + 1 == tool.size()) {
    return client_error(Code::bad_request,
                        fmt::format("\"{}\" names no tool: write it as SERVER/NAME", tool));
  }
  if (sort != "tool" && sort != "prompt" && sort != "template") {
    return client_error(Code::bad_request,
                        fmt::format("\"{}\" is no sort: it is tool, prompt or template", sort));
  }
  return store::DefinitionKey{.server = tool.substr(0, slash), .sort = sort, .name = tool.substr(slash + 1)};
}

/// Why a person has to look at it, of a version that is stored.
std::vector<std::string> suspicions_of(const store::DefinitionVersion& version) {
  const auto document = ::sallyport::json::Document::parse(version.object, ::sallyport::json::kUpstream);
  return document ? mcp::suspicions(document->root()) : std::vector<std::string>{};
}

json row_of(const store::StoredDefinition& d) {
  const auto state = state_of(d);
  json row{{"server", d.key.server},       {"sort", d.key.sort},         {"name", d.key.name},
           {"state", word_of(state)},      {"hash", d.current.hash},     {"approved", d.approved.hash},
           {"rejected", d.rejected},       {"first_seen", d.first_seen}, {"changed", d.changed},
           {"changes", d.changes},         {"decided", d.decided},       {"decided_by", d.decided_by},
           {"rejected_by", d.rejected_by}, {"suspicions", json::array()}};
  const bool withheld = state == store::DefinitionState::waiting || state == store::DefinitionState::rejected;
  if (withheld) row["suspicions"] = suspicions_of(d.current);
  return row;
}

/// One of {"tool", "sort"?, "hash"}. Errors: bad_request, not_found, storage.
Result<store::DefinitionDecision> decision_of(const Context& context, const json& item, bool approve) {
  Arguments input(item);
  const auto tool = input.text("tool");
  const auto sort = input.text_or("sort", "tool");
  const auto hash = input.text("hash");
  if (const auto ok = input.check("an entry of \"tools\""); !ok) return std::unexpected(ok.error());
  if (!store::names_version(hash)) {
    return client_error(
        Code::bad_request,
        fmt::format("\"hash\" of {} must be {} to 64 hex digits: it names the version that was looked at",
                    tool, limits::kPinDigits));
  }
  auto key = key_of(tool, sort);
  if (!key) return std::unexpected(std::move(key.error()));
  const auto row = context.registry.definition(*key);
  if (!row) return std::unexpected(row.error());
  // A hash that does not fit goes on as it is: the registry says what is wrong with it.
  const bool fits = *row && (*row)->current.hash.starts_with(hash);
  return store::DefinitionDecision{
      .key = std::move(*key), .hash = fits ? (*row)->current.hash : hash, .approve = approve};
}

Result<json> decide(Context& context, const json& arguments, bool approve) {
  const std::string op = approve ? "tool.approve" : "tool.reject";
  Arguments input(arguments);
  const json* tools = input.any("tools");
  if (const auto ok = input.check(op); !ok) return std::unexpected(ok.error());
  if (!tools || !tools->is_array() || tools->empty()) {
    return client_error(Code::bad_request,
                        op + ": \"tools\" must be a list of {\"tool\": \"SERVER/NAME\", \"hash\": \"...\"}");
  }
  std::vector<store::DefinitionDecision> decisions;
  for (const json& item : *tools) {
    auto decision = decision_of(context, item, approve);
    if (!decision) return std::unexpected(std::move(decision.error()));
    decisions.push_back(std::move(*decision));
  }
  if (auto done = context.registry.decide(decisions, context.by); !done)
    return std::unexpected(std::move(done.error()));
  json rows = json::array();
  for (const auto& decision : decisions) {
    const auto& key = decision.key;
    rows.push_back({{"server", key.server}, {"sort", key.sort}, {"name", key.name}, {"hash", decision.hash}});
    if (!context.live.note) continue;
    const json members{{"what", approve ? "approved" : "rejected"},
                       {"server", key.server},
                       {"sort", key.sort},
                       {"name", key.name},
                       {"hash", decision.hash},
                       {"by", context.by}};
    const std::string text = members.dump(-1, ' ', false, json::error_handler_t::replace);
    context.live.note("decision", text.substr(1, text.size() - 2));
  }
  if (auto ok = reload(context); !ok) return std::unexpected(std::move(ok.error()));
  return json{{approve ? "approved" : "rejected", std::move(rows)}};
}

using Value = ::sallyport::json::Value;

std::string_view word_of(::sallyport::json::SchemaChange change) {
  switch (change) {
    case ::sallyport::json::SchemaChange::compatible:
      return "compatible";
    case ::sallyport::json::SchemaChange::widened:
      return "widened";
    case ::sallyport::json::SchemaChange::breaking:
      return "breaking";
  }
  return "breaking";
}

/// What the change of one of a tool's schemas means, into `all`; a missing schema allows everything.
void judge_schema(const Value& before, const Value& after, const char* member, ::sallyport::json::SchemaOf of,
                  ::sallyport::json::SchemaComparison& all) {
  const auto anything = ::sallyport::json::Document::parse("{}");
  const auto old_schema = before.find(member);
  const auto new_schema = after.find(member);
  if (!anything || (!old_schema && !new_schema)) return;
  auto one = ::sallyport::json::compare(old_schema ? *old_schema : anything->root(),
                                        new_schema ? *new_schema : anything->root(), of);
  all.change = std::max(all.change, one.change);
  for (const auto& reason : one.reasons) all.reasons.push_back(fmt::format("{} {}", member, reason));
}

/// The arguments of a prompt: the same questions as of a schema.
void judge_arguments(const Value& before, const Value& after, ::sallyport::json::SchemaComparison& all) {
  using Change = ::sallyport::json::SchemaChange;
  const auto required_by_name = [](const Value& prompt) {
    std::map<std::string, bool> out;
    const auto arguments = prompt.find("arguments");
    if (!arguments) return out;
    for (const Value& each : arguments->elements()) {
      const auto name = each.find("name");
      const auto required = each.find("required");
      if (name && name->string()) out[*name->string()] = required && required->boolean() == true;
    }
    return out;
  };
  const auto olds = required_by_name(before);
  const auto news = required_by_name(after);
  const auto tell = [&](Change change, std::string reason) {
    all.change = std::max(all.change, change);
    all.reasons.push_back("arguments " + std::move(reason));
  };
  for (const auto& [name, required] : olds) {
    const auto now = news.find(name);
    if (now == news.end()) {
      tell(Change::breaking, fmt::format("/{}: is gone", name));
    } else if (now->second != required) {
      tell(now->second ? Change::breaking : Change::widened,
           fmt::format("/: \"{}\" is {}", name, now->second ? "required now" : "not required any more"));
    }
  }
  for (const auto& [name, required] : news) {
    if (olds.contains(name)) continue;
    tell(required ? Change::breaking : Change::widened, required
                                                            ? fmt::format("/: \"{}\" is required now", name)
                                                            : fmt::format("/{}: is new and optional", name));
  }
}

/// What taking up `after` means for those who know `before`.
json judgement(const std::string& sort, const Value& before, const Value& after) {
  ::sallyport::json::SchemaComparison all;
  if (sort == "tool") {
    judge_schema(before, after, "inputSchema", ::sallyport::json::SchemaOf::input, all);
    judge_schema(before, after, "outputSchema", ::sallyport::json::SchemaOf::output, all);
  } else if (sort == "prompt") {
    judge_arguments(before, after, all);
  }
  return {{"change", word_of(all.change)}, {"reasons", all.reasons}};
}

}  // namespace

Result<json> list_tools(Context& context, const json& arguments) {
  Arguments input(arguments);
  const auto server = input.text_or("server", "");
  if (const auto ok = input.check("tool.list"); !ok) return std::unexpected(ok.error());
  if (!server.empty()) {
    const auto found = context.registry.document("Server", server);
    if (!found) return std::unexpected(found.error());
    if (!*found) return client_error(Code::not_found, fmt::format("there is no server \"{}\"", server));
  }
  const auto known = context.registry.definitions(server, true);
  if (!known) return std::unexpected(known.error());
  json rows = json::array();
  for (const auto& definition : *known) rows.push_back(row_of(definition));
  return json{{"tools", std::move(rows)}};
}

Result<json> diff_tool(Context& context, const json& arguments) {
  Arguments input(arguments);
  const auto tool = input.text("tool");
  const auto sort = input.text_or("sort", "tool");
  if (const auto ok = input.check("tool.diff"); !ok) return std::unexpected(ok.error());
  const auto key = key_of(tool, sort);
  if (!key) return std::unexpected(key.error());
  const auto found = context.registry.definition(*key);
  if (!found) return std::unexpected(found.error());
  if (!*found) {
    return client_error(
        Code::not_found,
        fmt::format("there is no {} {}: `sallyport tool list` shows what is known", sort, tool));
  }
  const store::StoredDefinition& row = **found;
  json out = row_of(row);
  // What is there for the first time is shown whole, against nothing.
  const auto before = ::sallyport::json::Document::parse(
      row.approved.object.empty() ? "{}" : row.approved.object, ::sallyport::json::kUpstream);
  const auto after = ::sallyport::json::Document::parse(
      row.current.object.empty() ? "{}" : row.current.object, ::sallyport::json::kUpstream);
  if (!before || !after) {
    return fail(Code::storage, Blame::us, fmt::format("what is stored of {} {} is damaged", sort, tool));
  }
  json fields = json::array();
  const auto changes = ::sallyport::json::difference(before->root(), after->root());
  for (const auto& change : changes) {
    json field{{"path", change.path}};
    field["before"] = change.before.empty() ? json(nullptr) : json(change.before);
    field["after"] = change.after.empty() ? json(nullptr) : json(change.after);
    fields.push_back(std::move(field));
  }
  if (!row.approved.object.empty() && !row.current.object.empty()) {
    out["schema"] = judgement(sort, before->root(), after->root());
    const auto old_input = before->root().find("inputSchema");
    const auto new_input = after->root().find("inputSchema");
    if (sort == "tool" && old_input && new_input)
      out["input"] = {{"before", old_input->raw()}, {"after", new_input->raw()}};
  }
  out["fields"] = std::move(fields);
  return out;
}

Result<json> approve_tools(Context& context, const json& arguments) {
  return decide(context, arguments, true);
}

Result<json> reject_tools(Context& context, const json& arguments) {
  return decide(context, arguments, false);
}

Result<json> list_exports(Context& context, const json& arguments) {
  Arguments input(arguments);
  const auto virtual_server = input.text_or("virtual_server", "");
  if (const auto ok = input.check("export.list"); !ok) return std::unexpected(ok.error());
  if (!context.live.exported_tools) {
    return client_error(
        Code::unavailable,
        "no server runs on this data directory, so nothing is exported; start `sallyport serve`");
  }
  const auto tools = context.live.exported_tools(virtual_server.empty() ? "/mcp" : "/mcp/" + virtual_server);
  if (!tools) return std::unexpected(tools.error());
  return json{{"tools", json::parse(*tools)}};
}

}  // namespace sallyport::admin
