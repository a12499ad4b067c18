#include <doctest/doctest.h>

#include <string>
#include <thread>

#include "sallyport/policy/expression.hpp"
#include "sallyport/policy/rules.hpp"

using namespace sallyport;
using namespace sallyport::policy;

namespace {

std::shared_ptr<const RuleSet> compiled(std::vector<Policy> policies) {
  auto set = RuleSet::compile(std::move(policies));
  REQUIRE(set.has_value());
  return *std::move(set);
}

Principal agent(std::string name, std::vector<std::string> teams = {}) {
  return {
      .kind = Principal::Kind::agent, .issuer = "", .subject = std::move(name), .teams = std::move(teams)};
}
Principal user(std::string name, std::vector<std::string> teams = {}) {
  return {.kind = Principal::Kind::user, .issuer = "", .subject = std::move(name), .teams = std::move(teams)};
}

std::vector<Policy> example() {
  return {{.name = "payments-tools",
           .subjects = {"team:payments"},
           .rules = {{.effect = Effect::allow, .tools = {"github/get_*", "ledger/*"}},
                     {.effect = Effect::allow, .tools = {"github/create_issue"}},
                     {.effect = Effect::deny, .tools = {"*/delete_*"}},
                     {.effect = Effect::allow, .models = {"claude-*"}}}}};
}

}  // namespace

TEST_CASE("an empty rule set denies everything to everybody") {
  CHECK(RuleSet().view(agent("x"))->decide(Object::tool, "a/b").effect == Effect::deny);
  const auto decision = compiled({})->view(user("x"))->decide(Object::model, "m");
  CHECK_FALSE(decision.allowed());
  CHECK(decision.rule == "default");
}

TEST_CASE("decisions name the policy and the rule that made them") {
  const auto view = compiled(example())->view(agent("bot", {"payments"}));
  struct Row {
    Object object;
    const char* target;
    bool allowed;
    const char* rule;
  };
  for (const auto& row : {
           Row{Object::tool, "github/get_me", true, "payments-tools#1"},
           Row{Object::tool, "ledger/query", true, "payments-tools#1"},
           Row{Object::tool, "github/create_issue", true, "payments-tools#2"},
           Row{Object::tool, "ledger/delete_all", false, "payments-tools#3"},
           Row{Object::tool, "github/create_issues", false, "default"},
           Row{Object::tool, "claude-opus", false, "default"},
           Row{Object::model, "claude-opus", true, "payments-tools#4"},
           Row{Object::model, "gpt", false, "default"},
           Row{Object::prompt, "ledger/query", false, "default"},
           Row{Object::resource, "ledger/query", false, "default"},
           Row{Object::tool, "", false, "default"},
       }) {
    CAPTURE(row.target);
    const auto decision = view->decide(row.object, row.target);
    CHECK(decision.allowed() == row.allowed);
    CHECK(decision.rule == row.rule);
  }
}

TEST_CASE("subjects choose principals by kind, name and team, exactly") {
  struct Row {
    const char* subject;
    Principal principal;
    bool covers;
  };
  const Principal nobody;
  for (const auto& row : {
           Row{"*", agent("a"), true},
           Row{"*", user("a"), true},
           Row{"*", nobody, true},
           Row{"anonymous", nobody, true},
           Row{"anonymous", agent("anonymous"), false},
           Row{"agent:release-bot", agent("release-bot"), true},
           Row{"agent:release-bot", agent("release-bot2"), false},
           Row{"agent:release-bot", user("release-bot"), false},
           Row{"agent:release-bot", agent("Release-Bot"), false},
           Row{"agent:*", agent("x"), true},
           Row{"agent:*", user("x"), false},
           Row{"agent:*", nobody, false},
           Row{"agent:ci-?", agent("ci-7"), true},
           Row{"user:*@example.com", user("a@example.com"), true},
           Row{"user:*@example.com", user("a@example.com.evil"), false},
           Row{"team:pay*", agent("x", {"payments"}), true},
           Row{"team:payments", agent("payments"), false},
           Row{"team:*", agent("x"), false},
           Row{"team:*", user("x", {"a", "b"}), true},
           Row{"agent:team:x", agent("team:x"), true},
       }) {
    CAPTURE(row.subject);
    const auto set = compiled(
        {{.name = "p", .subjects = {row.subject}, .rules = {{.effect = Effect::allow, .tools = {"*"}}}}});
    CHECK(set->view(row.principal)->decide(Object::tool, "s/t").allowed() == row.covers);
  }
}

TEST_CASE("a pattern without a slash means those at home, and a lone star everybody of the kind") {
  const auto of = [](const char* issuer, const char* subject, bool home,
                     Principal::Kind kind = Principal::Kind::user) {
    return Principal{.kind = kind, .issuer = issuer, .subject = subject, .home = home};
  };
  const Principal alice = of("okta", "alice@acme.com", true);
  const Principal eve = of("partner", "eve@acme.com", false);
  const Principal slashed = of("okta", "partner/eve@acme.com", true);
  const Principal job = of("okta", "job", false, Principal::Kind::agent);
  struct Row {
    const char* subject;
    const Principal& who;
    bool covered;
  };
  for (const Row& row :
       {Row{"user:*@acme.com", alice, true}, Row{"user:*@acme.com", eve, false},
        Row{"user:partner/*", eve, true}, Row{"user:partner/*", slashed, false},
        Row{"user:okta/alice@acme.com", alice, true}, Row{"user:*/*", eve, true}, Row{"user:*", eve, true},
        Row{"user:*", alice, true}, Row{"user:*", job, false}, Row{"agent:*", job, true},
        Row{"agent:job", job, false}, Row{"agent:okta/j?b", job, true}}) {
    CAPTURE(row.subject);
    CAPTURE(row.who.name());
    const auto rules = RuleSet::compile(
        {{.name = "p", .subjects = {row.subject}, .rules = {{.effect = Effect::allow, .tools = {"*"}}}}});
    REQUIRE(rules.has_value());
    CHECK((*rules)->view(row.who)->decide(Object::tool, "s/t").allowed() == row.covered);
  }
  CHECK(alice.name() == "user:alice@acme.com");
  CHECK(eve.name() == "user:partner/eve@acme.com");
  CHECK(slashed.name() == "user:okta/partner/eve@acme.com");
}

TEST_CASE("principals are named as documents write them") {
  CHECK(agent("release-bot").name() == "agent:release-bot");
  CHECK(user("alice@example.com").name() == "user:alice@example.com");
  CHECK(Principal{}.name() == "anonymous");
}

TEST_CASE("a policy that cannot be meant is refused with its name, rule and pattern") {
  for (const auto* subject : {"", "everyone", "team:", ":x", "Team:x", "group:x", "team", "user x", "**"}) {
    CAPTURE(subject);
    const auto set = RuleSet::compile({{.name = "p", .subjects = {"*", subject}, .rules = {}}});
    REQUIRE_FALSE(set.has_value());
    CHECK(set.error().code == Code::bad_request);
    CHECK(set.error().hint.find("policy 'p': subject '" + std::string(subject) + "'") == 0);
  }
  const auto set = RuleSet::compile(
      {{.name = "q", .subjects = {"*"}, .rules = {{.tools = {"a/b"}}, {.models = {"m", ""}}}}});
  REQUIRE_FALSE(set.has_value());
  CHECK(set.error().hint == "policy 'q': rule 2 has the empty pattern ''; write '*' for everything");
}

TEST_CASE("the first matching rule of the deciding effect is named, whatever form its pattern has") {
  const auto set =
      compiled({{.name = "a", .subjects = {"*"}, .rules = {{.effect = Effect::allow, .tools = {"*"}}}},
                {.name = "b",
                 .subjects = {"*"},
                 .rules = {{.effect = Effect::deny, .tools = {"*/x"}},
                           {.effect = Effect::deny, .tools = {"s/x"}},
                           {.effect = Effect::deny, .tools = {"s/*", "s/y"}}}}});
  const auto view = set->view({});
  CHECK(view->decide(Object::tool, "s/x").rule == "b#1");
  CHECK(view->decide(Object::tool, "s/y").rule == "b#3");
  CHECK(view->decide(Object::tool, "t/y").rule == "a#1");
  CHECK(set->size() == 4);
}

TEST_CASE("a view outlives the rule set that made it") {
  auto set = compiled(example());
  const auto view = set->view(agent("x", {"payments"}));
  set.reset();
  CHECK(view->decide(Object::tool, "github/get_me").rule == "payments-tools#1");
}

TEST_CASE("one view serves several threads at once") {
  const auto view = compiled(example())->view(agent("x", {"payments"}));
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t)
    threads.emplace_back([view] {
      for (int i = 0; i < 2000; ++i) {
        if (!view->decide(Object::tool, "github/get_" + std::to_string(i)).allowed()) std::abort();
        if (view->decide(Object::tool, "github/delete_" + std::to_string(i)).allowed()) std::abort();
      }
    });
  for (auto& thread : threads) thread.join();
}

TEST_CASE("ten thousand rules: literals and the globs of other servers do not slow a decision down") {
  Policy policy{.name = "big", .subjects = {"*"}, .rules = {}};
  for (int i = 0; i < 5000; ++i) {
    const auto n = std::to_string(i);
    policy.rules.push_back({.effect = Effect::allow, .tools = {"server" + n + "/tool"}});
    policy.rules.push_back(
        {.effect = i % 2 ? Effect::allow : Effect::deny, .tools = {"server" + n + "/get_*"}});
  }
  const auto view = compiled({policy})->view({});
  for (int i = 0; i < 5000; ++i) {
    const auto n = std::to_string(i);
    CHECK(view->decide(Object::tool, "server" + n + "/tool").rule == "big#" + std::to_string(2 * i + 1));
    const auto decision = view->decide(Object::tool, "server" + n + "/get_x");
    CHECK(decision.rule == "big#" + std::to_string(2 * i + 2));
    CHECK(decision.allowed() == (i % 2 == 1));
  }
}

TEST_CASE("a condition that does not compile says where in its document") {
  struct Row {
    const char* when;
    int line, column;
    const char* says;
  };
  const Row rows[] = {
      {"args.repo ==", 7, 31, "line 7, column 43"},
      {"agrs.repo == 1", 7, 31, "line 7, column 31"},
      {"true &&\n  nothing", 7, 31, "line 2, column 3 of the condition that begins on line 7"},
      {"1 +", 0, 0, "of the condition"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.when);
    const auto set = RuleSet::compile({{.name = "p",
                                        .subjects = {"*"},
                                        .rules = {{.effect = Effect::allow,
                                                   .tools = {"*"},
                                                   .when = row.when,
                                                   .when_line = row.line,
                                                   .when_column = row.column}}}});
    REQUIRE_FALSE(set.has_value());
    const std::string text = set.error().hint + set.error().what;
    CAPTURE(text);
    CHECK(text.find(row.says) != std::string::npos);
    CHECK(text.find("policy 'p': rule 1, when: ") != std::string::npos);
  }
}

TEST_CASE("arguments are read only where a rule about this target reads them") {
  const auto view =
      compiled(
          {{.name = "p",
            .subjects = {"*"},
            .rules = {{.effect = Effect::allow, .tools = {"a/*"}},
                      {.effect = Effect::deny, .tools = {"a/x"}, .when = "args.n > 1"},
                      {.effect = Effect::allow, .tools = {"b/*"}, .when = "principal.subject == \"x\""}}}})
          ->view(agent("x"));
  const auto parses = [&](const char* target) {
    const Facts principal = facts_of(agent("x"));
    Activation activation;
    activation.args("{}").bind(Variable::principal, principal);
    (void)view->decide(Object::tool, target, Phase::call, activation);
    return activation.read_args();
  };
  CHECK_FALSE(parses("a/y"));
  CHECK(parses("a/x"));
  CHECK_FALSE(parses("b/x"));
  CHECK(view->unconditional(Object::tool, "a/y").has_value());
  CHECK_FALSE(view->unconditional(Object::tool, "b/x").has_value());
}

TEST_CASE("an explanation names the rule, what nearly matched, and what would change it") {
  const std::vector<Policy> policies = {
      {.name = "readers",
       .subjects = {"team:readers"},
       .rules = {{.effect = Effect::allow, .tools = {"github/get_*"}},
                 {.effect = Effect::allow,
                  .tools = {"github/create_issue"},
                  .when = "args.repo.startsWith(\"acme/\")"}}},
      {.name = "staging",
       .subjects = {"*"},
       .environments = {"staging"},
       .rules = {{.effect = Effect::allow, .tools = {"*"}}}},
      {.name = "no-deletes", .subjects = {"*"}, .rules = {{.effect = Effect::deny, .tools = {"*/delete_*"}}}},
  };
  struct Row {
    const char* why;
    Principal who;
    const char* target;
    const char* args;
    const char* rule;
    std::vector<std::string> near;
    const char* advice;
  };
  const Row rows[] = {
      {"allowed",
       agent("bot", {"readers"}),
       "github/get_me",
       "{}",
       "readers#1",
       {"staging#1"},
       "To refuse it, add to a policy with subject \"agent:bot\": {effect: deny, tools: "
       "[\"github/get_me\"]}"},
      {"the condition fails",
       agent("bot", {"readers"}),
       "github/create_issue",
       R"({"repo":"evil/x"})",
       "default",
       {"readers#2", "staging#1"},
       "readers#2 would allow it if its condition held"},
      {"an error in the condition",
       agent("bot", {"readers"}),
       "github/create_issue",
       "{}",
       "default",
       {"readers#2", "staging#1"},
       "readers#2 would allow it if its condition held"},
      {"another team",
       agent("bot"),
       "github/get_me",
       "{}",
       "default",
       {"readers#1", "staging#1"},
       "readers#1 would allow it to team:readers"},
      {"a denial",
       agent("bot", {"readers"}),
       "github/delete_repo",
       "{}",
       "no-deletes#1",
       {"staging#1"},
       "Lift or narrow the denial no-deletes#1"},
      {"nothing near",
       agent("bot"),
       "jira/close",
       "{}",
       "default",
       {"staging#1"},
       "Add to a policy with subject \"agent:bot\": {effect: allow, tools: [\"jira/close\"]}"},
  };
  const auto set = compiled(policies);
  for (const Row& row : rows) {
    CAPTURE(row.why);
    const Facts principal = facts_of(row.who);
    Activation activation;
    activation.args(row.args).bind(Variable::principal, principal);
    const auto said = set->explain(row.who, Object::tool, row.target, Phase::call, activation);
    CHECK(said.decision.rule == row.rule);
    std::vector<std::string> near;
    for (const auto& one : said.near) near.push_back(one.rule);
    CHECK(near == row.near);
    CAPTURE(said.advice);
    CHECK(said.advice.find(row.advice) == 0);
  }
}

TEST_CASE("a token that names tools is good for those that the rules allow, and for nothing else") {
  const auto rules = compiled({{.name = "all",
                                .subjects = {"*"},
                                .rules = {{.effect = Effect::allow,
                                           .tools = {"*"},
                                           .prompts = {"*"},
                                           .resources = {"*"},
                                           .virtual_servers = {"*"},
                                           .models = {"*"}},
                                          {.effect = Effect::deny, .tools = {"a/drop"}}}}});
  Principal limited = agent("bot");
  limited.tools = {"a/get_*", "a/drop"};
  const auto view = rules->view(limited);
  CHECK(view->decide(Object::tool, "a/get_x").rule == "all#1");
  CHECK(view->decide(Object::tool, "a/drop").rule == "all#2");
  CHECK(view->decide(Object::tool, "a/set_x").rule == "token");
  for (const Object object : {Object::prompt, Object::resource, Object::model}) {
    CHECK_FALSE(view->decide(object, "a/get_x").allowed());
    CHECK(rules->view(agent("bot"))->decide(object, "a/get_x").allowed());
  }
  CHECK(view->decide(Object::virtual_server, "pay").allowed());
  limited.tools.emplace();
  CHECK(rules->view(limited)->decide(Object::tool, "a/get_x").rule == "token");
}

TEST_CASE("an allow that asks for scopes lists, and holds in calls for tokens that have them") {
  const auto rules =
      compiled({{.name = "p",
                 .subjects = {"*"},
                 .rules = {{.effect = Effect::allow, .tools = {"a/pay"}, .scopes = {"pay", "audit"}},
                           {.effect = Effect::allow, .tools = {"a/read"}},
                           {.effect = Effect::deny, .tools = {"a/never"}},
                           {.effect = Effect::allow, .tools = {"a/never"}, .scopes = {"pay"}}}}});
  CHECK(rules->scopes() == std::vector<std::string>{"audit", "pay"});
  const auto decide = [&](std::optional<std::vector<std::string>> scopes, const char* tool, Phase phase) {
    Principal one = agent("bot");
    one.scopes = std::move(scopes);
    return rules->view(one)->decide(Object::tool, tool, phase, Activation());
  };
  const auto no = decide({{"pay"}}, "a/pay", Phase::call);
  CHECK_FALSE(no.allowed());
  CHECK(no.rule == "p#1");
  CHECK(no.conditional);
  CHECK(no.lacks == std::vector<std::string>{"audit"});
  CHECK(decide({{"pay"}}, "a/pay", Phase::list).allowed());
  CHECK(decide({{"pay"}}, "a/pay", Phase::list).lacks == std::vector<std::string>{"audit"});
  CHECK(decide({{"audit", "pay"}}, "a/pay", Phase::list).lacks.empty());
  CHECK(decide({{"audit", "pay"}}, "a/pay", Phase::call).allowed());
  CHECK(decide(std::nullopt, "a/pay", Phase::call).allowed());
  CHECK(decide({{}}, "a/read", Phase::call).allowed());
  const auto never = decide({{}}, "a/never", Phase::call);
  CHECK(never.rule == "p#3");
  CHECK(never.lacks.empty());
  // What another rule allows needs none.
  const auto both = compiled({{.name = "p",
                               .subjects = {"*"},
                               .rules = {{.effect = Effect::allow, .tools = {"a/pay"}, .scopes = {"pay"}},
                                         {.effect = Effect::allow, .tools = {"a/*"}}}}});
  Principal poor = agent("bot");
  poor.scopes.emplace();
  CHECK(both->view(poor)->decide(Object::tool, "a/pay", Phase::call, Activation()).rule == "p#2");
  CHECK(both->view(poor)->decide(Object::tool, "a/pay", Phase::list, Activation()).lacks.empty());
}

TEST_CASE("a denial and a virtual server's door ask for no scopes") {
  for (const Rule& rule : {Rule{.effect = Effect::deny, .tools = {"a"}, .scopes = {"s"}},
                           Rule{.effect = Effect::allow, .virtual_servers = {"a"}, .scopes = {"s"}}}) {
    const auto refused = RuleSet::compile({{.name = "p", .subjects = {"*"}, .rules = {rule}}});
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().hint.find("scopes") != std::string::npos);
  }
}

TEST_CASE("what one server calls its tools is allowed by no rule about another, and denied by every rule") {
  const auto view = compiled({{.name = "prod",
                               .subjects = {"*"},
                               .rules = {{.effect = Effect::allow, .servers = {"*-prod"}},
                                         {.effect = Effect::allow, .models = {"*/gpt-5"}},
                                         {.effect = Effect::deny, .tools = {"*/delete_*"}},
                                         {.effect = Effect::deny, .servers = {"x*"}}}}})
                        ->view(agent("bot"));
  struct Row {
    Object object;
    const char* target;
    const char* rule;
  };
  for (const auto& row : {
           Row{Object::tool, "crm-prod/query", "prod#1"},
           Row{Object::tool, "crm-prod/a/b-prod/c", "prod#1"},
           Row{Object::tool, "sandbox/x-prod/query", "default"},
           Row{Object::prompt, "sandbox/x-prod/", "default"},
           Row{Object::resource, "sandbox/file:///a-prod/b", "default"},
           Row{Object::tool, "crm-prod/admin/delete_all", "prod#3"},
           Row{Object::tool, "crm-prod/x-ray", "prod#1"},
           Row{Object::tool, "x-prod/query", "prod#4"},
           Row{Object::model, "hub/gpt-5", "prod#2"},
           Row{Object::model, "hub/stranger/gpt-5", "default"},
       }) {
    CAPTURE(row.target);
    CHECK(view->decide(row.object, row.target).rule == row.rule);
  }
  auto limited = agent("bot");
  limited.tools = {"*-prod/*"};
  const auto bounded =
      compiled({{.name = "all", .subjects = {"*"}, .rules = {{.effect = Effect::allow, .tools = {"*"}}}}})
          ->view(limited);
  CHECK(bounded->decide(Object::tool, "crm-prod/query").allowed());
  CHECK(bounded->decide(Object::tool, "sandbox/x-prod/query").rule == "token");
}
