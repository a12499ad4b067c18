#include "sallyport/gateway/why.hpp"

#include <algorithm>

#include "access.hpp"
#include "sallyport/mcp/names.hpp"

namespace sallyport::gateway {
namespace {

/// By its name at the endpoint, or by what it is called everywhere.
const Export* find(const Endpoint& endpoint, policy::Object object, const std::string& target) {
  const Exports& exports = exported(endpoint, object);
  if (const Export* named = exports.find(target)) return named;
  if (const Export* item = export_of(endpoint, object, target)) return item;
  if (object != policy::Object::resource) return nullptr;
  const auto hit = endpoint.resource(target);
  return hit ? hit->entry : nullptr;
}

Result<WhyAnswer> why_model(const std::shared_ptr<const Snapshot>& snapshot,
                            const std::shared_ptr<const policy::Principal>& principal, const WhyQuery& query,
                            SystemTime now) {
  const Endpoint& endpoint = snapshot->model_calls;
  WhyAnswer out{.endpoint = endpoint.path, .canonical = query.target};
  const auto place = snapshot->models->locate({}, query.target, llm::Wire::chat, now);
  if (place) {
    out.canonical = place->canonical;
  } else {
    out.notes.push_back("no provider or virtual key that can be used now has a model of this name");
  }
  std::optional<CallFacts> facts;
  if (query.arguments) facts = CallFacts{.arguments = *query.arguments, .client_ip = "127.0.0.1", .now = now};
  Access access(snapshot, principal);
  out.explanation = access.explain(endpoint, policy::Object::model, out.canonical, nullptr, facts);
  out.allowed = place && out.explanation.decision.allowed();
  // What stands behind a virtual key, or an alias, may be denied by its own name.
  for (const std::string& other : place ? place->other_names() : std::vector<std::string>()) {
    auto also = access.explain(endpoint, policy::Object::model, other, nullptr, facts);
    if (also.decision.allowed() || also.decision.rule == "default") continue;
    out.notes.push_back("it is " + other + " as well, and that is denied");
    out.explanation = std::move(also);
    out.allowed = false;
    break;
  }
  return out;
}

}  // namespace

Result<WhyAnswer> why(const std::shared_ptr<const Snapshot>& snapshot,
                      const std::shared_ptr<const policy::Principal>& principal, const WhyQuery& query,
                      SystemTime now) {
  if (query.object == policy::Object::model) return why_model(snapshot, principal, query, now);
  WhyAnswer out;
  out.endpoint = query.virtual_server.empty() ? "/mcp" : "/mcp/" + query.virtual_server;
  const Endpoint* endpoint = snapshot->endpoint(out.endpoint);
  if (!endpoint)
    return client_error(Code::not_found, "there is no virtual server '" + query.virtual_server +
                                             "'; `sallyport get virtual-servers` shows those there are");
  Access access(snapshot, principal);
  bool reachable = true;
  const auto stop = [&](std::string note) {
    reachable = false;
    out.notes.push_back(std::move(note));
  };
  const auto entered = access.enters(*endpoint);
  if (!entered.allowed())
    stop(entered.rule == "default"
             ? out.endpoint +
                   " grants what it contains, and no rule allows this principal to use it: add "
                   "{effect: allow, virtual_servers: [" +
                   endpoint->name + "]}"
             : out.endpoint + " does not exist for this principal: " + entered.rule + " denies it");

  const Export* item = find(*endpoint, query.object, query.target);
  const Definition* definition = item ? item->definition : nullptr;
  out.canonical = definition ? definition->canonical : query.target;
  if (!item) {
    const Export* elsewhere = find(*snapshot->endpoint("/mcp"), query.object, query.target);
    if (elsewhere) out.canonical = elsewhere->definition->canonical;
    stop(elsewhere ? "no source of " + out.endpoint + " includes it, so it does not exist there"
                   : "no server offers it now: it is unknown, withheld, or its server was never reached");
  } else if (query.object == policy::Object::resource && item->name != query.target &&
             definition->canonical != query.target) {
    // A template's: its name at the server is the client's less the prefix that `uris: prefix` puts before.
    const std::string& server = item->server->config->document.name;
    out.canonical = mcp::canonical_name(
        server, item->rewrites_uri ? query.target.substr(server.size() + 1) : query.target);
  }

  std::optional<CallFacts> facts;
  std::string arguments;
  if (query.arguments) {
    const auto given = json::Document::parse(*query.arguments);
    if (!given || !given->root().is(json::Kind::object))
      return client_error(Code::bad_request, "the arguments must be a JSON object");
    arguments = *query.arguments;
    if (item && item->own) {
      auto built = complete_arguments(*item->own, *principal, given->root());
      if (built) {
        arguments = std::move(*built);
      } else {
        stop(built.error().code == Code::not_found ? "this principal lacks a claim that a preset is made from"
                                                   : built.error().hint);
      }
    }
    facts = CallFacts{.arguments = arguments, .client_ip = "127.0.0.1", .now = now};
  } else if (item && !access.shows(*endpoint, query.object, *item) &&
             access.lists(*endpoint, query.object, out.canonical, definition).allowed()) {
    stop("this principal lacks a claim that a preset is made from");
  }
  out.explanation =
      entered.allowed()
          ? access.explain(*endpoint, query.object, out.canonical, definition, facts)
          : access.explain(*endpoint, policy::Object::virtual_server, endpoint->name, nullptr, {});
  out.allowed = reachable && out.explanation.decision.allowed();
  return out;
}

}  // namespace sallyport::gateway
