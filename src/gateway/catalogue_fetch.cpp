#include <spdlog/spdlog.h>
#include <set>

#include "sallyport/core/limits.hpp"
#include "sallyport/gateway/upstream.hpp"

namespace sallyport::gateway {
namespace {

/// All pages of one list as one JSON array of raw definitions.
Task<Result<std::string>> fetch_list(std::shared_ptr<Upstream> upstream,
                                     std::shared_ptr<const ServerConfig> config, mcp::Method method,
                                     std::string_view member, SteadyTime deadline, Cancel* cancel) {
  const std::string& server = config->document.name;
  std::string out = "[";
  std::string cursor;
  std::set<std::string> seen;
  std::size_t items = 0;
  for (int page = 0;; ++page) {
    if (page == limits::kListPages || items >= limits::kToolsPerServer ||
        out.size() > limits::kUpstreamBody) {
      spdlog::warn("server {}: {} goes on after {} pages and {} items; the rest is left out", server,
                   mcp::text_of(method), page, items);
      break;
    }
    UpstreamCall call{.method = method, .deadline = deadline, .cancel = cancel, .background = true};
    if (!cursor.empty()) call.replace.emplace_back("cursor", cursor);
    auto answer = co_await upstream->call(std::move(call), "");
    if (!answer) co_return Failure(answer.error());
    if (answer->is_error) {
      // A server may advertise a capability and still not know one of its lists (templates, mostly): that
      // list is empty.
      const auto code = answer->payload.find("code");
      if (code && code->integer() == -32601) break;
      co_return fail(
          Code::upstream_broken, Blame::upstream,
          std::string(mcp::text_of(method)) + " refused: " + wire::words_of(answer->payload, *config));
    }
    const auto list = answer->payload.find(member);
    if (!list || !list->is(json::Kind::array)) {
      co_return fail(
          Code::upstream_broken, Blame::upstream,
          std::string(mcp::text_of(method)) + ": result has no array '" + std::string(member) + "'");
    }
    for (const json::Value item : list->elements()) {
      if (out.size() > 1) out += ',';
      out += item.raw();
      ++items;
    }
    const auto next = answer->payload.find("nextCursor");
    if (!next || !next->is(json::Kind::string)) break;
    cursor = std::string(next->raw());
    if (!seen.insert(cursor).second) {
      spdlog::warn("server {}: {} repeats the cursor {}; the list ends there", server, mcp::text_of(method),
                   cursor.substr(0, 80));
      break;
    }
  }
  co_return out + "]";
}

}  // namespace

Task<Result<store::StoredCatalogue>> fetch_catalogue(std::shared_ptr<Upstream> upstream,
                                                     std::shared_ptr<const ServerConfig> config,
                                                     SteadyTime deadline, Cancel* cancel) {
  const std::string name = config->document.name;
  auto identity = co_await upstream->identify("", deadline);
  if (!identity) co_return Failure(identity.error());
  const UpstreamIdentity& who = **identity;

  store::StoredCatalogue out{.server = name};
  auto capabilities = json::Document::parse(who.capabilities, json::kUpstream);
  const auto offers = [&](std::string_view what) { return capabilities && capabilities->root().find(what); };
  struct List {
    bool offered;
    mcp::Method method;
    std::string_view member;
    std::string* into;
  };
  const List lists[] = {
      {offers("tools"), mcp::Method::tools_list, "tools", &out.tools},
      {offers("prompts"), mcp::Method::prompts_list, "prompts", &out.prompts},
      {offers("resources"), mcp::Method::resources_list, "resources", &out.resources},
      {offers("resources"), mcp::Method::resources_templates_list, "resourceTemplates", &out.templates}};
  for (const List& list : lists) {
    if (!list.offered) continue;
    auto fetched = co_await fetch_list(upstream, config, list.method, list.member, deadline, cancel);
    if (!fetched) co_return Failure(fetched.error());
    *list.into = std::move(*fetched);
  }
  out.server_info = "{\"version\":" + json::quote(mcp::text_of(who.version)) +
                    ",\"serverInfo\":" + who.server_info + ",\"capabilities\":" + who.capabilities +
                    ",\"instructions\":" + json::quote(who.instructions) + "}";
  out.fetched = unix_millis(std::chrono::system_clock::now());
  co_return out;
}

}  // namespace sallyport::gateway
