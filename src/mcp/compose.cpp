#include "sallyport/mcp/compose.hpp"

#include <fmt/core.h>

#include <algorithm>

#include "distinct.hpp"

namespace sallyport::mcp {

namespace {

using Member = json::Value::Member;

constexpr std::string_view kServerInfo = "io.modelcontextprotocol/serverInfo";
constexpr std::size_t kAdded = 128;  // members of an envelope or a result that we add, with their names

bool is_known_member(const Member& member, std::initializer_list<std::string_view> names) {
  return std::ranges::any_of(names, [&](std::string_view name) { return member.is(name); });
}

// The `_meta` of a result with our `serverInfo`, or without any. Empty: nothing is left of it.
std::string adapt_meta(const std::optional<json::Value>& meta, std::string_view server_info) {
  const bool object = meta && meta->is(json::Kind::object);
  std::string out;
  if (object && server_info.empty() && !meta->find(kServerInfo)) {
    append_distinct(out, *meta);
    return out;
  }
  ObjectWriter writer((object ? meta->raw().size() : 0) + kServerInfo.size() + server_info.size() + 8);
  bool any = false;
  if (object) {
    for (const auto& member : distinct_members(*meta)) {
      if (member.is(kServerInfo)) continue;
      writer.copy(member);
      any = true;
    }
  }
  if (!server_info.empty()) writer.add(kServerInfo, server_info);
  return any || !server_info.empty() ? std::move(writer).take() : std::string{};
}

std::string adapt_to_legacy(const json::Value& result) {
  const auto structured = result.find("structuredContent");
  const bool unreadable = structured && !structured->is(json::Kind::object);
  const auto content = result.find("content");
  const bool to_text = unreadable && (!content || content->size() == 0);
  ObjectWriter out(result.raw().size() + kAdded);
  for (const auto& member : distinct_members(result)) {
    if (is_known_member(member, {"resultType", "ttlMs", "cacheScope"})) continue;
    if (unreadable && is_known_member(member, {"structuredContent"})) continue;
    if (to_text && is_known_member(member, {"content"})) continue;
    if (!member.is("_meta")) {
      out.copy(member);
    } else if (const auto meta = adapt_meta(member.value, {}); !meta.empty()) {
      out.add("_meta", meta);
    }
  }
  if (to_text) out.add("content", R"([{"type":"text","text":)" + json::quote(structured->raw()) + "}]");
  return std::move(out).take();
}

std::string adapt_to_modern(const json::Value& result, bool typed, const std::optional<CacheHints>& hints,
                            std::string_view server_info) {
  ObjectWriter out(result.raw().size() + server_info.size() + kAdded);
  const auto type = typed ? result.find("resultType") : std::nullopt;
  const bool keeps_type = type && type->is(json::Kind::string);
  if (!keeps_type) out.add("resultType", "\"complete\"");
  bool has_meta = false;
  for (const auto& member : distinct_members(result)) {
    if (!keeps_type && member.is("resultType")) continue;
    if (hints && is_known_member(member, {"ttlMs", "cacheScope"})) continue;
    if (!member.is("_meta")) {
      out.copy(member);
      continue;
    }
    has_meta = true;
    if (const auto meta = adapt_meta(member.value, server_info); !meta.empty()) out.add("_meta", meta);
  }
  if (hints) {
    out.add("ttlMs", std::to_string(hints->ttl_ms));
    out.add("cacheScope", hints->is_public ? "\"public\"" : "\"private\"");
  }
  if (!has_meta && !server_info.empty()) out.add("_meta", adapt_meta(std::nullopt, server_info));
  return std::move(out).take();
}

std::string meta_object(const std::vector<std::pair<std::string, std::string>>& members) {
  std::size_t size = 2;
  for (const auto& [key, raw] : members) size += key.size() + raw.size() + 4;
  ObjectWriter out(size);
  for (const auto& [key, raw] : members) out.add(key, raw);
  return std::move(out).take();
}

}  // namespace

std::string result_message(std::string_view id, std::string_view result) {
  constexpr std::string_view kBegin = R"({"jsonrpc":"2.0","id":)", kResult = R"(,"result":)";
  std::string out;
  out.reserve(kBegin.size() + id.size() + kResult.size() + result.size() + 1);
  out.append(kBegin).append(id).append(kResult).append(result).append("}");
  return out;
}

std::string error_message(std::string_view id, std::int64_t code, std::string_view message,
                          std::string_view data) {
  std::string out = fmt::format(R"({{"jsonrpc":"2.0","id":{},"error":{{"code":{},"message":)",
                                id.empty() ? std::string_view("null") : id, code);
  json::append_quoted(out, message);
  if (!data.empty()) {
    out += R"(,"data":)";
    out += data;
  }
  out += "}}";
  return out;
}

std::string notification_message(std::string_view method, std::string_view params) {
  ObjectWriter out(params.size() + method.size() + kAdded);
  out.add("jsonrpc", "\"2.0\"");
  out.add("method", json::quote(method));
  if (!params.empty()) out.add("params", params);
  return std::move(out).take();
}

std::string request_message(std::string_view id, std::string_view method, std::string_view params) {
  ObjectWriter out(params.size() + method.size() + kAdded);
  out.add("jsonrpc", "\"2.0\"");
  out.add("id", id);
  out.add("method", json::quote(method));
  if (!params.empty()) out.add("params", params);
  return std::move(out).take();
}

std::string adapt_result(json::Value result, Version to, const std::optional<CacheHints>& hints,
                         std::string_view server_info, bool typed) {
  return is_modern(to) ? adapt_to_modern(result, typed, hints, server_info) : adapt_to_legacy(result);
}

std::string rebuild_params(const std::optional<json::Value>& params,
                           const std::vector<std::pair<std::string_view, std::string>>& replace,
                           const std::vector<std::pair<std::string, std::string>>& meta_members) {
  std::vector<std::pair<std::string_view, std::string>> members;
  members.reserve(replace.size() + 1);
  std::vector<std::string_view> remove;
  for (const auto& entry : replace) {
    if (entry.first == "_meta") continue;
    if (entry.second.empty()) {
      remove.push_back(entry.first);
    } else {
      members.push_back(entry);
    }
  }
  if (meta_members.empty()) {
    remove.push_back("_meta");
  } else {
    members.emplace_back("_meta", meta_object(meta_members));
  }
  if (params) return rebuild_object(*params, members, remove);
  ObjectWriter out(0);
  for (const auto& [key, raw] : members) out.add(key, raw);
  return std::move(out).take();
}

std::string rebuild_object(json::Value object,
                           const std::vector<std::pair<std::string_view, std::string>>& replace,
                           const std::vector<std::string_view>& remove) {
  std::size_t size = object.raw().size();
  for (const auto& [key, raw] : replace) size += key.size() + raw.size() + 4;
  ObjectWriter out(size);
  std::vector<char> done(replace.size());
  const auto replacement_of = [&](const Member& member) {
    return std::ranges::find_if(replace, [&](const auto& entry) { return member.is(entry.first); });
  };
  for (const auto& member : distinct_members(object)) {
    if (const auto found = replacement_of(member); found != replace.end()) {
      out.add(found->first, found->second);
      done[static_cast<std::size_t>(found - replace.begin())] = 1;
    } else if (!std::ranges::any_of(remove, [&](std::string_view key) { return member.is(key); })) {
      out.copy(member);
    }
  }
  for (std::size_t i = 0; i < replace.size(); ++i) {
    if (!done[i]) out.add(replace[i].first, replace[i].second);
  }
  return std::move(out).take();
}

}  // namespace sallyport::mcp
