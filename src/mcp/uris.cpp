#include "sallyport/mcp/compose.hpp"

namespace sallyport::mcp {
namespace {

std::string with_prefix(json::Value uri, std::string_view prefix) {
  return json::quote(std::string(prefix) + uri.string().value_or(""));
}

/// An object with its string member `uri` prefixed.
std::string prefix_uri(json::Value object, std::string_view prefix) {
  const auto uri = object.find("uri");
  if (!uri || !uri->is(json::Kind::string)) return std::string(object.raw());
  return rebuild_object(object, {{"uri", with_prefix(*uri, prefix)}}, {});
}

/// One content block: a link is a resource by itself, an embedded one holds it.
std::string prefix_block(json::Value block, std::string_view prefix) {
  const auto type = block.find("type");
  const std::string kind = type ? type->string().value_or("") : "";
  if (kind == "resource_link") return prefix_uri(block, prefix);
  const auto resource = kind == "resource" ? block.find("resource") : std::nullopt;
  if (!resource || !resource->is(json::Kind::object)) return std::string(block.raw());
  return rebuild_object(block, {{"resource", prefix_uri(*resource, prefix)}}, {});
}

template <class F>
std::string each(json::Value list, F rewrite) {
  std::string out = "[";
  for (const json::Value item : list.elements()) {
    if (out.size() > 1) out += ',';
    out += item.is(json::Kind::object) ? rewrite(item) : std::string(item.raw());
  }
  return out + "]";
}

std::string prefix_message(json::Value message, std::string_view prefix) {
  const auto content = message.find("content");
  if (!content || !content->is(json::Kind::object)) return std::string(message.raw());
  return rebuild_object(message, {{"content", prefix_block(*content, prefix)}}, {});
}

}  // namespace

std::string prefix_uris(std::string_view result, std::string_view prefix) {
  const auto document = json::Document::parse(std::string(result), json::kUpstream);
  if (!document || !document->root().is(json::Kind::object)) return std::string(result);
  std::vector<std::pair<std::string_view, std::string>> replace;
  const auto rewrite = [&](std::string_view member, auto how) {
    const auto list = document->root().find(member);
    if (list && list->is(json::Kind::array))
      replace.emplace_back(member, each(*list, [&](json::Value item) { return how(item, prefix); }));
  };
  rewrite("contents", prefix_uri);
  rewrite("content", prefix_block);
  rewrite("messages", prefix_message);
  return replace.empty() ? std::string(result) : rebuild_object(document->root(), replace, {});
}

std::string own_task(json::Value task, std::string_view id, std::string_view prefix,
                     const std::vector<std::string_view>& remove) {
  std::vector<std::pair<std::string_view, std::string>> replace{{"taskId", json::quote(id)}};
  const auto result = prefix.empty() ? std::nullopt : task.find("result");
  if (result && result->is(json::Kind::object))
    replace.emplace_back("result", prefix_uris(result->raw(), prefix));
  return rebuild_object(task, replace, remove);
}

std::optional<std::string> prefix_app_resource(json::Value tool, std::string_view prefix) {
  const auto meta = tool.find("_meta");
  const auto ui = meta && meta->is(json::Kind::object) ? meta->find("ui") : std::nullopt;
  const auto uri = ui && ui->is(json::Kind::object) ? ui->find("resourceUri") : std::nullopt;
  if (!uri || !uri->is(json::Kind::string)) return std::nullopt;
  return rebuild_object(*meta,
                        {{"ui", rebuild_object(*ui, {{"resourceUri", with_prefix(*uri, prefix)}}, {})}}, {});
}

}  // namespace sallyport::mcp
