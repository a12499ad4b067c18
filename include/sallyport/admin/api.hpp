#pragma once
/// The admin API over HTTP: on DIR/admin.sock for local users, on a TCP listener for holders of an admin key.
///
///   POST /api/op/{operation}   a JSON object in, a JSON object out (Operations::names())
///   GET  /api/status  /api/openapi.json  /metrics  /healthz  /readyz
/// Errors: {"error":{"code","message","problems"?}} with the status of docs/cli.md.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sallyport/admin/operations.hpp"
#include "sallyport/core/executor.hpp"
#include "sallyport/net/server.hpp"

namespace sallyport::admin {

struct ApiOptions {
  /// Text exposition for /metrics. Threads: any shard's; must not block. Empty: 404.
  std::function<std::string()> metrics{};
  /// Why the server cannot serve now, empty when it can. Threads: any shard's; must not block. Not set:
  /// always ready.
  std::function<std::string()> not_ready{};
  /// After an operation that may change something: for the record. `by` is "uid:1000" or "agent:ops";
  /// `subject` is what it was about, members of a JSON object. On the request's shard.
  std::function<void(net::Shard&, std::string_view operation, std::string_view by, bool ok,
                     std::string_view subject)>
      record{};
  /// Names that Host may carry on TCP besides localhost and loopback addresses: the listener's own, without
  /// port.
  std::vector<std::string> hosts{};
};

/// Threads: handlers run on any shard; operations on the database executor, in order, but for those that wait
/// for an upstream: they run on `tests` and hold nobody up.
class Api {
 public:
  /// `operations`, `registry` and the executors outlive it. Reads the admin keys, so: called on the
  /// database's thread.
  static Result<std::unique_ptr<Api>> create(Operations& operations, store::Registry& registry,
                                             Executor& database, Executor& tests, ApiOptions options);
  ~Api();

  /// For admin.sock: the peer must be our own user or root.
  net::Handler local();
  /// For TCP: Host is checked on everything; all but /healthz and /readyz wants `Authorization: Bearer
  /// ADMIN_KEY`.
  net::Handler remote();
  /// Reads the admin keys anew. Part of Live::reload. Threads: the database's.
  Result<void> reload();

  struct Impl;

 private:
  explicit Api(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// HTTP status of an error as this API answers it.
int status_of(Code code);
/// What GET /api/openapi.json says.
std::string openapi();

}  // namespace sallyport::admin
