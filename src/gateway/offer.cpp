#include "offer.hpp"

#include "call.hpp"
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

}  // namespace

std::optional<identity::Offer> offer_to(Call& call, policy::Principal who, std::string_view path) {
  const Endpoint* const endpoint = call.snapshot->endpoint(path);
  if (!endpoint) return std::nullopt;
  Access access(call.snapshot, std::make_shared<const policy::Principal>(std::move(who)));
  if (!access.enters(*endpoint).allowed()) return std::nullopt;
  identity::Offer out{.title = endpoint->title};
  for (const auto& item : endpoint->tools.items)
    if (access.shows(*endpoint, policy::Object::tool, item)) out.tools.push_back(shown(item));
  out.prompts = count(access, *endpoint, policy::Object::prompt);
  out.resources = count(access, *endpoint, policy::Object::resource);
  return out;
}

}  // namespace sallyport::gateway
