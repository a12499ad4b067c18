#include "login.hpp"

#include "access.hpp"
#include "model_service.hpp"
#include "sallyport/json/document.hpp"

namespace sallyport::gateway {
namespace {

/// As lists show it: with what the virtual server says instead of the tool's own server.
identity::OfferedTool shown(const Export& item) {
  identity::OfferedTool out{.name = item.name, .title = {}};
  const auto definition = json::Document::parse(item.modern, json::kUpstream);
  if (!definition || !definition->root().is(json::Kind::object)) return out;
  if (const auto title = definition->root().find("title")) out.title = title->string().value_or("");
  const auto annotations = definition->root().find("annotations");
  if (!annotations || !annotations->is(json::Kind::object)) return out;
  const auto reads = annotations->find("readOnlyHint");
  out.only_reads = reads && reads->boolean() == true;
  return out;
}

std::size_t count(Access& access, const Endpoint& endpoint, policy::Object object) {
  std::size_t out = 0;
  for (const auto& item : exported(endpoint, object).items)
    out += access.shows(endpoint, object, item) ? 1 : 0;
  return out;
}

/// For somebody who has signed in here. nullopt: there is no such endpoint, or the person may not enter it.
std::optional<identity::Offer> offer_to(Call& call, policy::Principal who, std::string_view path,
                                        SystemTime now) {
  Access access(call.snapshot, std::make_shared<const policy::Principal>(std::move(who)));
  if (const Endpoint& models = call.snapshot->model_calls; path == models.path) {
    if (call.snapshot->models->handles().empty()) return std::nullopt;
    return identity::Offer{
        .title = "Models",
        .models = models_for(access, models, *call.snapshot->models, llm::Wire::chat, now).size()};
  }
  const Endpoint* const endpoint = call.snapshot->endpoint(path);
  if (!endpoint) return std::nullopt;
  if (!access.enters(*endpoint).allowed()) return std::nullopt;
  identity::Offer out{.title = endpoint->title};
  for (const auto& item : endpoint->tools.items)
    if (access.shows(*endpoint, policy::Object::tool, item)) out.tools.push_back(shown(item));
  out.prompts = count(access, *endpoint, policy::Object::prompt);
  out.resources = count(access, *endpoint, policy::Object::resource);
  return out;
}

identity::LoginRequest login_request(Call& call, std::function<void()> keys_changed, SystemTime now) {
  return {.exchange = call.exchange,
          .client = *call.here.client,
          .issuers = call.snapshot->issuers,
          .keys = call.snapshot->keys,
          .scopes = call.snapshot->rules->scopes(),
          .offer = [&call, now](policy::Principal who,
                                std::string_view path) { return offer_to(call, std::move(who), path, now); },
          .keys_changed = std::move(keys_changed),
          .note =
              [&call](std::string_view name, std::string members) {
                call.here.journal.note(name, "\"call\":" + json::quote(call.id) + "," + members);
              },
          .refusal =
              [&call](std::string_view reason, std::string_view who) {
                call.here.journal.refusal({.call = call.id,
                                           .principal = std::string(who),
                                           .endpoint = call.endpoint_path,
                                           .reason = reason,
                                           .client = call.exchange.client_ip(),
                                           .status = 401,
                                           .before_authentication = true});
              }};
}

}  // namespace

Task<Result<Answer>> log_in(Call& call, const Door& door, identity::AuthorizationServer& server,
                            std::function<void()> keys_changed, SystemTime now) {
  const net::Request& request = call.exchange.request();
  const bool open = identity::AuthorizationServer::is_open(request.path);
  auto allowed = open ? door.check_host(request) : door.check_origin(request);
  if (!allowed) co_return Failure(allowed.error());
  if (open) call.cors = Door::open_to_pages();
  if (open && request.method == net::Method::options) co_return Door::preflight(request);
  call.endpoint_path = std::string(request.path);
  net::Reply reply = co_await server.answer(login_request(call, std::move(keys_changed), now));
  call.here.commit_soon();
  co_return std::move(reply);
}

}  // namespace sallyport::gateway
