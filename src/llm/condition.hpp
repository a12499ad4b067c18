#pragma once
/// Queries over a request, as the conditions of a route and sticky balancing write them.

#include <re2/re2.h>

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "route_problems.hpp"
#include "sallyport/json/document.hpp"
#include "sallyport/llm/route.hpp"

namespace sallyport::llm {

/// A primitive value of a request or in a query; the monostate is JSON's null.
using Primitive = std::variant<std::monostate, bool, double, std::string>;

/// nullopt for arrays and objects.
std::optional<Primitive> primitive_of(json::Value value);

/// A thing of the request: "metadata.x", "params.x" or "url.pathname".
struct FactField {
  enum class Of : std::uint8_t { metadata, params, path };
  Of of = Of::metadata;
  std::string name{};
};
/// nullopt: no such field; exactly two segments are one.
std::optional<FactField> field_from(std::string_view text);
/// nullopt when the request has no such value, or one that is no primitive or too long.
std::optional<Primitive> fact(const RequestFacts& facts, const FactField& field);

enum class Operator : std::uint8_t { eq, ne, gt, gte, lt, lte, in, nin, regex };

struct Query {
  enum class Kind : std::uint8_t { all, any, compare };
  Kind kind = Kind::all;
  std::vector<Query> parts{};  ///< of all and any
  FactField field{};
  Operator op = Operator::eq;
  std::vector<Primitive> operands{};  ///< several for in and nin
  std::shared_ptr<const re2::RE2> pattern{};
};

/// What the queries of one config have used of its bounds.
struct QueryBudget {
  std::size_t comparisons = 0, patterns = 0;
};

/// Reads a query; adds to `problems` what is wrong with it, below `path`.
Query read_query(json::Value query, const std::string& path, QueryBudget& budget, RouteProblems& problems);

/// A missing value makes every comparison with it false.
bool holds(const Query& query, const RequestFacts& facts);

}  // namespace sallyport::llm
