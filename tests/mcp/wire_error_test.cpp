#include <doctest/doctest.h>

#include <set>

#include "sallyport/mcp/message.hpp"

namespace sallyport::mcp {
namespace {

constexpr int kCodes = static_cast<int>(Code::internal) + 1;

TEST_CASE("errors of the envelope carry the status and code of their era") {
  struct Row {
    Code code;
    int modern_http, legacy_http, json_rpc;
  };
  const Row rows[] = {
      {Code::bad_json, 400, 400, -32700},
      {Code::bad_envelope, 400, 400, -32600},
      {Code::bad_request, 400, 400, -32600},
      {Code::invalid_params, 400, 200, -32602},
      {Code::method_not_found, 404, 200, -32601},
      {Code::header_mismatch, 400, 400, -32020},
      {Code::missing_capability, 400, 200, -32021},
      {Code::unsupported_version, 400, 400, -32022},
      {Code::not_found, 404, 404, -32600},
      {Code::method_not_allowed, 405, 405, -32600},
      {Code::denied, 200, 200, 1001},
      {Code::upstream_unreachable, 200, 200, 1002},
      {Code::circuit_open, 503, 503, 1002},
      {Code::upstream_timeout, 200, 200, 1003},
      {Code::upstream_broken, 200, 200, 1004},
      {Code::limited, 429, 429, 1005},
      {Code::unavailable, 503, 503, 1006},
      {Code::storage, 503, 503, 1006},
      {Code::cancelled, 200, 200, 1007},
      {Code::unauthenticated, 401, 401, 1008},
      {Code::forbidden, 403, 403, 1009},
      {Code::internal, 500, 500, -32603},
  };
  for (const auto& row : rows) {
    CAPTURE(name_of(row.code));
    CHECK(wire_error(row.code, true).http == row.modern_http);
    CHECK(wire_error(row.code, false).http == row.legacy_http);
    CHECK(wire_error(row.code, true).code == row.json_rpc);
    CHECK(wire_error(row.code, false).code == row.json_rpc);
  }
}

TEST_CASE("after dispatch an unknown target and an internal failure are answers under 200") {
  for (const bool modern : {true, false}) {
    CHECK(wire_error(Code::invalid_params, modern, Phase::dispatched).http == 200);
    CHECK(wire_error(Code::internal, modern, Phase::dispatched).http == 200);
    CHECK(wire_error(Code::denied, modern, Phase::dispatched).http == 200);
    CHECK(wire_error(Code::limited, modern, Phase::dispatched).http == 429);
    CHECK(wire_error(Code::unavailable, modern, Phase::dispatched).http == 503);
  }
}

TEST_CASE("no error uses a code that the specification keeps for itself, and every one has a text") {
  const std::set<int> defined = {-32700, -32600, -32601, -32602, -32603, -32020, -32021, -32022};
  for (int i = 0; i < kCodes; ++i) {
    for (const bool modern : {true, false}) {
      const auto wire = wire_error(static_cast<Code>(i), modern);
      CAPTURE(name_of(static_cast<Code>(i)));
      CHECK(!wire.message.empty());
      CHECK((defined.contains(wire.code) || wire.code > -32000 || wire.code < -32768));
      CHECK(wire.http >= 200);
    }
  }
}

}  // namespace
}  // namespace sallyport::mcp
