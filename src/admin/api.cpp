#include "sallyport/admin/api.hpp"

#include <algorithm>
#include <charconv>
#include <mutex>

#include <unistd.h>

#include <nlohmann/json.hpp>

#include "operation.hpp"
#include "sallyport/admin/metrics.hpp"
#include "sallyport/core/bytes.hpp"
#include "sallyport/core/limits.hpp"
#include "sallyport/identity/keys.hpp"
#include "sallyport/json/document.hpp"
#include "sallyport/net/run_on_executor.hpp"

namespace sallyport::admin {
namespace {

using Keys = std::shared_ptr<const identity::KeyTable>;

constexpr std::string_view kOperationPath = "/api/op/";

net::Reply json_reply(int status, const nlohmann::json& body) {
  return {.status = status,
          .content_type = "application/json",
          .body = body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n",
          .headers = {{"Cache-Control", "no-store"}}};
}

net::Reply error_reply(const Error& error) {
  nlohmann::json inner{{"code", name_of(error.code)},
                       {"message", error.hint.empty() ? error.what : error.hint}};
  const auto data = error.data.empty() ? nlohmann::json() : nlohmann::json::parse(error.data, nullptr, false);
  if (data.is_object() && data.contains("problems")) inner["problems"] = data["problems"];
  auto reply = json_reply(status_of(error.code), {{"error", std::move(inner)}});
  if (error.code == Code::unauthenticated)
    reply.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"sallyport\"");
  if (reply.status == 503) reply.headers.emplace_back("Retry-After", "1");
  return reply;
}

net::Reply text_reply(int status, std::string body) {
  return {.status = status, .content_type = "text/plain; charset=utf-8", .body = std::move(body)};
}

/// The name in a Host value: "localhost" of "localhost:8081", "::1" of "[::1]:8081"; nullopt when it is
/// malformed.
std::optional<std::string> host_name(std::string_view host) {
  std::string_view name = host, port;
  if (host.starts_with('[')) {
    const auto end = host.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    name = host.substr(1, end - 1);
    port = host.substr(end + 1);
  } else if (const auto colon = host.find(':'); colon != std::string_view::npos) {
    name = host.substr(0, colon);
    port = host.substr(colon);
  }
  if (name.empty()) return std::nullopt;
  if (port.empty()) return lower(name);
  std::uint16_t number = 0;
  const auto [end, problem] = std::from_chars(port.data() + 1, port.data() + port.size(), number);
  if (port[0] != ':' || problem != std::errc() || end != port.data() + port.size()) return std::nullopt;
  return lower(name);
}

/// Only its own user (or root) may come in through a socket in the data directory.
Result<std::string> local_caller(const net::Peer& peer) {
  if (peer.uid && (*peer.uid == ::geteuid() || *peer.uid == 0)) return "uid:" + std::to_string(*peer.uid);
  return client_error(Code::forbidden, "admin.sock serves the user who runs the server, and root");
}

}  // namespace

int status_of(Code code) {
  switch (code) {
    case Code::bad_request:
    case Code::bad_json:
    case Code::invalid_params:
      return 400;
    case Code::unauthenticated:
      return 401;
    case Code::forbidden:
    case Code::denied:
      return 403;
    case Code::not_found:
      return 404;
    case Code::method_not_allowed:
      return 405;
    case Code::conflict:
      return 409;
    case Code::too_large:
      return 413;
    case Code::unsupported_media:
      return 415;
    case Code::limited:
      return 429;
    case Code::not_implemented:
      return 501;
    case Code::upstream_unreachable:
    case Code::upstream_broken:
      return 502;
    case Code::unavailable:
    case Code::storage:
      return 503;
    case Code::upstream_timeout:
      return 504;
    default:
      return 500;
  }
}

struct Api::Impl {
  Operations& operations;
  store::Registry& registry;
  Executor& database;
  Executor& tests;
  ApiOptions options;
  std::mutex mutex{};  // keys: swapped by the database's thread, read by every shard
  Keys keys{};

  Keys current_keys() {
    const std::lock_guard lock(mutex);
    return keys;
  }

  bool host_allowed(const net::Request& request) const {
    const auto host = request.headers.find("host");
    const auto name = host ? host_name(*host) : std::nullopt;
    if (!name) return false;
    if (*name == "localhost" || *name == "127.0.0.1" || *name == "::1") return true;
    return std::ranges::find(options.hosts, *name) != options.hosts.end();
  }

  Result<std::string> remote_caller(const net::Request& request) {
    const auto token = identity::bearer_token(request.headers.find("authorization"));
    if (!token) return std::unexpected(token.error());
    constexpr const char* kWanted =
        "send `Authorization: Bearer KEY` with an admin key; `sallyport key create --admin --agent NAME` "
        "makes one";
    if (!*token) return client_error(Code::unauthenticated, kWanted);
    const auto table = current_keys();
    const auto entry = table->check(**token, system_clock().now());
    if (!entry) return client_error(Code::unauthenticated, kWanted);
    if (!(*entry)->key.admin) {
      return client_error(Code::forbidden, "this key belongs to an agent and does not open the admin API");
    }
    return "agent:" + (*entry)->key.agent;
  }

  Task<> handle(net::Exchange& exchange, bool over_tcp);
  Task<net::Reply> answer(net::Exchange& exchange, std::string caller);
  Task<net::Reply> operate(net::Exchange& exchange, std::string operation, std::string caller);
};

Task<> Api::Impl::handle(net::Exchange& exchange, bool over_tcp) {
  const auto& request = exchange.request();
  if (over_tcp && !host_allowed(request)) {
    co_await exchange.reply(error_reply(
        client_error(Code::forbidden, "the Host of the request is not one this listener answers to")
            .error()));
    co_return;
  }
  const bool reads = request.method == net::Method::get || request.method == net::Method::head;
  if (reads && request.path == "/healthz") {
    co_await exchange.reply(text_reply(200, "ok\n"));
    co_return;
  }
  if (reads && request.path == "/readyz") {
    const std::string problem = options.not_ready ? options.not_ready() : std::string();
    co_await exchange.reply(problem.empty() ? text_reply(200, "ready\n") : text_reply(503, "not ready\n"));
    co_return;
  }
  auto caller = over_tcp ? remote_caller(request) : local_caller(exchange.peer());
  if (!caller) {
    co_await exchange.reply(error_reply(caller.error()));
    co_return;
  }
  auto reply = co_await answer(exchange, std::move(*caller));
  co_await exchange.reply(std::move(reply));
}

Task<net::Reply> Api::Impl::answer(net::Exchange& exchange, std::string caller) {
  const auto& request = exchange.request();
  const bool reads = request.method == net::Method::get || request.method == net::Method::head;
  if (reads && request.path == "/metrics" && options.metrics) {
    co_return net::Reply{.content_type = std::string(kMetricsType), .body = options.metrics()};
  }
  if (reads && request.path == "/api/openapi.json") {
    co_return net::Reply{.content_type = "application/json", .body = openapi()};
  }
  if (reads && request.path == "/api/status")
    co_return co_await operate(exchange, "status", std::move(caller));
  if (!request.path.starts_with(kOperationPath)) {
    co_return error_reply(
        client_error(Code::not_found, "there is nothing here; GET /api/openapi.json describes what there is")
            .error());
  }
  if (request.method != net::Method::post) {
    auto reply =
        error_reply(client_error(Code::method_not_allowed, "operations are called with POST").error());
    reply.headers.emplace_back("Allow", "POST");
    co_return reply;
  }
  co_return co_await operate(exchange, std::string(request.path.substr(kOperationPath.size())),
                             std::move(caller));
}

Task<net::Reply> Api::Impl::operate(net::Exchange& exchange, std::string operation, std::string caller) {
  auto arguments = nlohmann::json::object();
  if (exchange.request().method == net::Method::post) {
    // A form of another site can post without asking first, but not with this type.
    const auto type = exchange.request().headers.find("content-type");
    if (type && lower(trim(type->substr(0, type->find(';')))) != "application/json") {
      co_return error_reply(
          client_error(Code::unsupported_media, "send Content-Type: application/json").error());
    }
    auto body = co_await exchange.read_body(limits::kAdminBody);
    if (!body) co_return error_reply(body.error());
    if (!trim(*body).empty()) {
      const auto document = json::Document::parse(std::move(*body));
      if (!document) co_return error_reply(document.error());
      arguments = nlohmann::json::parse(document->bytes(), nullptr, false);
    }
  }
  if (operation == "backup" && !exchange.peer().uid) {
    co_return error_reply(
        client_error(Code::forbidden, "a backup writes files beside the server; run `sallyport backup` there")
            .error());
  }
  const bool recorded = options.record && changes_something(operation);
  std::string subject;
  auto result = co_await net::run_on_executor(
      exchange.shard(), waits_for_upstreams(operation) ? tests : database,
      [this, operation, caller, recorded, &subject, input = std::move(arguments)] {
        auto done = operations.run(operation, input, caller);
        if (recorded) subject = subject_of(operation, input, done);
        return done;
      });
  if (recorded) options.record(exchange.shard(), operation, caller, result.has_value(), subject);
  if (!result) co_return error_reply(result.error());
  co_return json_reply(200, *result);
}

Api::Api(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Api::~Api() = default;

Result<std::unique_ptr<Api>> Api::create(Operations& operations, store::Registry& registry,
                                         Executor& database, Executor& tests, ApiOptions options) {
  for (auto& host : options.hosts) host = lower(host);
  std::unique_ptr<Api> api(
      new Api(std::unique_ptr<Impl>(new Impl{operations, registry, database, tests, std::move(options)})));
  if (auto ok = api->reload(); !ok) return std::unexpected(std::move(ok.error()));
  return api;
}

Result<void> Api::reload() {
  const auto keys = impl_->registry.keys();
  if (!keys) return std::unexpected(keys.error());
  // Whether its agent is disabled is all that a key of an administrator depends on.
  const auto agents = impl_->registry.documents("Agent");
  if (!agents) return std::unexpected(agents.error());
  auto table = identity::KeyTable::build(*keys, identity::Directory(*agents));
  const std::lock_guard lock(impl_->mutex);
  impl_->keys = std::move(table);
  return {};
}

net::Handler Api::local() {
  return [impl = impl_.get()](net::Exchange& exchange) { return impl->handle(exchange, false); };
}

net::Handler Api::remote() {
  return [impl = impl_.get()](net::Exchange& exchange) { return impl->handle(exchange, true); };
}

}  // namespace sallyport::admin
