#include <doctest/doctest.h>

#include <string>

#include "route_config.hpp"
#include "sallyport/core/limits.hpp"

using namespace sallyport;
using namespace sallyport::llm;
using test::route;

namespace {

/// Whether a conditional config with this query goes to the target of its condition.
bool matches(const std::string& query, const test::Request& request) {
  const auto found = route(R"({"strategy": {"mode": "conditional", "default": "no",
    "conditions": [{"query": )" +
                           query + R"(, "then": "yes"}]},
    "targets": [{"name": "no", "provider": "no"}, {"name": "yes", "provider": "yes"}]})");
  const auto steps = planned(*found, request.facts());
  REQUIRE(steps.has_value());
  REQUIRE(steps->size() == 1);
  return steps->at(0)->target.provider == "yes";
}

}  // namespace

TEST_CASE("conditions compare what the request says") {
  const test::Request request(
      R"({"model": "gpt-5-mini", "temperature": 0.5, "max_tokens": 100, "stream": true, "user": null,
          "n": 9007199254740993, "tools": [1], "escaped": "a\u0062c", "digits": "42"})",
      {{"plan", "paid"}, {"seats", "12"}, {"name", "O'Neill"}, {"empty", ""}, {"_user", "u1"}});
  struct Row {
    const char* why;
    std::string query;
    bool matches;
  };
  const Row rows[] = {
      {"$eq", R"({"metadata.plan": {"$eq": "paid"}})", true},
      {"$eq is exact", R"({"metadata.plan": {"$eq": "Paid"}})", false},
      {"$eq with an empty text", R"({"metadata.empty": {"$eq": ""}})", true},
      {"$eq with a number", R"({"params.max_tokens": {"$eq": 100}})", true},
      {"however it is written", R"({"params.max_tokens": {"$eq": 1e2}})", true},
      {"$eq keeps kinds apart", R"({"metadata.seats": {"$eq": 12}})", false},
      {"and the other way round", R"({"params.max_tokens": {"$eq": "100"}})", false},
      {"$eq with true", R"({"params.stream": {"$eq": true}})", true},
      {"true is not 1", R"({"params.stream": {"$eq": 1}})", false},
      {"$eq with null", R"({"params.user": {"$eq": null}})", true},
      {"escapes are decoded", R"({"params.escaped": {"$eq": "abc"}})", true},
      {"$ne", R"({"metadata.plan": {"$ne": "free"}})", true},
      {"$ne the same", R"({"metadata.plan": {"$ne": "paid"}})", false},
      {"$gt", R"({"params.max_tokens": {"$gt": 99}})", true},
      {"$gt the same", R"({"params.max_tokens": {"$gt": 100}})", false},
      {"$gte", R"({"params.max_tokens": {"$gte": 100}})", true},
      {"$lt", R"({"params.temperature": {"$lt": 0.6}})", true},
      {"$lt the same", R"({"params.temperature": {"$lt": 0.5}})", false},
      {"$lte", R"({"params.temperature": {"$lte": 0.5}})", true},
      {"an order reads numbers in texts", R"({"metadata.seats": {"$gt": 5}})", true},
      {"on both sides", R"({"metadata.seats": {"$lt": "12.5"}})", true},
      {"not as texts: 12 is more than 5", R"({"metadata.seats": {"$lt": 5}})", false},
      {"no order of other texts", R"({"metadata.plan": {"$gt": 0}})", false},
      {"nor the other one", R"({"metadata.plan": {"$lte": 0}})", false},
      {"an empty text is no number", R"({"metadata.empty": {"$lte": 0}})", false},
      {"a range", R"({"params.max_tokens": {"$gt": 50, "$lt": 150}})", true},
      {"both ends count", R"({"params.max_tokens": {"$gt": 50, "$lt": 70}})", false},
      {"$in", R"({"metadata.plan": {"$in": ["free", "paid"]}})", true},
      {"not $in", R"({"metadata.plan": {"$in": ["free", "trial"]}})", false},
      {"$in mixes kinds", R"({"params.max_tokens": {"$in": ["100", null, 100]}})", true},
      {"$nin", R"({"metadata.plan": {"$nin": ["free", "trial"]}})", true},
      {"not $nin", R"({"metadata.plan": {"$nin": ["free", "paid"]}})", false},
      {"$regex anywhere", R"({"params.model": {"$regex": "mini"}})", true},
      {"$regex with anchors", R"({"params.model": {"$regex": "^gpt-[0-9]+$"}})", false},
      {"$regex only of texts", R"({"params.max_tokens": {"$regex": "100"}})", false},
      {"url.pathname", R"({"url.pathname": {"$eq": "/v1/chat/completions"}})", true},
      {"url.pathname by pattern", R"({"url.pathname": {"$regex": "embeddings$"}})", false},
      {"several keys: all", R"({"metadata.plan": {"$eq": "paid"}, "params.stream": {"$eq": true}})", true},
      {"several keys: one fails", R"({"metadata.plan": {"$eq": "paid"}, "params.stream": {"$eq": false}})",
       false},
      {"$and", R"({"$and": [{"metadata.plan": {"$eq": "paid"}}, {"params.n": {"$gt": 1}}]})", true},
      {"$and fails", R"({"$and": [{"metadata.plan": {"$eq": "paid"}}, {"params.n": {"$lt": 1}}]})", false},
      {"$or", R"({"$or": [{"metadata.plan": {"$eq": "x"}}, {"metadata._user": {"$eq": "u1"}}]})", true},
      {"$or fails", R"({"$or": [{"metadata.plan": {"$eq": "x"}}, {"metadata.plan": {"$eq": "y"}}]})", false},
      {"nested",
       R"({"$or": [{"$and": [{"metadata.plan": {"$eq": "paid"}}, {"$or": [{"params.stream": {"$eq": true}}]}]}]})",
       true},
      {"$or beside a key", R"({"$or": [{"params.stream": {"$eq": true}}], "metadata.plan": {"$eq": "x"}})",
       false},
  };
  for (const Row& row : rows) {
    CAPTURE(row.why);
    CAPTURE(row.query);
    CHECK(matches(row.query, request) == row.matches);
  }
}

TEST_CASE("what a request does not say makes every comparison false") {
  const std::string longer(limits::kRouteFact + 1, 'x');
  const test::Request request(R"({"list": [1], "object": {}, "long": ")" + longer + "\"}",
                              {{"long", longer}});
  for (const char* field :
       {"metadata.absent", "params.absent", "params.list", "params.object", "params.long", "metadata.long"}) {
    for (const char* comparison :
         {R"({"$eq": null})", R"({"$ne": "x"})", R"({"$gt": 0})", R"({"$gte": 0})", R"({"$lt": 0})",
          R"({"$lte": 0})", R"({"$in": [null]})", R"({"$nin": ["x"]})", R"({"$regex": ".*"})"}) {
      CAPTURE(field);
      CAPTURE(comparison);
      CHECK(!matches(R"({")" + std::string(field) + "\": " + comparison + "}", request));
    }
  }
  RequestFacts none;
  const auto found = route(R"({"strategy": {"mode": "conditional",
    "conditions": [{"query": {"params.a": {"$ne": 1}}, "then": "a"}]}, "targets": [{"name": "a"}]})");
  CHECK_MESSAGE(!planned(*found, none).has_value(), "a request without a body");
}

TEST_CASE("a body of very many members is not searched") {
  std::string body = R"({"plan": "paid")";
  for (std::size_t i = 0; i < limits::kRouteBodyMembers; ++i) body += ",\"m" + std::to_string(i) + "\":0";
  CHECK(!matches(R"({"params.plan": {"$eq": "paid"}})", test::Request(body + "}")));
  CHECK(matches(R"({"params.plan": {"$eq": "paid"}})", test::Request(R"({"plan": "paid"})")));
}

TEST_CASE("the first condition that matches decides, then the default") {
  const auto found = route(R"({"strategy": {"mode": "conditional", "default": "rest", "conditions": [
      {"query": {"params.n": {"$gt": 10}}, "then": "many"},
      {"query": {"params.n": {"$gt": 5}}, "then": "some"}]},
    "targets": [{"name": "rest"}, {"name": "some"}, {"name": "many"}]})");
  struct Row {
    const char *body, *name;
  };
  for (const Row& row : {Row{R"({"n": 11})", "many"}, Row{R"({"n": 6})", "some"}, Row{R"({"n": 5})", "rest"},
                         Row{"{}", "rest"}}) {
    CAPTURE(row.body);
    const test::Request request(row.body);
    const auto steps = planned(*found, request.facts());
    REQUIRE(steps.has_value());
    CHECK(steps->at(0)->name == row.name);
  }
}
