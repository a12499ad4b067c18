/// One expression per line in, one result per line out, both as JSON.
///
///   {"expr": "x + 1", "bindings": {"x": "41"}}   what a name is bound to is an expression without names
///   {"value": {"int": "42"}}  or  {"error": "line 1, ..."}
///
/// `expressions --time`: nanoseconds for a common condition over 200 bytes of arguments, best of several
/// runs.

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <vector>

#include "../../src/policy/cel_evaluate.hpp"
#include "sallyport/json/document.hpp"
#include "sallyport/policy/expression.hpp"

using namespace sallyport;
using namespace sallyport::policy;

namespace {

std::string hex(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) out += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return out;
}

std::string to_json(const cel::Value& value, cel::Workspace& workspace) {
  const auto tagged = [](std::string_view tag, std::string_view json) {
    return fmt::format(R"({{"{}":{}}})", tag, json);
  };
  switch (kind_of(value)) {
    case cel::Kind::null:
      return tagged("null", "null");
    case cel::Kind::boolean:
      return tagged("bool", *value.as<bool>() ? "true" : "false");
    case cel::Kind::integer:
      return tagged("int", fmt::format("\"{}\"", *value.as<std::int64_t>()));
    case cel::Kind::uinteger:
      return tagged("uint", fmt::format("\"{}\"", *value.as<std::uint64_t>()));
    case cel::Kind::real:
      return tagged("double", fmt::format("\"{}\"", *value.as<double>()));
    case cel::Kind::text:
      return tagged("string", json::quote(*value.as<std::string_view>()));
    case cel::Kind::bytes:
      return tagged("bytes", fmt::format("\"{}\"", hex(value.as<cel::Bytes>()->octets)));
    case cel::Kind::type:
      return tagged("type", fmt::format("\"{}\"", name_of(value.as<cel::Type>()->kind)));
    case cel::Kind::list:
    case cel::Kind::map: {
      std::string items;
      cel::for_each(value, workspace, [&](const cel::Value& item) {
        items += (items.empty() ? "" : ",") + to_json(item, workspace);
        if (value.is_map()) items += "," + to_json(*cel::find(value, item, workspace), workspace);
        return true;
      });
      return tagged(value.is_map() ? "map" : "list", "[" + items + "]");
    }
    case cel::Kind::timestamp:
    case cel::Kind::duration:
      return tagged(name_of(kind_of(value)),
                    to_json(cel::convert(cel::Function::to_string, value, workspace), workspace));
    case cel::Kind::fault:
      break;
  }
  return fmt::format(R"({{"error":{}}})", json::quote(value.as<cel::Fault>()->what));
}

/// Everything of one line that values borrow.
struct Line {
  std::vector<std::string> names;
  std::vector<std::unique_ptr<cel::Tree>> trees;
  std::vector<cel::Value> values;
  cel::Workspace workspace{limits::kExpressionCost};
};

cel::Value bound(const void* line, std::uint32_t variable) {
  return static_cast<const Line*>(line)->values[variable];
}

std::string answer(const std::string& text) {
  const auto document = json::Document::parse(text);
  if (!document) return R"({"error":"this line is no JSON"})";
  Line line;
  const auto wrong = [](const std::string& what) {
    return fmt::format(R"({{"error":{}}})", json::quote(what));
  };
  const auto bindings = document->root().find("bindings");
  for (const auto& member : bindings ? bindings->members() : json::Value::Members()) {
    auto tree = cel::parse(member.value.string().value_or(""), {});
    if (!tree) return wrong("binding: " + tree.error().what);
    line.names.push_back(member.key());
    line.values.push_back(cel::evaluate(**tree, {&bound, &line}, line.workspace));
    line.trees.push_back(*std::move(tree));
  }
  const std::vector<std::string_view> names(line.names.begin(), line.names.end());
  const auto expr = document->root().find("expr");
  const auto tree = cel::parse(expr ? expr->string().value_or("") : "", names);
  if (!tree) return wrong("compile: " + tree.error().what);
  const auto value = cel::evaluate(**tree, {&bound, &line}, line.workspace);
  if (const auto* fault = value.as<cel::Fault>()) return wrong(fault->what);
  cel::Workspace room;
  return fmt::format(R"({{"value":{}}})", to_json(value, room));
}

void measure(const char* text) {
  const std::string args =
      R"({"repo":"acme/website","title":"Broken link on the start page","labels":["bug","web"],"body":")" +
      std::string(100, 'x') + R"("})";
  Facts tool;
  tool.text("name", "create_issue").text("server", "github");
  const auto compiled = Expression::compile(text);
  if (!compiled) throw std::runtime_error(compiled.error().what);
  constexpr int kRounds = 20000;
  double parsed = 1e9, again = 1e9;
  for (int run = 0; run < 15; ++run) {
    const auto nanos = [&](auto&& each) {
      const auto begin = std::chrono::steady_clock::now();
      for (int i = 0; i < kRounds; ++i) each();
      return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - begin).count() /
             kRounds;
    };
    const auto check = [&](const Activation& activation) {
      if (!(*compiled)->evaluate(activation).value()) throw std::runtime_error("false");
    };
    parsed = std::min(parsed, nanos([&] {
                        Activation activation;
                        activation.args(args).bind(Variable::tool, tool);
                        check(activation);
                      }));
    Activation kept;
    kept.args(args).bind(Variable::tool, tool);
    again = std::min(again, nanos([&] { check(kept); }));
  }
  fmt::print("{:7.0f} ns with the arguments' parse ({} bytes), {:7.0f} ns for each further rule   {}\n",
             parsed, args.size(), again, text);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == "--time") {
    for (const char* text : {R"(args.repo.startsWith("acme/"))", R"(tool.name == "create_issue")",
                             R"(args.repo.matches("^acme/[a-z]+$"))",
                             R"(args.labels.all(l, l in ["bug", "web", "docs"]) && size(args.title) < 80)"})
      measure(text);
    return 0;
  }
  for (std::string line; std::getline(std::cin, line);) std::cout << answer(line) << "\n";
}
