#include "sallyport/cli/audit_view.hpp"

#include <doctest/doctest.h>

using namespace sallyport::cli;

TEST_CASE("an intent and its outcome are one row") {
  AuditRows rows(0);
  rows.add(
      R"({"seq":1,"t":1800000000000,"type":"intent","call":"c1","principal":"agent:bot","method":"tools/call","target":"docs/search","rule":"p#1","prev":""})");
  rows.add(
      R"({"seq":2,"t":1800000000100,"type":"intent","call":"c2","principal":"agent:bot","method":"tools/call","target":"docs/get","rule":"p#1","prev":""})");
  rows.add(
      R"({"seq":3,"t":1800000000200,"type":"outcome","call":"c1","status":"ok","us":1500,"bytes":3,"prev":""})");
  REQUIRE(rows.rows().size() == 2);
  CHECK(audit_cells(rows.rows()[0]) == std::vector<std::string>{"2027-01-15 08:00:00", "agent:bot",
                                                                "tools/call", "docs/search", "p#1", "1ms",
                                                                "ok"});
  CHECK(rows.rows()[1].outcome == "open");
}

TEST_CASE("records that are no calls are rows of their own") {
  struct Row {
    const char* line;
    std::vector<std::string> cells;
  };
  const Row table[] = {
      {R"({"t":0,"type":"refusal","call":"c","client":"10.1.1.1","endpoint":"/mcp","reason":"unauthenticated","status":401})",
       {"1970-01-01 00:00:00", "10.1.1.1", "", "/mcp", "", "", "refused: unauthenticated (401)"}},
      {R"({"t":0,"type":"refusals","reason":"unauthenticated","count":41,"second":1})",
       {"1970-01-01 00:00:00", "", "refusals", "", "", "", "refused: unauthenticated (41 more)"}},
      {R"({"t":0,"type":"unknown","call":"c","target":"docs/get"})",
       {"1970-01-01 00:00:00", "", "call c", "docs/get", "", "", "unknown"}},
      {R"({"t":0,"type":"note","note":"admin","with":{"operation":"apply","ok":true}})",
       {"1970-01-01 00:00:00", "sallyport", "admin", "", "", "", "ok=true operation=apply"}},
      {R"({"t":0,"type":"note","note":"answered","with":{"call":"c","principal":"agent:a","endpoint":"/mcp","method":"tools/list"}})",
       {"1970-01-01 00:00:00", "agent:a", "tools/list", "/mcp", "", "", "ok"}},
      {R"({"t":0,"type":"outcome","call":"c","status":"error","code":"upstream_timeout","us":5})",
       {"1970-01-01 00:00:00", "", "call c", "", "", "5us", "error (upstream_timeout)"}},
  };
  for (const auto& row : table) {
    CAPTURE(row.line);
    AuditRows rows(0);
    rows.add(row.line);
    REQUIRE(rows.rows().size() == 1);
    CHECK(audit_cells(rows.rows()[0]) == row.cells);
  }
  AuditRows none(0);
  none.add("not json");
  none.add("[]");
  CHECK(none.rows().empty());
}

TEST_CASE("only the last rows are kept, and an outcome still finds its intent") {
  AuditRows rows(2);
  for (int i = 1; i <= 4; ++i) {
    rows.add(R"({"t":0,"type":"intent","call":"c)" + std::to_string(i) + R"(","method":"m"})");
  }
  rows.add(R"({"t":0,"type":"outcome","call":"c1","status":"ok","us":1})");
  rows.add(R"({"t":0,"type":"outcome","call":"c4","status":"ok","us":1})");
  REQUIRE(rows.rows().size() == 2);
  CHECK(rows.rows()[0].outcome == "open");
  CHECK(rows.rows()[1].outcome == "ok");
}
