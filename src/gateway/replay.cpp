#include "sallyport/gateway/replay.hpp"

#include <algorithm>

#include "access.hpp"

namespace sallyport::gateway {
namespace {

using What = Redecision::What;

std::optional<policy::Object> object_of(std::string_view method) {
  if (method == "tools/call") return policy::Object::tool;
  if (method == "prompts/get") return policy::Object::prompt;
  if (method == "resources/read" || method == "resources/subscribe") return policy::Object::resource;
  return std::nullopt;
}

/// What follows the server's name.
std::string_view uri_of(std::string_view canonical) {
  return canonical.substr(std::min(canonical.find('/') + 1, canonical.size()));
}

/// What the endpoint exports of that canonical name: the same tool may stand there more than once.
std::vector<const Export*> exports_of(const Endpoint& endpoint, policy::Object object,
                                      std::string_view canonical) {
  std::vector<const Export*> out;
  for (const Export& item : exported(endpoint, object).items)
    if (item.definition->canonical == canonical) out.push_back(&item);
  if (!out.empty() || object != policy::Object::resource) return out;
  // Read through a template, by the URI that its clients use.
  const std::string_view server = canonical.substr(0, canonical.find('/'));
  const std::string uri(uri_of(canonical));
  for (const std::string& exported_uri : {uri, std::string(server) + "+" + uri}) {
    const auto hit = endpoint.resource(exported_uri);
    if (hit && hit->entry->server->config->document.name == server) out.push_back(hit->entry);
  }
  return out;
}

}  // namespace

Replay::Replay(std::shared_ptr<const Snapshot> snapshot, std::vector<store::AnyDocument> documents)
    : snapshot_(std::move(snapshot)), documents_(std::move(documents)), directory_(documents_) {}
Replay::~Replay() = default;

bool Replay::concerns(std::string_view method, std::string_view target) {
  return target.empty() || object_of(method).has_value();
}

Access* Replay::access_of(const std::string& principal) {
  const auto known = callers_.find(principal);
  if (known != callers_.end()) return known->second.get();
  std::unique_ptr<Access> access;
  if (auto found = directory_.named(principal))
    access =
        std::make_unique<Access>(snapshot_, std::make_shared<const policy::Principal>(std::move(*found)));
  return callers_.emplace(principal, std::move(access)).first->second.get();
}

Redecision Replay::decide(const RecordedCall& call, std::optional<std::string_view> arguments) {
  const Endpoint* endpoint = snapshot_->endpoint(call.endpoint);
  if (!endpoint) return {.what = What::denied, .rule = "there is no " + call.endpoint};
  Access* const access = access_of(call.principal);
  if (!access) return {.what = What::denied, .rule = "there is no such principal"};
  const auto object = object_of(call.method);
  // What a reader of a resource gives is its URI, as the request path has it.
  std::string uri;
  if (object == policy::Object::resource)
    arguments = uri = "{\"uri\":" + json::quote(uri_of(call.target)) + "}";
  const CallFacts facts{.arguments = arguments.value_or(std::string_view()),
                        .client_ip = call.client_ip,
                        .now = time_of_millis(call.millis),
                        .arguments_known = arguments.has_value()};
  // At the door no arguments were read yet.
  const CallFacts at_door{.arguments = {}, .client_ip = facts.client_ip, .now = facts.now};
  auto entered = access->enters(*endpoint, &at_door);
  if (!entered.allowed()) return {.what = What::denied, .rule = std::move(entered.rule)};
  if (call.target.empty() || !object) return {.what = What::allowed, .rule = std::move(entered.rule)};

  const auto items = exports_of(*endpoint, *object, call.target);
  const Export* item = items.empty() ? nullptr : items.front();
  if (!item && !exports_of(*snapshot_->endpoint("/mcp"), *object, call.target).empty())
    return {.what = What::denied, .rule = "no source of " + call.endpoint + " includes it"};
  // What no server offers any more can only be judged by its name, where the endpoint adds nothing of its
  // own.
  if (!item && (endpoint->grants || endpoint->anonymous))
    return {.what = What::undetermined, .rule = "no server offers it now"};
  const Definition* definition = item ? item->definition : nullptr;
  auto listed = access->lists(*endpoint, *object, call.target, definition);
  if (!listed.allowed()) return {.what = What::denied, .rule = std::move(listed.rule)};
  if (item &&
      std::ranges::none_of(items, [&](const Export* one) { return access->shows(*endpoint, *object, *one); }))
    return {.what = What::denied, .rule = "a claim that a preset is made from is missing"};
  auto decision = access->calls(*endpoint, *object, call.target, definition, facts);
  if (decision.allowed()) return {.what = What::allowed, .rule = std::move(decision.rule)};
  // Conditions that could not be decided were taken for the worse.
  if (!arguments && decision.read_args)
    return {.what = What::undetermined, .rule = "its arguments are not known"};
  return {.what = What::denied, .rule = std::move(decision.rule)};
}

}  // namespace sallyport::gateway
