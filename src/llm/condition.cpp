#include "condition.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <utility>

#include "sallyport/core/limits.hpp"

namespace sallyport::llm {
namespace {

struct NamedOperator {
  std::string_view name;
  Operator op;
};
constexpr std::array<NamedOperator, 9> kOperators{{{"$eq", Operator::eq},
                                                   {"$ne", Operator::ne},
                                                   {"$gt", Operator::gt},
                                                   {"$gte", Operator::gte},
                                                   {"$lt", Operator::lt},
                                                   {"$lte", Operator::lte},
                                                   {"$in", Operator::in},
                                                   {"$nin", Operator::nin},
                                                   {"$regex", Operator::regex}}};

bool is_ordering(Operator op) { return op >= Operator::gt && op <= Operator::lte; }

/// Metadata are texts, so an order compares what a text spells.
std::optional<double> number_of(const Primitive& value) {
  if (const auto* number = std::get_if<double>(&value)) return *number;
  const auto* text = std::get_if<std::string>(&value);
  if (!text) return std::nullopt;
  double number = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
  if (error != std::errc{} || end != text->data() + text->size() || !std::isfinite(number))
    return std::nullopt;
  return number;
}

class QueryReader {
 public:
  QueryReader(QueryBudget& budget, RouteProblems& problems) : budget_(budget), problems_(problems) {}

  Query read(json::Value query, const std::string& path) {
    Query out{.kind = Query::Kind::all};
    if (!query.is(json::Kind::object) || query.size() == 0) {
      problem(path, R"(has to be an object such as {"metadata.plan": {"$eq": "paid"}})");
      return out;
    }
    for (const auto& member : query.members()) {
      const std::string key = member.key();
      const std::string at = path + "," + key;
      if (key == "$and" || key == "$or") {
        out.parts.push_back(group(member.value, key == "$or" ? Query::Kind::any : Query::Kind::all, at));
      } else {
        compare(key, member.value, at, out.parts);
      }
    }
    return out;
  }

 private:
  void problem(const std::string& path, std::string message) { problems_.add(path, std::move(message)); }

  bool spend(std::size_t& used, std::size_t most, const std::string& path, std::string_view what) {
    // Told once: what is beyond the bound is not read.
    if (++used == most + 1)
      problem(path,
              "is one too many: a config has at most " + std::to_string(most) + " " + std::string(what));
    return used <= most;
  }

  Query group(json::Value parts, Query::Kind kind, const std::string& path) {
    Query out{.kind = kind};
    if (!parts.is(json::Kind::array) || parts.size() == 0) {
      problem(path, "has to be a list of queries");
      return out;
    }
    std::size_t index = 0;
    for (const auto part : parts.elements()) {
      if (!spend(budget_.comparisons, limits::kRouteComparisons, path, "comparisons")) break;
      out.parts.push_back(read(part, path + "," + std::to_string(index++)));
    }
    return out;
  }

  void compare(const std::string& key, json::Value operators, const std::string& path,
               std::vector<Query>& out) {
    const auto field = field_from(key);
    if (!field) {
      problem(path, "has to be metadata.NAME, params.NAME, url.pathname, $and or $or");
      return;
    }
    if (!operators.is(json::Kind::object) || operators.size() == 0) {
      problem(path, R"(has to be an object of operators such as {"$eq": "paid"})");
      return;
    }
    for (const auto& member : operators.members()) {
      const std::string name = member.key();
      const std::string at = path + "," + name;
      const auto* const known = std::ranges::find(kOperators, name, &NamedOperator::name);
      if (known == kOperators.end()) {
        problem(at, "is no operator: there are $eq $ne $gt $gte $lt $lte $in $nin $regex, and $and and $or");
        continue;
      }
      if (!spend(budget_.comparisons, limits::kRouteComparisons, at, "comparisons")) return;
      Query one{.kind = Query::Kind::compare, .field = *field, .op = known->op};
      operands(one, member.value, at);
      out.push_back(std::move(one));
    }
  }

  void operands(Query& query, json::Value value, const std::string& path) {
    if (query.op == Operator::in || query.op == Operator::nin) return list(query, value, path);
    auto operand = primitive_of(value);
    if (!operand) {
      problem(path, "has to be a text, a number, true, false or null");
      return;
    }
    if (query.op == Operator::regex) return pattern(query, *operand, path);
    if (is_ordering(query.op)) {
      const auto number = number_of(*operand);
      if (!number) {
        problem(path, "has to be a number");
        return;
      }
      operand = *number;
    }
    query.operands.push_back(*std::move(operand));
  }

  void list(Query& query, json::Value value, const std::string& path) {
    if (!value.is(json::Kind::array) || value.size() == 0 || value.size() > limits::kRouteListed) {
      problem(path, "has to be a list of 1 to " + std::to_string(limits::kRouteListed) + " values");
      return;
    }
    for (const auto element : value.elements()) {
      auto operand = primitive_of(element);
      if (!operand) {
        problem(path, "may list only texts, numbers, true, false and null");
        return;
      }
      query.operands.push_back(*std::move(operand));
    }
  }

  void pattern(Query& query, const Primitive& operand, const std::string& path) {
    const auto* text = std::get_if<std::string>(&operand);
    if (!text || text->size() > limits::kPatternBytes) {
      problem(path, "has to be a regular expression of at most " + std::to_string(limits::kPatternBytes) +
                        " bytes");
      return;
    }
    if (!spend(budget_.patterns, limits::kPatterns, path, "regular expressions")) return;
    re2::RE2::Options options;
    options.set_log_errors(false);
    options.set_never_capture(true);
    options.set_max_mem(limits::kPatternMemory);
    auto compiled = std::make_shared<const re2::RE2>(re2::StringPiece(text->data(), text->size()), options);
    if (!compiled->ok()) {
      problem(path, "is no regular expression as RE2 has them: " + compiled->error());
      return;
    }
    query.pattern = std::move(compiled);
  }

  QueryBudget& budget_;
  RouteProblems& problems_;
};

bool compares(const Query& query, const RequestFacts& facts) {
  const auto value = fact(facts, query.field);
  if (!value) return false;
  switch (query.op) {
    case Operator::eq:
    case Operator::in:
      return std::ranges::find(query.operands, *value) != query.operands.end();
    case Operator::ne:
    case Operator::nin:
      return std::ranges::find(query.operands, *value) == query.operands.end();
    case Operator::regex: {
      const auto* text = std::get_if<std::string>(&*value);
      return text && re2::RE2::PartialMatch(re2::StringPiece(text->data(), text->size()), *query.pattern);
    }
    default:
      break;
  }
  const auto left = number_of(*value);
  if (!left) return false;
  const double right = std::get<double>(query.operands.front());
  switch (query.op) {
    case Operator::gt:
      return *left > right;
    case Operator::gte:
      return *left >= right;
    case Operator::lt:
      return *left < right;
    default:
      return *left <= right;
  }
}

}  // namespace

std::optional<Primitive> primitive_of(json::Value value) {
  switch (value.kind()) {
    case json::Kind::null:
      return Primitive{};
    case json::Kind::boolean:
      return Primitive{*value.boolean()};
    case json::Kind::number:
      // A number that no double holds is like none that does.
      if (const auto number = value.number()) return Primitive{*number};
      return std::nullopt;
    case json::Kind::string:
      return Primitive{*value.string()};
    default:
      return std::nullopt;
  }
}

std::optional<FactField> field_from(std::string_view text) {
  if (text == "url.pathname") return FactField{.of = FactField::Of::path};
  const auto dot = text.find('.');
  if (dot == std::string_view::npos) return std::nullopt;
  const auto name = text.substr(dot + 1);
  if (name.empty() || name.contains('.')) return std::nullopt;
  const auto of = text.substr(0, dot);
  if (of == "metadata") return FactField{.of = FactField::Of::metadata, .name = std::string(name)};
  if (of == "params") return FactField{.of = FactField::Of::params, .name = std::string(name)};
  return std::nullopt;
}

std::optional<Primitive> fact(const RequestFacts& facts, const FactField& field) {
  switch (field.of) {
    case FactField::Of::path:
      return Primitive{std::string(facts.path)};
    case FactField::Of::metadata: {
      const auto found = facts.metadata.find(field.name);
      if (found == facts.metadata.end() || found->second.size() > limits::kRouteFact) return std::nullopt;
      return Primitive{found->second};
    }
    default:
      break;
  }
  if (!facts.params || facts.params->size() > limits::kRouteBodyMembers) return std::nullopt;
  const auto found = facts.params->find(field.name);
  if (!found || found->raw().size() > limits::kRouteFact) return std::nullopt;
  return primitive_of(*found);
}

Query read_query(json::Value query, const std::string& path, QueryBudget& budget, RouteProblems& problems) {
  return QueryReader(budget, problems).read(query, path);
}

bool holds(const Query& query, const RequestFacts& facts) {
  const auto each = [&](const Query& part) { return holds(part, facts); };
  switch (query.kind) {
    case Query::Kind::all:
      return std::ranges::all_of(query.parts, each);
    case Query::Kind::any:
      return std::ranges::any_of(query.parts, each);
    default:
      return compares(query, facts);
  }
}

}  // namespace sallyport::llm
