#include "sallyport/gateway/model_table.hpp"

#include <algorithm>
#include <utility>

#include "sallyport/core/bytes.hpp"
#include "sallyport/mcp/names.hpp"
#include "sallyport/policy/rules.hpp"

namespace sallyport::gateway {
namespace {

bool matches(const std::vector<std::string>& globs, std::string_view model) {
  return std::ranges::any_of(globs, [&](const std::string& glob) { return policy::glob_match(glob, model); });
}

/// There the name is a step of the URL's path.
bool is_deployment(std::string_view name) {
  return name != "." && name != ".." && std::ranges::all_of(name, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                  c == '_' || c == '.';
         });
}

ModelPlace place_at(const ModelHandle& handle, std::string_view asked) {
  const auto& aliases = handle.provider->document.aliases;
  const auto alias = aliases.find(std::string(asked));
  ModelPlace out{.handle = &handle,
                 .model = alias == aliases.end() ? std::string(asked) : alias->second,
                 .asked = std::string(asked),
                 .canonical = {}};
  out.canonical = handle.name + "/" + out.model;
  return out;
}

std::shared_ptr<ProviderEntry> entry_of(const store::Provider& document) {
  auto entry = std::make_shared<ProviderEntry>();
  entry->document = document;
  entry->kind = llm::provider_kind(document.api);
  if (!entry->kind) {
    entry->problem = "this version knows no api '" + document.api + "'";
    return entry;
  }
  if (auto placed = place_provider(*entry); !placed) {
    entry->problem = entry->base_url.empty() ? "it has no base_url" : placed.error().what;
    return entry;
  }
  const auto note_version = [&](const auto& headers) {
    for (const auto& [name, value] : headers)
      if (equal_ignoring_case(name, "anthropic-version")) entry->messages_version = value;
  };
  note_version(entry->kind->headers);
  note_version(document.headers);
  for (const auto& [name, value] : document.headers) {
    if (!net::append_header(entry->fixed_lines, name, value))
      entry->problem = "header '" + name + "' has a byte that no header may carry";
  }
  return entry;
}

/// How surely a provider has a model that was named without it.
enum class Claim : std::uint8_t { none, has_wire, is_catalogued, is_configured };

Claim claim_of(const ModelHandle& handle, std::string_view model, llm::Wire client) {
  const ProviderEntry& provider = *handle.provider;
  if (!provider.kind) return Claim::none;
  const auto& document = provider.document;
  if (document.aliases.contains(std::string(model))) return Claim::is_configured;
  if (!document.models.empty()) return matches(document.models, model) ? Claim::is_configured : Claim::none;
  if (llm::model(provider.kind->prices, model)) return Claim::is_catalogued;
  // Whoever writes "nobody/gpt-5" means a provider, and must not end at another.
  return provider.speaks(client) && !model.contains('/') ? Claim::has_wire : Claim::none;
}

}  // namespace

Result<void> place_provider(ProviderEntry& entry) {
  const store::Provider& document = entry.document;
  entry.base_url = document.base_url.empty() ? entry.kind->base_url : document.base_url;
  while (entry.base_url.ends_with('/')) entry.base_url.pop_back();
  auto url = net::parse_url(entry.base_url);
  if (!url) return Failure(url.error());
  entry.base_path = url->path == "/" ? "" : url->path;
  entry.origin = {.url = *url, .allow_private = document.allow_private, .ca_file = document.ca_file};
  return {};
}

std::pair<std::string_view, std::string_view> key_header(llm::Auth auth) {
  switch (auth) {
    case llm::Auth::x_api_key:
      return {"x-api-key", ""};
    case llm::Auth::api_key:
      return {"api-key", ""};
    case llm::Auth::key:
      return {"Authorization", "Key"};
    case llm::Auth::bearer:
    case llm::Auth::none:
      break;
  }
  return {"Authorization", "Bearer"};
}

std::string asked_as(const llm::TargetRef& target, std::string_view model) {
  std::string_view at = target.virtual_key.empty() ? target.provider : target.virtual_key;
  if (at.starts_with('@')) at.remove_prefix(1);
  std::string_view plain = model;
  if (plain.starts_with('@')) plain.remove_prefix(1);
  const bool said = at.empty() || (plain.starts_with(at) && plain.substr(at.size()).starts_with('/'));
  return said ? std::string(model) : std::string(at) + "/" + std::string(model);
}

Failure unknown_model(std::string_view asked) {
  return client_error(Code::not_found,
                      "The model '" + mcp::escaped(asked) +
                          "' does not exist, or you have no access to it. Models are named PROVIDER/MODEL; "
                          "GET /v1/models lists yours.");
}

std::vector<std::string> ModelPlace::other_names() const {
  const std::string& provider = handle->provider->document.name;
  std::vector<std::string> out;
  const auto add = [&](std::string name) {
    if (name != canonical && std::ranges::find(out, name) == out.end()) out.push_back(std::move(name));
  };
  for (const std::string& before : {provider, handle->name}) {
    add(before + "/" + model);
    add(before + "/" + asked);
    // There a deployment is found whatever the case of its name.
    if (handle->provider->kind && handle->provider->kind->azure) add(before + "/" + lower(model));
  }
  return out;
}

bool ProviderEntry::speaks(llm::Wire wire) const {
  return kind && std::ranges::find(kind->wires, wire) != kind->wires.end();
}

llm::Wire ProviderEntry::wire_for(llm::Wire client) const {
  return speaks(client) ? client : kind->wires.front();
}

bool ModelHandle::serves(std::string_view model) const {
  const auto& own = provider->document.models;
  return (own.empty() || matches(own, model)) && (models.empty() || matches(models, model));
}

ModelTable::ModelTable(std::vector<ModelHandle> handles, const std::vector<store::Route>& routes) {
  for (ModelHandle& handle : handles) {
    std::string name = handle.name;
    handles_.emplace(std::move(name), std::move(handle));
  }
  for (const store::Route& route : routes) {
    auto config = json::Document::parse(route.config);
    if (!config) {
      routes_.emplace(route.name, Failure(config.error()));
    } else {
      routes_.emplace(route.name, llm::read_route(config->root()));
    }
  }
}

const ModelHandle* ModelTable::handle(std::string_view name) const {
  const auto it = handles_.find(name);
  return it == handles_.end() ? nullptr : &it->second;
}

Result<std::shared_ptr<const llm::Route>> ModelTable::route(std::string_view name) const {
  const auto it = routes_.find(name);
  if (it == routes_.end())
    return client_error(Code::not_found, "There is no route '" + mcp::escaped(name) +
                                             "'. x-portkey-config takes the name of a Route or a config as "
                                             "JSON.");
  if (!it->second)
    return fail(Code::unavailable, Blame::admin,
                "route '" + std::string(name) + "': " + it->second.error().what);
  return it->second;
}

Result<ModelPlace> ModelTable::locate(const llm::TargetRef& target, std::string_view model, llm::Wire client,
                                      SystemTime now) const {
  const auto unknown = [&target, model] { return unknown_model(asked_as(target, model)); };
  const bool has_at = model.starts_with('@');
  if (has_at) model.remove_prefix(1);
  const auto slash = model.find('/');
  const std::string_view before =
      slash == std::string_view::npos ? std::string_view() : model.substr(0, slash);
  const ModelHandle* named = before.empty() ? nullptr : handle(before);
  const ModelHandle* at = named;
  if (!target.empty()) {
    std::string_view name = target.virtual_key.empty() ? target.provider : target.virtual_key;
    if (name.starts_with('@')) name.remove_prefix(1);
    at = handle(name);
    if (!at ||
        (!target.virtual_key.empty() &&
         (!at->is_virtual || (!target.provider.empty() && at->provider->document.name != target.provider))))
      return unknown();
    // What stands before the model may repeat the target, and is part of the model's name where it does not.
    if (named != at) named = nullptr;
  }
  if (!at) return has_at ? Result<ModelPlace>(unknown()) : search(model, client, now);
  if (named) model.remove_prefix(slash + 1);
  if (model.empty() || !at->usable(now)) return unknown();
  ModelPlace place = place_at(*at, model);
  if (at->provider->kind && at->provider->kind->azure && !is_deployment(place.model)) return unknown();
  if (!at->serves(place.model)) return unknown();
  return place;
}

Result<ModelPlace> ModelTable::search(std::string_view model, llm::Wire client, SystemTime now) const {
  Claim best = Claim::none;
  std::vector<const ModelHandle*> claimants;
  for (const auto& [name, handle] : handles_) {
    // A virtual key is used by whoever names it, and by nobody else.
    if (handle.is_virtual || !handle.usable(now)) continue;
    const Claim claim = claim_of(handle, model, client);
    if (claim == Claim::none || claim < best) continue;
    if (claim > best) claimants.clear();
    best = claim;
    claimants.push_back(&handle);
  }
  if (claimants.empty() || model.empty()) return unknown_model(model);
  if (claimants.size() > 1) {
    // The client's own wire is the one in which nothing is lost.
    const auto same = std::ranges::find_if(
        claimants, [&](const ModelHandle* handle) { return handle->provider->speaks(client); });
    // Two that are equally good: the first by name, so that every request goes the same way.
    if (same != claimants.end()) claimants = {*same};
  }
  ModelPlace place = place_at(*claimants.front(), model);
  const llm::ProviderKind* kind = claimants.front()->provider->kind;
  if (!claimants.front()->serves(place.model) || (kind->azure && !is_deployment(place.model)))
    return unknown_model(model);
  return place;
}

std::shared_ptr<const ModelTable> model_table_of(const std::vector<store::AnyDocument>& documents,
                                                 const ModelSources& sources) {
  const auto line_of = [&](const std::string& credential, const ProviderEntry& provider,
                           std::string& problem) {
    if (credential.empty() || !provider.kind || !sources.line) return Secret();
    return sources.line(credential, *provider.kind, problem);
  };
  std::map<std::string, std::shared_ptr<const ProviderEntry>> providers;
  std::vector<ModelHandle> handles;
  std::vector<store::Route> routes;
  for (const auto& document : documents) {
    if (const auto* route = std::get_if<store::Route>(&document)) routes.push_back(*route);
    const auto* provider = std::get_if<store::Provider>(&document);
    if (!provider) continue;
    const auto entry = entry_of(*provider);
    if (sources.slot) entry->slot = sources.slot(provider->name);
    providers.emplace(provider->name, entry);
    ModelHandle handle{.name = provider->name, .provider = entry, .disabled = provider->disabled};
    handle.credential_line = line_of(provider->credential, *entry, handle.problem);
    handles.push_back(std::move(handle));
  }
  for (const auto& document : documents) {
    const auto* key = std::get_if<store::VirtualKey>(&document);
    const auto provider = key ? providers.find(key->provider) : providers.end();
    if (provider == providers.end()) continue;
    const auto& entry = provider->second;
    ModelHandle handle{.name = key->name,
                       .provider = entry,
                       .is_virtual = true,
                       .models = key->models,
                       .expires = parse_date(key->expires),
                       .disabled = key->disabled || entry->document.disabled};
    const std::string& credential = key->credential.empty() ? entry->document.credential : key->credential;
    handle.credential_line = line_of(credential, *entry, handle.problem);
    handles.push_back(std::move(handle));
  }
  return std::make_shared<const ModelTable>(std::move(handles), routes);
}

}  // namespace sallyport::gateway
