#include "document_reader.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "document_check.hpp"
#include "fields.hpp"
#include "issuer_reader.hpp"
#include "model_reader.hpp"
#include "policy_reader.hpp"
#include "sallyport/core/bytes.hpp"

namespace sallyport::store {
namespace {

using namespace std::chrono_literals;

/// A sealed value may be a whole key file, not a data set.
constexpr std::size_t kSecretBytes = std::size_t{64} * 1024;
constexpr std::size_t kEntries = 10'000;  ///< of one list or map

std::string document_name(Fields& fields) { return fields.checked("name", check::name, true); }

void read_secret(Fields& fields, Credential& out) {
  out.value = Secret(fields.checked("value", [](std::string_view text) -> std::string {
    if (text.empty()) return "is empty";
    return text.size() <= kSecretBytes ? "" : "is longer than 64 KiB";
  }));
  if (out.value.reveal() == kSealed) out.value = Secret();
}

Credential read_credential(Fields& fields) {
  Credential out;
  out.name = document_name(fields);
  const int sources = fields.has("value") + fields.has("env") + fields.has("file");
  if (sources != 1) {
    fields.problem("kind", "a Credential needs exactly one of \"env\", \"file\" and \"value\"");
  }
  if (fields.has("value")) out.from = Credential::From::value;
  if (fields.has("file")) out.from = Credential::From::file;
  read_secret(fields, out);
  const std::string variable = fields.checked("env", check::variable);
  const std::string file = fields.checked("file", check::path);
  out.reference = fields.has("file") ? file : variable;
  out.header = fields.checked("header", check::header, false, out.header);
  out.scheme = fields.checked("scheme", check::scheme, false, out.scheme);
  fields.finish({"environments", "oauth"});
  return out;
}

HttpTransport read_http(Fields& fields, bool sse) {
  HttpTransport out;
  out.sse = sse;
  out.url = fields.checked("url", check::url, true);
  out.allow_private = fields.flag("allow_private");
  out.ca_file = fields.checked("ca_file", check::path);
  out.headers = fields.text_map("headers", check::fixed_header, check::header_value);
  for (auto at = out.headers.begin(); at != out.headers.end(); ++at) {
    const bool twice = std::any_of(out.headers.begin(), at, [&](const auto& earlier) {
      return equal_ignoring_case(earlier.first, at->first);
    });
    if (twice)
      fields.problem("headers",
                     fmt::format("header \"{}\" stands twice: case makes no difference", at->first));
  }
  fields.finish();
  return out;
}

StdioTransport read_stdio(Fields& fields) {
  StdioTransport out;
  out.command = fields.checked("command", check::command, true);
  out.args = fields.texts("args", check::argument);
  out.env = fields.text_map("env", check::child_variable, check::argument);
  out.credentials = fields.text_map("credentials", check::child_variable, check::name);
  out.directory = fields.checked("directory", check::path);
  for (const auto& [variable, credential] : out.credentials) {
    if (out.env.contains(variable)) {
      fields.problem("credentials",
                     fmt::format("\"{}\" stands in \"env\" and in \"credentials\": keep one", variable));
    }
  }
  fields.finish({"limits"});
  return out;
}

std::variant<HttpTransport, StdioTransport> read_transport(const Node& node, Problems& problems) {
  enum class Type : std::uint8_t { none, http, sse, stdio };
  Fields fields(node, "\"transport\"", problems);
  if (!fields.usable()) return {};
  const Type type = fields.word<Type>(
      "type", Type::none, {{"streamable-http", Type::http}, {"sse", Type::sse}, {"stdio", Type::stdio}},
      {"openapi", "websocket"}, true);
  if (type == Type::http || type == Type::sse) return read_http(fields, type == Type::sse);
  if (type == Type::stdio) return read_stdio(fields);
  return {};
}

Server read_server(Fields& fields, Problems& problems) {
  Server out{.name = document_name(fields), .transport = HttpTransport{}};
  out.description = fields.checked("description", check::any);
  const Node* transport = fields.take("transport", true);
  if (transport) out.transport = read_transport(*transport, problems);
  out.credential = fields.checked("credential", check::name);
  if (!out.credential.empty() && std::holds_alternative<StdioTransport>(out.transport)) {
    fields.problem("credential",
                   "a stdio server gets its credentials as variables: move this to "
                   "\"transport.credentials\" as VARIABLE: CREDENTIAL");
  }
  out.isolation = fields.word<Isolation>(
      "isolation", out.isolation,
      {{"shared", Isolation::shared}, {"principal", Isolation::principal}, {"session", Isolation::session}});
  out.capture = fields.word<Capture>(
      "capture", out.capture, {{"none", Capture::none}, {"digest", Capture::digest}, {"full", Capture::full}},
      {"masked"});
  out.trust = fields.word<Trust>("trust", out.trust, {{"follow", Trust::follow}, {"pinned", Trust::pinned}});
  out.era = fields.word<Era>(
      "era", out.era, {{"automatic", Era::automatic}, {"modern", Era::modern}, {"legacy", Era::legacy}});
  const auto* http = std::get_if<HttpTransport>(&out.transport);
  if (http && http->sse && out.era == Era::modern)
    fields.problem("era", "a server over sse is never modern: remove \"era\", or use streamable-http");
  out.uri_prefix = fields.word<bool>("uris", out.uri_prefix, {{"unchanged", false}, {"prefix", true}});
  out.timeout = fields.duration("timeout", std::chrono::milliseconds(out.timeout), 1ms, 1h);
  out.disabled = fields.flag("disabled");
  fields.finish({"pin", "grants", "environments", "guardrails", "limits", "retry", "cache", "openapi"});
  return out;
}

enum class Exports : std::uint8_t { tools, prompts, resources };

/// `{from: principal.claims.tenant}`, `{value: anything}`, or a constant that is no map.
Preset read_preset(const Node& key, const Node& value, Problems& problems) {
  Preset out{.argument = key.text};
  if (value.kind != Node::Kind::map) {
    out.constant = json_of(value, problems);
    return out;
  }
  Fields fields(value, fmt::format("the preset \"{}\"", shown(key.text)), problems);
  if (!fields.usable()) return out;
  out.path = fields.checked("from", check::principal_path);
  out.constant = fields.json("value");
  if (fields.has("from") == fields.has("value")) {
    problems.add(value, "a preset is a constant, {value: ...} or {from: principal.claims.NAME}");
  } else {
    fields.finish();
  }
  return out;
}

std::vector<Preset> read_presets(Fields& fields, Problems& problems) {
  std::vector<Preset> out;
  const Node* node = fields.take("preset");
  if (!node) return out;
  const Fields entries(*node, "\"preset\"", problems);
  if (!entries.usable()) return out;
  for (const auto& entry : node->entries()) {
    if (const std::string wrong = check::argument_name(entry.key.text); !wrong.empty()) {
      problems.add(entry.key, fmt::format("\"{}\" in \"preset\" {}", shown(entry.key.text), wrong));
    } else {
      out.push_back(read_preset(entry.key, entry.value, problems));
    }
  }
  return out;
}

void read_overrides(Fields& fields, VirtualServer::Source& out, std::string_view one) {
  out.title =
      fields.checked("title", [](std::string_view text) { return text.empty() ? "" : check::line(text); });
  out.description = fields.checked("description", check::any);
  out.annotations = fields.json("annotations");
  if (!out.annotations.empty() && out.annotations.front() != '{')
    fields.problem("annotations", "\"annotations\" must be a map");
  for (const std::string_view key : {"title", "description", "annotations"}) {
    if (fields.has(key) && !fields.has(one))
      fields.problem(key, fmt::format("\"{}\" describes exactly one: it needs \"{}\"", key, one));
  }
}

VirtualServer::Source read_source(const Node& node, Exports kind, Problems& problems) {
  static constexpr std::array<std::string_view, 3> kWhat = {
      "an entry of \"tools\"", "an entry of \"prompts\"", "an entry of \"resources\""};
  VirtualServer::Source out;
  Fields fields(node, std::string(kWhat[static_cast<std::size_t>(kind)]), problems);
  if (!fields.usable()) return out;
  out.from = fields.checked("from", check::name, true);
  const bool limited = fields.has("include");
  auto include = fields.texts("include", check::glob);
  if (limited && fields.list_is_empty("include"))
    fields.problem("include", "\"include\" is empty: list at least one pattern");
  if (limited) out.include = std::move(include);
  if (kind != Exports::resources) {
    const std::string_view one = kind == Exports::tools ? "tool" : "prompt";
    if (fields.has("prefix")) out.prefix = fields.checked("prefix", check::prefix);
    out.tool = fields.checked(one, check::glob);
    out.as = fields.checked("as", check::exported_name);
    if (fields.has(one) && limited) {
      fields.problem("include", fmt::format("\"{}\" names exactly one: remove \"include\"", one));
    }
    out.pin = fields.text_map("pin", check::exact, check::hash_prefix);
    for (const auto& [name, hash] : out.pin) {
      if (fields.has(one) && name != out.tool)
        fields.problem(
            "pin", fmt::format("\"pin\" names what \"{}\" does not: write it as {{{}: ...}}", one, out.tool));
    }
    if (fields.has("as") && !fields.has(one)) fields.problem("as", fmt::format("\"as\" needs \"{}\"", one));
    if (fields.has("as") && fields.has("prefix")) {
      fields.problem("prefix", "a name given with \"as\" is never prefixed: remove \"prefix\"");
    }
    read_overrides(fields, out, one);
  }
  if (kind == Exports::tools) {
    out.preset = read_presets(fields, problems);
    out.hide = fields.texts("hide", check::argument_name);
    for (const Preset& preset : out.preset) {
      if (std::ranges::find(out.hide, preset.argument) != out.hide.end())
        fields.problem("hide", fmt::format("\"{}\" stands in \"preset\", which hides it", preset.argument));
    }
  }
  out.environments = fields.text_map("environments", check::name, check::name);
  fields.finish({"when"});
  return out;
}

std::vector<VirtualServer::Source> read_sources(Fields& fields, std::string_view key, Exports kind,
                                                Problems& problems) {
  std::vector<VirtualServer::Source> out;
  for (const Node& item : fields.list(key)) out.push_back(read_source(item, kind, problems));
  return out;
}

VirtualServer read_virtual_server(Fields& fields, Problems& problems) {
  using Access = VirtualServer::Access;
  VirtualServer out{.name = document_name(fields)};
  out.title =
      fields.checked("title", [](std::string_view text) { return text.empty() ? "" : check::line(text); });
  out.description = fields.checked("description", check::any);
  out.instructions = fields.checked("instructions", check::any);
  out.access = fields.word<Access>(
      "access", out.access, {{"authenticated", Access::authenticated}, {"anonymous", Access::anonymous}});
  out.grants = fields.flag("grants");
  out.owner = fields.checked("owner", check::owner);
  if (out.grants && out.access == Access::anonymous)
    fields.problem("grants", "what is open to everybody grants already: remove \"grants\"");
  if (out.grants && !fields.has("owner"))
    fields.problem("grants",
                   "a grant needs an \"owner\" who answers for it: team:NAME, user:NAME or agent:NAME");
  out.tools = read_sources(fields, "tools", Exports::tools, problems);
  out.prompts = read_sources(fields, "prompts", Exports::prompts, problems);
  out.resources = read_sources(fields, "resources", Exports::resources, problems);
  fields.finish({"environments", "pin", "preset", "guardrails", "limits"});
  return out;
}

Team read_team(Fields& fields) {
  Team out{.name = document_name(fields)};
  out.members = fields.texts("members", check::member);
  fields.finish({"grants", "environments", "limits"});
  return out;
}

Agent read_agent(Fields& fields) {
  Agent out{.name = document_name(fields)};
  out.description = fields.checked("description", check::any);
  out.disabled = fields.flag("disabled");
  out.roles = fields.texts("roles", check::role);
  out.claims = fields.text_map("claims", check::claim, check::line);
  out.jwks_url = fields.checked("jwks_url", check::url);
  if (fields.has("jwks")) out.jwks = fields.json("jwks");
  if (fields.has("jwks") && fields.has("jwks_url"))
    fields.problem("jwks_url", "\"jwks\" and \"jwks_url\" are two places for the same keys: keep one");
  out.allow_private = fields.flag("allow_private");
  out.ca_file = fields.checked("ca_file", check::path);
  for (const char* key : {"allow_private", "ca_file"})
    if (fields.has(key) && !fields.has("jwks_url"))
      fields.problem(key, fmt::format("\"{}\" is about \"jwks_url\", which is not there", key));
  fields.finish({"grants", "environments", "limits"});
  return out;
}

/// A list or map so long that nothing real looks like it.
bool is_too_long(const Node& node) {
  return node.items.size() > kEntries || std::ranges::any_of(node.items, is_too_long);
}

enum class DocumentKind : std::uint8_t {
  none,
  credential,
  server,
  virtual_server,
  team,
  agent,
  policy,
  issuer,
  provider,
  virtual_key,
  route
};

AnyDocument read_kind(DocumentKind kind, Fields& fields, Problems& problems) {
  switch (kind) {
    case DocumentKind::server:
      return read_server(fields, problems);
    case DocumentKind::virtual_server:
      return read_virtual_server(fields, problems);
    case DocumentKind::team:
      return read_team(fields);
    case DocumentKind::agent:
      return read_agent(fields);
    case DocumentKind::policy:
      return read_policy(fields, problems);
    case DocumentKind::issuer:
      return read_issuer(fields, problems);
    case DocumentKind::provider:
      return read_provider(fields);
    case DocumentKind::virtual_key:
      return read_virtual_key(fields);
    case DocumentKind::route:
      return read_route(fields);
    case DocumentKind::none:
    case DocumentKind::credential:
      break;
  }
  return read_credential(fields);
}

}  // namespace

std::optional<AnyDocument> read_document(const Node& root, Problems& problems) {
  const std::size_t before = problems.size();
  Fields fields(root, "a document", problems);
  if (!fields.usable()) return std::nullopt;
  if (is_too_long(root)) {
    problems.add(root, fmt::format("a list of more than {} entries", kEntries));
    return std::nullopt;
  }
  const auto kind = fields.word<DocumentKind>("kind", DocumentKind::none,
                                              {{"Credential", DocumentKind::credential},
                                               {"Server", DocumentKind::server},
                                               {"VirtualServer", DocumentKind::virtual_server},
                                               {"Team", DocumentKind::team},
                                               {"Agent", DocumentKind::agent},
                                               {"Policy", DocumentKind::policy},
                                               {"Issuer", DocumentKind::issuer},
                                               {"Provider", DocumentKind::provider},
                                               {"VirtualKey", DocumentKind::virtual_key},
                                               {"Route", DocumentKind::route}},
                                              {"Guardrail", "Limit"}, true);
  if (kind == DocumentKind::none) return std::nullopt;
  AnyDocument document = read_kind(kind, fields, problems);
  if (problems.size() != before) return std::nullopt;
  return document;
}

}  // namespace sallyport::store
