#include "sallyport/gateway/catalogue.hpp"

#include <unordered_map>
#include <unordered_set>

#include "sallyport/core/crypto.hpp"
#include "sallyport/core/limits.hpp"
#include "sallyport/mcp/message.hpp"
#include "sallyport/mcp/names.hpp"
#include "sallyport/mcp/suspicion.hpp"

namespace sallyport::gateway {
namespace {

/// A URI is shown and compared, never interpreted; it only must not be able to forge lines or hide.
Result<void> check_uri(std::string_view uri) {
  if (uri.empty() || uri.size() > 4 * limits::KiB)
    return fail(Code::upstream_broken, Blame::upstream, "URI is empty or too long");
  for (const char c : uri) {
    if (static_cast<unsigned char>(c) <= 0x20 || c == 0x7f)
      return fail(Code::upstream_broken, Blame::upstream, "URI has a control character or space");
  }
  return {};
}

Result<Definition> read_definition(std::string_view server, json::Value object, Sort sort) {
  if (!object.is(json::Kind::object))
    return fail(Code::upstream_broken, Blame::upstream, "definition is no object");
  if (object.raw().size() > limits::kDefinitionBytes)
    return fail(Code::upstream_broken, Blame::upstream, "definition is over 256 KiB");
  const auto member = object.find(name_member(sort));
  const auto name = member ? member->string() : std::nullopt;
  if (!name) return fail(Code::upstream_broken, Blame::upstream, "definition has no name");
  const bool named = sort == Sort::tool || sort == Sort::prompt;
  if (auto sound = named ? mcp::check_definition_name(*name) : check_uri(*name); !sound)
    return Failure(sound.error());

  Definition out{.name = *name, .canonical = mcp::canonical_name(server, *name), .object = object};
  if (sort == Sort::tool) {
    const auto schema = object.find("inputSchema");
    if (!schema || !schema->is(json::Kind::object))
      return fail(Code::upstream_broken, Blame::upstream, "tool has no inputSchema object");
    auto params = mcp::header_params(*schema);
    if (!params) return Failure(params.error());
    out.header_params = std::move(*params);
  }
  if (sort != Sort::resource) {
    out.hash = sha256_hex(json::canonical(object));
    out.suspicions = mcp::suspicions(object);
  }
  return out;
}

}  // namespace

namespace {

/// Extensions that travel through us: their methods are known here, or they have none.
constexpr std::string_view kExtensions[] = {"io.modelcontextprotocol/tasks", "io.modelcontextprotocol/ui"};

std::string known_extensions(json::Value capabilities) {
  const auto extensions = capabilities.find("extensions");
  std::string out = "{";
  for (const std::string_view name : kExtensions) {
    const auto value = extensions ? extensions->find(name) : std::nullopt;
    if (!value || !value->is(json::Kind::object)) continue;
    out += (out.size() > 1 ? "," : "") + json::quote(name) + ":" + std::string(value->raw());
  }
  return out + "}";
}

void read_server_info(Catalogue& catalogue, const std::string& raw) {
  const auto info = json::Document::parse(raw, json::kUpstream);
  if (!info) return;
  const auto version = info->root().find("version");
  catalogue.modern = version && version->string() == mcp::text_of(mcp::kModern);
  if (const auto capabilities = info->root().find("capabilities"))
    catalogue.extensions = known_extensions(*capabilities);
}

}  // namespace

std::string_view name_member(Sort sort) {
  switch (sort) {
    case Sort::tool:
    case Sort::prompt:
      return "name";
    case Sort::resource:
      return "uri";
    case Sort::resource_template:
      return "uriTemplate";
  }
  return "name";
}

const std::vector<Definition>& Catalogue::of(Sort sort) const {
  switch (sort) {
    case Sort::tool:
      return tools;
    case Sort::prompt:
      return prompts;
    case Sort::resource:
      return resources;
    case Sort::resource_template:
      return templates;
  }
  return tools;
}

Result<std::shared_ptr<const Catalogue>> Catalogue::build(const store::StoredCatalogue& stored) {
  auto catalogue = std::shared_ptr<Catalogue>(new Catalogue(stored));
  read_server_info(*catalogue, stored.server_info);
  const struct {
    const std::string& raw;
    std::vector<Definition>& into;
    Sort sort;
  } lists[] = {{stored.tools, catalogue->tools, Sort::tool},
               {stored.prompts, catalogue->prompts, Sort::prompt},
               {stored.resources, catalogue->resources, Sort::resource},
               {stored.templates, catalogue->templates, Sort::resource_template}};
  for (const auto& list : lists) {
    auto document = json::Document::parse(list.raw, json::kUpstream);
    if (!document || !document->root().is(json::Kind::array)) {
      return fail(Code::storage, Blame::us, "stored catalogue of server '" + stored.server + "' is damaged");
    }
    std::unordered_set<std::string> seen;
    std::unordered_map<std::string, std::string> shapes;
    for (const json::Value object : document->root().elements()) {
      if (list.into.size() >= limits::kToolsPerServer) {
        catalogue->dropped.push_back("more than " + std::to_string(limits::kToolsPerServer) +
                                     " definitions: the rest is left out");
        break;
      }
      auto definition = read_definition(stored.server, object, list.sort);
      if (!definition) {
        catalogue->dropped.push_back(definition.error().what);
        continue;
      }
      if (!seen.insert(definition->name).second) {
        catalogue->dropped.push_back("defined twice: " + mcp::escaped(definition->name));
        continue;
      }
      if (list.sort == Sort::tool || list.sort == Sort::prompt) {
        const auto [first, fresh] = shapes.emplace(mcp::shape_of(definition->name), definition->name);
        if (!fresh) {
          catalogue->dropped.push_back("name \"" + mcp::escaped(definition->name) +
                                       "\" refused: it looks like \"" + mcp::escaped(first->second) +
                                       "\" of the same server");
          continue;
        }
      }
      list.into.push_back(std::move(*definition));
    }
    catalogue->documents_.push_back(std::move(*document));
  }
  return std::shared_ptr<const Catalogue>(std::move(catalogue));
}

}  // namespace sallyport::gateway
