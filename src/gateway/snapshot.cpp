#include "sallyport/gateway/snapshot.hpp"

#include <algorithm>
#include <set>
#include <span>

#include "sallyport/core/limits.hpp"
#include "sallyport/mcp/compose.hpp"
#include "sallyport/mcp/names.hpp"
#include "sallyport/mcp/tool_schema.hpp"

namespace sallyport::gateway {
namespace {

bool is_uri(Sort sort) { return sort == Sort::resource || sort == Sort::resource_template; }

/// Collects what sources export into one table and settles collisions.
class Composer {
 public:
  explicit Composer(Endpoint& endpoint) : endpoint_(endpoint) {}

  void add(const ServerEntry& server, const store::VirtualServer::Source& source, Sort sort) {
    if (!server.catalogue) return;
    for (const Definition& definition : server.catalogue->of(sort)) {
      if (!chosen(source, definition.name) || !server.serves(sort, definition)) continue;
      if (!is_pinned_version(source, definition)) continue;
      Export out;
      out.server = &server;
      out.definition = &definition;
      out.by_name = !source.tool.empty();
      const std::string& server_name = server.config->document.name;
      out.rewrites_uri = server.config->document.uri_prefix;
      if (is_uri(sort)) {
        out.name = server.uri_prefix() + definition.name;
      } else if (!source.as.empty()) {
        out.name = source.as;
      } else {
        // Clients keep their names whichever environment's server answers.
        out.name = mcp::exported_name(source.from.empty() ? server_name : source.from, definition.name,
                                      source.prefix);
      }
      Members changed{{name_member(sort), json::quote(out.name)}};
      if (out.rewrites_uri && sort == Sort::tool) {
        // MCP Apps: a tool names the resource that shows it, and that has another URI here.
        if (auto meta = mcp::prefix_app_resource(definition.object, server.uri_prefix()))
          changed.emplace_back("_meta", std::move(*meta));
      }
      describe(source, definition, changed);
      if (!source.preset.empty() || !source.hide.empty()) {
        if (!withhold(source, definition, out, changed)) continue;
      }
      out.legacy = mcp::rebuild_object(definition.object, changed, {});
      out.digest = std::hash<std::string_view>{}(out.legacy);
      // 2025-11-25 task support does not interoperate with the modern extension, so it is not offered there.
      out.modern =
          sort == Sort::tool ? mcp::rebuild_object(definition.object, changed, {"execution"}) : out.legacy;
      if (sort == Sort::tool) suit_legacy(out.legacy);
      table(sort).items.push_back(std::move(out));
    }
    if (sort != Sort::tool && sort != Sort::prompt) return;
    for (const auto& [name, hash] : source.pin) {
      const bool found = std::ranges::any_of(server.catalogue->of(sort), [&](const Definition& definition) {
        return definition.name == name && chosen(source, name);
      });
      if (!found)
        endpoint_.problems.push_back("a pin names '" + mcp::escaped(name) +
                                     "', which this source does not have: it pins nothing");
    }
  }

  /// A name that two definitions claim belongs to neither, so that no call can reach the wrong one.
  void settle() {
    for (Exports* exports :
         {&endpoint_.tools, &endpoint_.prompts, &endpoint_.resources, &endpoint_.templates}) {
      auto& items = exports->items;
      std::sort(items.begin(), items.end(), [](const Export& a, const Export& b) {
        return std::tie(a.name, a.definition->canonical) < std::tie(b.name, b.definition->canonical);
      });
      std::vector<Export> kept;
      for (std::size_t i = 0; i < items.size();) {
        std::size_t end = i + 1;
        while (end < items.size() && items[end].name == items[i].name) ++end;
        const auto group = std::span(items).subspan(i, end - i);
        // A source that names a tool says how it is exported; one whose pattern includes it as well does not.
        const auto chosen = std::ranges::find_if(group, &Export::by_name);
        Export& first = chosen == group.end() ? group.front() : *chosen;
        const bool same = std::ranges::all_of(group, [&](const Export& other) {
          return other.definition == first.definition &&
                 (other.by_name != first.by_name || is_alike(other, first));
        });
        if (same) {
          kept.push_back(std::move(first));
        } else {
          if (exports == &endpoint_.resources) endpoint_.contested.insert(items[i].name);
          std::string claims;
          for (std::size_t k = i; k < end; ++k)
            claims += (k > i ? ", " : "") + items[k].definition->canonical;
          endpoint_.problems.push_back("'" + mcp::escaped(items[i].name) + "' is claimed by " +
                                       mcp::escaped(claims) +
                                       "; it is left out until one of them is renamed");
        }
        i = end;
      }
      items = std::move(kept);
      exports->index();
    }
  }

 private:
  using Members = std::vector<std::pair<std::string_view, std::string>>;

  static void describe(const store::VirtualServer::Source& source, const Definition& definition,
                       Members& changed) {
    if (!source.title.empty()) changed.emplace_back("title", json::quote(source.title));
    if (!source.description.empty()) changed.emplace_back("description", json::quote(source.description));
    if (source.annotations.empty()) return;
    const auto over = json::Document::parse(source.annotations);
    const auto base = definition.object.find("annotations");
    if (!over) return;
    changed.emplace_back("annotations", base && base->is(json::Kind::object)
                                            ? mcp::merge_objects(*base, over->root())
                                            : source.annotations);
  }

  static void suit_legacy(std::string& tool) {
    const auto document = json::Document::parse(tool, json::kUpstream);
    auto suited = document ? mcp::legacy_tool(document->root()) : std::nullopt;
    if (suited) tool = std::move(*suited);
  }

  /// False where the arguments cannot be taken out of the tool's schema: it is then not exported.
  bool withhold(const store::VirtualServer::Source& source, const Definition& definition, Export& out,
                Members& changed) {
    auto own = std::make_shared<OwnArguments>(OwnArguments{.preset = source.preset, .hidden = source.hide});
    std::vector<std::string> preset;
    for (const store::Preset& one : source.preset) preset.push_back(one.argument);
    auto schema = mcp::narrow_schema(*definition.object.find("inputSchema"), preset, source.hide);
    if (!schema) {
      const Error& error = schema.error();
      endpoint_.problems.push_back("'" + mcp::escaped(definition.canonical) +
                                   "' is left out: " + (error.hint.empty() ? error.what : error.hint));
      return false;
    }
    changed.emplace_back("inputSchema", std::move(*schema));
    out.own = std::move(own);
    return true;
  }

  static bool is_alike(const Export& a, const Export& b) {
    return a.legacy == b.legacy && (a.own && b.own ? *a.own == *b.own : a.own == b.own);
  }

  /// False for a version that is not the one that the source names.
  bool is_pinned_version(const store::VirtualServer::Source& source, const Definition& definition) {
    const auto pin = source.pin.find(definition.name);
    if (pin == source.pin.end() || definition.hash.starts_with(pin->second)) return true;
    endpoint_.problems.push_back("'" + mcp::escaped(definition.canonical) + "' is pinned to " + pin->second +
                                 " and is " + definition.hash.substr(0, limits::kShownDigits) +
                                 " now; it is left out until one of them changes");
    return false;
  }
  static bool chosen(const store::VirtualServer::Source& source, const std::string& name) {
    if (!source.tool.empty()) return source.tool == name;
    return std::any_of(source.include.begin(), source.include.end(),
                       [&](const std::string& glob) { return policy::glob_match(glob, name); });
  }
  Exports& table(Sort sort) {
    switch (sort) {
      case Sort::tool:
        return endpoint_.tools;
      case Sort::prompt:
        return endpoint_.prompts;
      case Sort::resource:
        return endpoint_.resources;
      case Sort::resource_template:
        return endpoint_.templates;
    }
    return endpoint_.tools;
  }
  Endpoint& endpoint_;
};

std::string server_info(const Endpoint& endpoint) {
  std::string out = "{\"name\":" + json::quote(endpoint.name) + ",\"version\":\"" SALLYPORT_VERSION "\"";
  if (!endpoint.title.empty()) out += ",\"title\":" + json::quote(endpoint.title);
  return out + "}";
}

/// What any of the servers offers; the first to name an extension says how.
std::string extensions_of(const Endpoint& endpoint) {
  std::string out = "{";
  std::set<std::string> named;
  for (const ServerEntry* server : endpoint.servers) {
    if (!server->catalogue) continue;
    const auto document = json::Document::parse(server->catalogue->extensions, json::kUpstream);
    if (!document) continue;
    for (const auto& member : document->root().members()) {
      if (!named.insert(member.key()).second) continue;
      out += (out.size() > 1 ? "," : "") + json::quote(member.key()) + ":" + std::string(member.value.raw());
    }
  }
  return out + "}";
}

std::unique_ptr<Endpoint> merged_endpoint(const Snapshot& snapshot) {
  auto endpoint = std::make_unique<Endpoint>();
  endpoint->path = "/mcp";
  endpoint->name = "sallyport";
  endpoint->title = "Sallyport";
  Composer composer(*endpoint);
  const store::VirtualServer::Source everything{};
  for (const auto& server : snapshot.servers) {
    endpoint->servers.push_back(server.get());
    for (const Sort sort : {Sort::tool, Sort::prompt, Sort::resource, Sort::resource_template})
      composer.add(*server, everything, sort);
  }
  composer.settle();
  endpoint->server_info = server_info(*endpoint);
  endpoint->extensions = extensions_of(*endpoint);
  return endpoint;
}

std::unique_ptr<Endpoint> virtual_endpoint(const Snapshot& snapshot, const store::VirtualServer& document) {
  auto endpoint = std::make_unique<Endpoint>();
  endpoint->path = "/mcp/" + document.name;
  endpoint->name = document.name;
  endpoint->title = document.title;
  endpoint->instructions = document.instructions;
  endpoint->anonymous = document.access == store::VirtualServer::Access::anonymous;
  endpoint->grants = document.grants;
  Composer composer(*endpoint);
  std::set<const ServerEntry*> used;
  const auto add = [&](const std::vector<store::VirtualServer::Source>& sources,
                       std::initializer_list<Sort> sorts) {
    for (const auto& source : sources) {
      const std::string& name = source.server_in(snapshot.environment);
      const ServerEntry* server = snapshot.server(name);
      if (!server) {
        endpoint->problems.push_back("server '" + name + "' does not exist or is disabled");
        continue;
      }
      used.insert(server);
      for (const Sort sort : sorts) composer.add(*server, source, sort);
    }
  };
  add(document.tools, {Sort::tool});
  add(document.prompts, {Sort::prompt});
  add(document.resources, {Sort::resource, Sort::resource_template});
  composer.settle();
  endpoint->servers.assign(used.begin(), used.end());
  endpoint->server_info = server_info(*endpoint);
  endpoint->extensions = extensions_of(*endpoint);
  return endpoint;
}

}  // namespace

bool ServerEntry::serves(Sort sort, const Definition& definition) const {
  static const Pins nothing;
  return (pins ? *pins : nothing).serve(sort, definition, config->document.trust);
}

std::string ServerEntry::uri_prefix() const {
  return config->document.uri_prefix ? config->document.name + "+" : std::string();
}

const Export* Exports::find(std::string_view name) const {
  const auto it = by_name_.find(name);
  return it == by_name_.end() ? nullptr : &items[it->second];
}

void Exports::index() {
  by_name_.clear();
  for (std::size_t i = 0; i < items.size(); ++i) by_name_.emplace(items[i].name, i);
}

bool Endpoint::awaited() const {
  return std::ranges::any_of(servers, [](const ServerEntry* server) { return server->awaited; });
}

std::optional<Endpoint::ResourceHit> Endpoint::resource(std::string_view uri) const {
  if (const Export* exact = resources.find(uri)) return ResourceHit{exact, false};
  if (contested.contains(uri)) return std::nullopt;
  const Export* hit = nullptr;
  for (const Export& candidate : templates.items) {
    if (!mcp::template_matches(candidate.name, uri)) continue;
    // Two servers whose templates both fit: nobody can say whose resource this is.
    if (hit && hit->server != candidate.server) return std::nullopt;
    if (!hit) hit = &candidate;
  }
  if (!hit) return std::nullopt;
  return ResourceHit{hit, true};
}

const Endpoint* Snapshot::endpoint(std::string_view path) const {
  const auto it = endpoints.find(std::string(path));
  return it == endpoints.end() ? nullptr : it->second.get();
}

const ServerEntry* Snapshot::server(std::string_view name) const {
  for (const auto& entry : servers) {
    if (entry->config->document.name == name) return entry.get();
  }
  return nullptr;
}

namespace {

/// A pattern that names no provider means its models at all of them.
std::vector<std::string> everywhere(const std::vector<std::string>& models) {
  std::vector<std::string> out;
  for (const std::string& glob : models)
    out.push_back(glob.find('/') == std::string::npos ? "*/" + glob : glob);
  return out;
}

}  // namespace

policy::Policy policy_of(store::PolicyDocument document) {
  policy::Policy out{.name = std::move(document.name),
                     .subjects = std::move(document.subjects),
                     .environments = std::move(document.environments),
                     .rules = {}};
  out.rules.reserve(document.rules.size());
  for (auto& rule : document.rules) {
    out.rules.push_back({.effect = rule.allow ? policy::Effect::allow : policy::Effect::deny,
                         .tools = std::move(rule.tools),
                         .prompts = std::move(rule.prompts),
                         .resources = std::move(rule.resources),
                         .servers = std::move(rule.servers),
                         .virtual_servers = std::move(rule.virtual_servers),
                         .models = everywhere(rule.models),
                         .brings = everywhere(rule.brings),
                         .scopes = std::move(rule.scopes),
                         .when = std::move(rule.when),
                         .when_line = rule.when_line,
                         .when_column = rule.when_column});
  }
  return out;
}

Result<std::shared_ptr<const policy::RuleSet>> take_policies(std::vector<store::AnyDocument>& documents,
                                                             std::string_view environment) {
  std::vector<policy::Policy> policies;
  std::erase_if(documents, [&](store::AnyDocument& document) {
    auto* policy = std::get_if<store::PolicyDocument>(&document);
    if (policy) policies.push_back(policy_of(std::move(*policy)));
    return policy != nullptr;
  });
  return policy::RuleSet::compile(std::move(policies), environment);
}

std::shared_ptr<const Snapshot> build_snapshot(SnapshotParts parts) {
  auto snapshot = std::make_shared<Snapshot>();
  snapshot->generation = parts.generation;
  snapshot->environment = std::move(parts.environment);
  snapshot->public_url = std::move(parts.public_url);
  const auto directory = std::make_shared<const identity::Directory>(parts.documents);
  snapshot->keys = identity::KeyTable::build(parts.keys, *directory);
  snapshot->issuers =
      std::make_shared<const identity::IssuerTable>(parts.documents, parts.issuers, directory, parts.own);

  snapshot->model_calls.path = "/v1";
  snapshot->model_calls.name = "v1";
  snapshot->models = parts.models ? parts.models : std::make_shared<const ModelTable>();

  snapshot->rules = parts.rules ? std::move(parts.rules) : std::make_shared<const policy::RuleSet>();

  std::sort(parts.servers.begin(), parts.servers.end(), [](const ServerEntry& a, const ServerEntry& b) {
    return a.config->document.name < b.config->document.name;
  });
  for (ServerEntry& entry : parts.servers)
    snapshot->servers.push_back(std::make_unique<ServerEntry>(std::move(entry)));

  auto merged = merged_endpoint(*snapshot);
  snapshot->endpoints.emplace(merged->path, std::move(merged));
  for (const auto& document : parts.documents) {
    if (const auto* composed = std::get_if<store::VirtualServer>(&document)) {
      auto endpoint = virtual_endpoint(*snapshot, *composed);
      snapshot->endpoints.emplace(endpoint->path, std::move(endpoint));
    }
  }
  return snapshot;
}

}  // namespace sallyport::gateway
