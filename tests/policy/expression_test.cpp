#include "sallyport/policy/expression.hpp"

#include <doctest/doctest.h>

#include <string>

#include "sallyport/core/limits.hpp"

using namespace sallyport;
using namespace sallyport::policy;

namespace {

std::shared_ptr<const Expression> compiled(std::string_view text) {
  auto result = Expression::compile(text);
  if (!result) FAIL(text << ": " << result.error().what);
  return *result;
}

/// "true", "false", or what the error says.
std::string outcome(std::string_view text, std::string_view args = "{}") {
  Activation activation;
  activation.args(args);
  const auto result = compiled(text)->evaluate(activation);
  return result ? (*result ? "true" : "false") : result.error().what;
}

std::string times(std::string_view part, int count) {
  std::string out;
  for (; count > 0; --count) out += part;
  return out;
}

}  // namespace

TEST_CASE("conditions over arguments come to true or false") {
  const std::string args =
      R"({"repo":"acme/site","n":5,"big":9223372036854775808,"x":1.0,"none":null,"on":true,
    "labels":["bug","web"],"deep":{"list":[{"k":"v"}]},"esc":"a\u0062\n","k\u0065y":"found"})";
  struct Row {
    const char* text;
    bool holds;
  };
  for (const auto& row : {
           Row{R"(args.repo.startsWith("acme/"))", true},
           Row{R"(args.repo.startsWith("other/"))", false},
           Row{R"(args["repo"] == "acme/site")", true},
           Row{R"("bug" in args.labels && !("prod" in args.labels))", true},
           Row{R"("repo" in args && !("owner" in args))", true},
           Row{"has(args.repo) && !has(args.owner)", true},
           Row{"has(args.none) && args.none == null", true},
           Row{"type(args.n) == int && type(args.x) == double && type(args.big) == double", true},
           Row{"args.n + 1 == 6 && args.x == 1 && args.n in [1, 5]", true},
           Row{R"(args.deep.list[0].k == "v" && size(args.deep.list) == 1)", true},
           Row{R"(args.esc == "ab\n" && args.key == "found" && args.`key`.size() == 5)", true},
           Row{R"(args.labels == ["bug", "web"] && args.labels != ["web", "bug"])", true},
           Row{R"(args.deep == {"list": [{"k": "v"}]} && {"list": [{"k": "v"}]} == args.deep)", true},
           Row{"args == args && args.deep.list == args.deep.list", true},
           Row{R"(args.labels.map(l, l + "!") == ["bug!", "web!"])", true},
           Row{R"(args.labels.map(l, l != "bug", size(l)) == [3])", true},
           Row{R"(args.labels.filter(l, l.contains("w")) == ["web"])", true},
           Row{R"(args.labels.exists_one(l, l.endsWith("g")))", true},
           Row{"args.all(key, size(key) < 10)", true},
           Row{R"((args.labels + ["x"]).size() == 3 && (args.labels + ["x"])[0u] == "bug")", true},
           Row{R"(args.repo.matches("^acme/[a-z]+$"))", true},
           Row{"[[1], [2]].exists(args, args[0] == 2)", true},
           Row{"args.on ? args.n > 4 : false", true},
           Row{"// a comment\nargs\n .on // and another", true},
       }) {
    CAPTURE(row.text);
    CHECK(outcome(row.text, args) == (row.holds ? "true" : "false"));
  }
}

TEST_CASE("an error on one side of a decided && or || does not matter, and every other error is the result") {
  struct Row {
    const char *text, *outcome;
  };
  for (const auto& row : {
           Row{"args.no == 1 || true", "true"},
           Row{"true || args.no == 1", "true"},
           Row{"args.no == 1 && false", "false"},
           Row{"args.no == 1 || false", "line 1, column 6: no such key"},
           Row{"args.no == 1 || args.no == 2 || 1 < 2", "true"},
           Row{"[1, 2].exists(x, x / (x - 1) > 0 || x == 2)", "true"},
           Row{"[1, 2].all(x, x / (x - 1) > 0)", "line 1, column 17: division by zero"},
           Row{"[0, 1].all(x, 1 / x == 1 && x == 5)", "false"},
           Row{"1 / 0 == 1 ? true : false", "line 1, column 3: division by zero"},
           Row{"true ? true : 1 / 0 == 1", "true"},
           Row{"1 && true", "line 1, column 3: no matching overload: these types do not go together here"},
           Row{"1", "line 1, column 1: the result is no bool but of type int"},
           Row{"args", "line 1, column 1: the result is no bool but of type map"},
           Row{"!args.no", "line 1, column 7: no such key"},
           Row{"\"a\" < 1", "line 1, column 5: no matching overload: these types do not go together here"},
           Row{"\"a\" == 1", "false"},
           Row{"9223372036854775807 + 1 > 0", "line 1, column 21: overflow: the result is out of range"},
           Row{"0u - 1u == 0u", "line 1, column 4: overflow: the result is out of range"},
           Row{"-(-9223372036854775807 - 1) > 0", "line 1, column 1: overflow: the result is out of range"},
           Row{"(-9223372036854775807 - 1) / -1 > 0",
               "line 1, column 28: overflow: the result is out of range"},
           Row{"[1][1] == 1", "line 1, column 4: the index is outside of the list"},
           Row{"[1][-1] == 1", "line 1, column 4: the index is outside of the list"},
           Row{"{1: 1, 1u: 2}[1] == 1", "line 1, column 1: this map has a key twice"},
           Row{"'x'.matches('(' + args.name)",
               "line 1, column 5: this regular expression is malformed or too large"},
           Row{"true &&\n  args.missing", "line 2, column 8: no such key"},
           Row{"tool.name == 'x'", "line 1, column 1: this variable is not known here"},
       }) {
    CAPTURE(row.text);
    CHECK(outcome(row.text, R"({"name":"n"})") == row.outcome);
  }
}

TEST_CASE("what is wrong with an expression is said with line, column and what to do") {
  struct Row {
    std::string text;
    std::uint32_t line, column;
    const char* says;
  };
  for (const auto& row : {
           Row{"", 1, 1, "this expression is empty"},
           Row{"// only a comment", 1, 1, "this expression is empty"},
           Row{"arg.repo == 1", 1, 1, "nothing is called 'arg' here; did you mean 'args'?"},
           Row{"true &&\n  principle.name == 'x'", 2, 3, "did you mean 'principal'?"},
           Row{"zzzzzzzzzz", 1, 1, "there is args, principal, tool, server, model, request"},
           Row{"args.repo.startWith('a')", 1, 11,
               "there is no function 'startWith'; did you mean 'startsWith'?"},
           Row{"args.repo.startsWith()", 1, 11, "'startsWith' takes 1 argument, not 0"},
           Row{"startsWith(args.repo, 'a')", 1, 1, "write value.startsWith(...)"},
           Row{"args.n.int() == 1", 1, 8, "write int(...)"},
           Row{"size == 1", 1, 1, "'size' is a function"},
           Row{"args.n = 1", 1, 8, "compare with '=='"},
           Row{"args.a & args.b", 1, 8, "write '&&'"},
           Row{"args.a and args.b", 1, 8, "expected the end of the expression or an operator, found 'and'"},
           Row{"args.", 1, 6, "expected a name behind the dot, found the end"},
           Row{"(args.a", 1, 8, "expected ')' to close the parenthesis, found the end"},
           Row{"[1, 2", 1, 6, "expected ']'"},
           Row{"{1 2}", 1, 4, "expected ':' behind the key"},
           Row{"'a' + 'b", 1, 7, "this string does not end"},
           Row{"'a\nb'", 1, 3, "three quotes"},
           Row{"'ab\\q'", 1, 4, "no such escape"},
           Row{"'\\ud800' == ''", 1, 2, "no character has this code"},
           Row{"b'\\u0041' == b''", 1, 3, "single bytes"},
           Row{"9223372036854775808 > 1", 1, 1, "beyond the range of an int"},
           Row{"1e999 > 1.0", 1, 1, "beyond the range of a double"},
           Row{"12abc", 1, 1, "this number runs into a name"},
           Row{"args.a.matches('(')", 1, 16, "this regular expression does not compile: missing )"},
           Row{"request.time > timestamp('yesterday')", 1, 26, "write RFC 3339"},
           Row{"request.time - request.time > duration('1 day')", 1, 40, "write numbers with h, m, s"},
           Row{"has(args)", 1, 1, "has() takes a field"},
           Row{"args.l.all(x > 1)", 1, 12, "all() takes a name for the element"},
           Row{"args.l.all(x, x > 1) && x", 1, 25, "nothing is called 'x' here"},
           Row{"for == 1", 1, 1, "'for' is a reserved word"},
           Row{"'\xc3\xa9' + ", 1, 7, "expected a value here, found the end"},
           Row{"'\xff'", 1, 2, "this is not UTF-8"},
           Row{"args{a: 1}", 1, 5, "expected the end"},
           Row{std::string(limits::kExpressionBytes + 1, ' '), 1, 1, "longer than 8192 bytes"},
           Row{"args.a.matches('" + std::string(limits::kPatternBytes + 1, 'a') + "')", 1, 16,
               "longer than 1024 bytes"},
           Row{"[" + times("'a'.matches('b'),", 17) + "] == []", 1, 278, "more than 16 regular expressions"},
       }) {
    CAPTURE(row.text.substr(0, 100));
    const auto result = Expression::compile(row.text);
    REQUIRE_FALSE(result.has_value());
    const auto& mistake = result.error();
    CHECK(mistake.line == row.line);
    CHECK(mistake.column == row.column);
    CAPTURE(mistake.what);
    CHECK(mistake.what.find(row.says) != std::string::npos);
    CHECK(mistake.error().code == Code::bad_request);
  }
}

TEST_CASE("nesting has a bound, whatever it is made of, and a long chain is not nesting") {
  const int most = limits::kExpressionDepth;
  struct Row {
    const char *open, *inner, *close;
  };
  for (const auto& row :
       {Row{"(", "true", ")"}, Row{"[", "1", "]"}, Row{"{1:", "1", "}"}, Row{"!", "true", ""},
        Row{"- ", "args.n", ""}, Row{"", "args", ".a"}, Row{"", "args", "[0]"}, Row{"", "1", "+1"},
        Row{"true?1:", "1", ""}, Row{"int(", "1", ")"}, Row{"[1].map(x,", "1", ")"},
        Row{"", "[1]", ".map(x,x)"}, Row{"", "1", "==1"}}) {
    CAPTURE(row.open);
    CAPTURE(row.close);
    const auto nested = [&](int depth) {
      return times(row.open, depth) + row.inner + times(row.close, depth);
    };
    CHECK(Expression::compile(nested(most / 2)).has_value());
    for (const int depth : {most + 1, most * 10}) {
      const auto deep = nested(depth).substr(0, limits::kExpressionBytes);
      CHECK_FALSE(Expression::compile(deep).has_value());
    }
  }
  CHECK(outcome("false" + times("||false", 1000) + "||true") == "true");
  CHECK(outcome("true" + times("&&true", 1000) + "&&false") == "false");
}

TEST_CASE("an evaluation ends when its steps are used up, and nothing hides that") {
  const std::string cost = "cost exceeded";
  const auto list = "[" + times("1,", 99) + "1]";
  const auto args = R"({"l":)" + list + R"(,"s":")" + std::string(100000, 'a') + R"(","p":"a*b"})";
  const auto exceeds = [&](std::string_view text) {
    CAPTURE(text);
    const auto seen = outcome(text, args);
    CAPTURE(seen);
    CHECK(seen.find(cost) != std::string::npos);
  };
  exceeds("args.l.all(a, args.l.all(b, args.l.all(c, a + b + c == 3)))");
  exceeds("args.l.all(a, args.l.all(b, args.l.all(c, a + b + c == 3))) || true");
  exceeds("true && !args.l.exists(a, args.l.exists(b, args.l.exists(c, a + b + c == 4)))");
  exceeds("args.l.all(x, args.l.all(y, args.s + 'b' != ''))");  // memory counts
  exceeds("args.l.all(x, args.l.all(y, args.s.contains('b') == false))");
  exceeds("args.l.all(x, 'a'.matches(args.p) == false)");  // compiling costs
  exceeds("args.l.all(x, args.l.all(y, args.s == args.s))");
  exceeds("args.l.map(a, args.l.map(b, args.l + args.l)).size() == 100");
  // The double of a list or a text, again and again, is refused long before it fills the memory.
  exceeds("[[1]]" + times(".map(x, x + x)", 40) + " == []");
  exceeds("['a']" + times(".map(x, x + x)", 40) + " == []");

  CHECK(outcome("args.l.all(a, args.l.all(b, a + b == 2))", args) == "true");
  CHECK(outcome("args.s.contains('b') || args.s.matches('b') || size(args.s) == 100000", args) == "true");
  // The longest body is searched once.
  const auto body = R"({"s":")" + std::string(limits::kMcpBody - 10, 'a') + R"("})";
  CHECK(outcome("args.s.contains('needle')", body) == "false");
}

TEST_CASE("a key with escapes that is as long as the body is not decoded for nothing") {
  const auto args = R"({"\u0061)" + std::string(1 << 20, 'x') + R"(":1,"list":[1,2,3,4,5,6,7,8,9]})";
  CHECK(outcome("args.list.all(x, args.list.size() == 9)", args).find("cost exceeded") != std::string::npos);
}

TEST_CASE("arguments are parsed when a condition reads them, and then once") {
  Facts tool;
  tool.text("name", "create_issue");
  Activation activation;
  activation.args("this is no JSON").bind(Variable::tool, tool);
  const auto by_tool = compiled("tool.name == 'create_issue'");
  const auto by_args = compiled("args.n == 1");
  const auto decided = compiled("tool.name != 'create_issue' && args.n == 1");
  CHECK_FALSE(by_tool->reads(Variable::args));
  CHECK(by_tool->reads(Variable::tool));
  CHECK(by_args->reads(Variable::args));
  CHECK_FALSE(compiled("[1].all(args, args == 1)")->reads(Variable::args));

  CHECK(by_tool->evaluate(activation).value());
  CHECK_FALSE(decided->evaluate(activation).value());
  CHECK_FALSE(activation.read_args());
  const auto wrong = by_args->evaluate(activation);
  REQUIRE_FALSE(wrong.has_value());
  CHECK(wrong.error().what == "line 1, column 1: the arguments are not valid JSON, or have a key twice");
  CHECK(activation.read_args());

  std::string bytes = R"({"n":1})";
  activation.args(bytes);
  CHECK(by_args->evaluate(activation).value());
  bytes[5] = '2';  // what is kept are the values, not another look at the bytes
  CHECK(by_args->evaluate(activation).value());

  CHECK_FALSE(by_args->evaluate(Activation{}).has_value());
  for (const char* bad : {R"({"n":1,"n":2})", "[1]", "", "{\"n\":1", "\xff"}) {
    Activation other;
    other.args(bad);
    CHECK_FALSE(by_args->evaluate(other).has_value());
  }
}

TEST_CASE("facts of every kind are read under their names, and the latest one counts") {
  Facts claims;
  claims.text("region", "eu").flag("admin", false).integer("level", 3);
  Facts principal;
  principal.text("name", "agent:old").text("name", "agent:bot");
  principal.texts("teams", std::vector<std::string>{"payments", "web"}).texts("roles", {});
  principal.facts("claims", std::move(claims));
  REQUIRE(principal.json("token", R"({"aud":["a","b"],"exp":1.5e3})").has_value());
  REQUIRE(principal.json("note", R"("tab\t")").has_value());
  CHECK_FALSE(principal.json("broken", "{").has_value());
  Facts request;
  // 2026-11-21T08:30:15.250Z, a Saturday, and a moment before 1970.
  request.time("time", SystemTime(std::chrono::milliseconds(1795249815250)));
  request.time("old", SystemTime(std::chrono::milliseconds(-1)));
  Facts moved = std::move(principal);
  Activation activation;
  activation.bind(Variable::principal, moved).bind(Variable::request, request);
  for (const char* text : {
           "principal.name == 'agent:bot' && 'web' in principal.teams && principal.roles == []",
           "principal.claims.region == 'eu' && !principal.claims.admin && principal.claims.level > 2",
           "principal.claims == {'region': 'eu', 'admin': false, 'level': 3}",
           "principal.token.aud[1] == 'b' && principal.token.exp == 1500 && principal.note == 'tab\\t'",
           "!has(principal.broken) && principal.exists(k, k == 'teams')",
           "request.time == timestamp('2026-11-21T08:30:15.25Z') && request.time.getMilliseconds() == 250",
           "request.time.getFullYear() == 2026 && request.time.getMonth() == 10 && request.time.getDate() == "
           "21",
           "request.time.getDayOfWeek() == 6 && request.time.getHours('+02:00') == 10",
           "request.time - duration('8h') < timestamp('2026-11-21T00:30:16Z')",
           "string(request.old) == '1969-12-31T23:59:59.999Z'",
       }) {
    CAPTURE(text);
    const auto result = compiled(text)->evaluate(activation);
    if (!result)
      FAIL_CHECK(result.error().what);
    else
      CHECK(*result);
  }
}

TEST_CASE("errors never quote what the variables hold") {
  const std::string secret = "hunter2hunter2";
  const auto args = R"({"s":")" + secret + R"(","m":{"k":1}})";
  for (const char* text :
       {"int(args.s) == 1", "args.m[args.s] == 1", "timestamp(args.s) > timestamp(0)", "args.s.missing",
        "args.s + 1 == ''", "'x'.matches(args.s + '(')", "duration(args.s) == duration('1s')", "bool(args.s)",
        "request.time.getHours(args.s) == 1", "args.s"}) {
    CAPTURE(text);
    Facts request;
    request.time("time", SystemTime{});
    Activation activation;
    activation.args(args).bind(Variable::request, request);
    const auto result = compiled(text)->evaluate(activation);
    REQUIRE_FALSE(result.has_value());
    CHECK(result.error().what.find("hunter") == std::string::npos);
    CHECK(result.error().hint.find("hunter") == std::string::npos);
  }
}
