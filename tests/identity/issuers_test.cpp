// Which principal a token stands for.
#include "sallyport/identity/issuers.hpp"

#include <doctest/doctest.h>

#include <functional>

#include "identity/token_factory.hpp"
#include "sallyport/identity/own_issuer.hpp"

using namespace sallyport;
using namespace sallyport::identity;
using sallyport::identity::testing::key_set;
using sallyport::identity::testing::SigningIssuer;

namespace {

const SystemTime kNow{std::chrono::seconds(1'800'000'000)};

store::Issuer okta() {
  return {.name = "okta",
          .issuer = "https://idp.example",
          .is_default = true,
          .user = "claims.email",
          .agent = "claims.azp",
          .teams = "claims.groups",
          .roles = "claims.realm_access.roles",
          .claims = {{"tenant", "claims[\"https://acme.example/tenant\"]"}, {"level", "claims.level"}}};
}

struct Rig {
  explicit Rig(std::vector<store::AnyDocument> documents = {}, const store::Issuer& issuer = okta())
      : entry{.document = issuer,
              .rules = IssuerTable::rules_of(issuer),
              .fingerprint = "",
              .keys = nullptr,
              .client_secret = nullptr} {
    documents.emplace_back(issuer);
    table = std::make_unique<IssuerTable>(documents, std::map<std::string, IssuerParts>{},
                                          std::make_shared<const Directory>(documents));
  }
  Result<policy::Principal> who(const std::string& claims) const {
    static const SigningIssuer signer = SigningIssuer::ec("k");
    static const KeySet keys = *KeySet::parse(key_set({signer.jwk()}));
    const std::string payload = R"({"iss":"https://idp.example","exp":1800000600,"sub":"s-1")" +
                                (claims.empty() ? "" : "," + claims) + "}";
    auto verified = verify_token(*read_jws(signer.token("ES256", payload)), keys, entry.rules, kNow);
    REQUIRE(verified.has_value());
    return table->principal(entry, *verified);
  }
  std::string name(const std::string& claims) const {
    const auto principal = who(claims);
    return principal ? principal->name() : "refused: " + principal.error().hint;
  }
  Issuer entry;
  std::unique_ptr<IssuerTable> table;
};

}  // namespace

TEST_CASE("a token names a person, or else a program, by the claims of its issuer's document") {
  struct Row {
    const char* about;
    std::string claims, name;
  };
  const Row rows[] = {
      {"a verified address", R"("email":"alice@example.com","email_verified":true)",
       "user:alice@example.com"},
      {"verified as text, as some issuers write it", R"("email":"a@b.c","email_verified":"true")",
       "user:a@b.c"},
      {"an address that nobody verified", R"("email":"alice@example.com","email_verified":false)",
       "refused: its email is not verified: email_verified must be true"},
      {"an address without a word about it", R"("email":"alice@example.com","azp":"job")",
       "refused: its email is not verified: email_verified must be true"},
      {"no person, but a program", R"("azp":"nightly")", "agent:okta/nightly"},
      {"nobody at all", "", "refused: it names nobody: it has no claims.email and no claims.azp"},
      {"a name that is a number", R"("azp":17)", "refused: claims.azp is no name"},
      {"an empty name", R"("azp":"")", "refused: claims.azp is no name"},
      {"a name with a line break", R"("azp":"a\nb")", "refused: claims.azp is no name"},
      {"a name that is read backwards", R"("azp":"a\u202eb")", "refused: claims.azp is no name"},
      {"a name beyond all measure", R"("azp":")" + std::string(1025, 'a') + "\"",
       "refused: claims.azp is no name"},
  };
  const Rig rig;
  for (const Row& row : rows) {
    CAPTURE(row.about);
    CHECK(rig.name(row.claims) == row.name);
  }
}

TEST_CASE("principals of different issuers never share a name, whatever their issuers call them") {
  store::Issuer partner = okta();
  partner.name = "partner";
  partner.is_default = false;
  partner.user = "claims.sub";
  const Rig theirs({}, partner);
  CHECK(theirs.name("") == "user:partner/s-1");
  store::Issuer ours = okta();
  ours.user = "claims.login";
  const Rig home({}, ours);
  CHECK(home.name(R"("login":"s-1")") == "user:s-1");
  // Nobody becomes another issuer's by a slash in the name.
  CHECK(home.name(R"("login":"partner/s-1")") == "user:okta/partner/s-1");
  // Nor one of our own agents.
  CHECK(home.name(R"("azp":"release-bot")") == "agent:okta/release-bot");
}

TEST_CASE("teams come from documents and from claims; roles and claims from where the document says") {
  const Rig rig({store::Team{.name = "payments", .members = {"user:alice@example.com"}},
                 store::Team{.name = "on-call", .members = {"user:okta/alice@example.com"}},
                 store::Team{.name = "others", .members = {"user:partner/alice@example.com", "agent:s-1"}}});
  const auto alice = rig.who(
      R"("email":"alice@example.com","email_verified":true,"groups":["staff","payments"],)"
      R"("realm_access":{"roles":["admin"]},"https://acme.example/tenant":"t-9","level":3,"other":"x","azp":"cli")");
  REQUIRE(alice.has_value());
  CHECK(alice->teams == std::vector<std::string>{"on-call", "payments", "staff"});
  CHECK(alice->roles == std::vector<std::string>{"admin"});
  CHECK(alice->claims ==
        std::map<std::string, std::string>{{"client_id", "cli"}, {"level", "3"}, {"tenant", "t-9"}});
  CHECK(alice->issuer == "okta");
  const auto one = rig.who(R"("azp":"job","groups":"staff","act":{"sub":"scheduler"})");
  REQUIRE(one.has_value());
  CHECK(one->teams == std::vector<std::string>{"staff"});
  CHECK(one->actor == "scheduler");
}

TEST_CASE("teams that cannot be told refuse the token: a rule against one of them must not be missed") {
  std::string many = "\"groups\":[\"a\"";
  for (int i = 0; i < 1000; ++i) many += ",\"g" + std::to_string(i) + "\"";
  const Rig rig;
  for (const std::string& groups :
       {many + "]", std::string(R"("groups":[1])"), std::string(R"("groups":{"a":1})"),
        std::string(R"("groups":[""])"), std::string(R"("_claim_names":{"groups":"src1"})")}) {
    CAPTURE(groups.substr(0, 60));
    CHECK(rig.name(R"("azp":"job",)" + groups).starts_with("refused: its teams are "));
  }
}

TEST_CASE("a token needs every scope that its issuer's document demands, in either of its spellings") {
  store::Issuer issuer = okta();
  issuer.scopes = {"mcp", "tools:call"};
  const Rig rig({}, issuer);
  const auto has = [&](const std::string& claims) {
    return IssuerTable::has_scopes(
        rig.entry,
        VerifiedToken{.claims = *json::Document::parse("{" + claims + "}"), .issuer = "", .expires = {}});
  };
  CHECK(has(R"("scope":"openid mcp tools:call")"));
  CHECK(has(R"("scp":["mcp","tools:call"])"));
  CHECK(has(R"("scp":"mcp  tools:call")"));
  CHECK(has(R"("scope":"mcp","scp":["tools:call"])"));
  CHECK_FALSE(has(R"("scope":"mcp")"));
  CHECK_FALSE(has(R"("scope":"mcp tools:calls")"));
  CHECK_FALSE(has(""));
}

TEST_CASE("a principal that documents name is found again by its name") {
  store::Issuer partner = okta();
  partner.name = "partner";
  partner.is_default = false;
  const Directory directory({okta(), partner});
  for (const char* name : {"user:alice@example.com", "user:partner/bob", "agent:release-bot",
                           "agent:okta/job", "user:okta/a/b", "anonymous"}) {
    CAPTURE(name);
    const auto found = directory.named(name);
    REQUIRE(found.has_value());
    CHECK(found->name() == name);
  }
  CHECK(directory.named("user:okta/alice")->name() == "user:alice");
  CHECK_FALSE(directory.named("user:nobody/alice").has_value());
  CHECK_FALSE(directory.named("user:partner/").has_value());
  CHECK_FALSE(directory.named("team:x").has_value());
  CHECK(Directory({}).named("user:alice")->name() == "user:alice");
}

TEST_CASE("what ends at the gateway's keys of before or after has its tokens looked at again under both") {
  const auto seed = [](char c) { return Secret(std::string(32, c)); };
  OwnIssuer before("https://gw.example", {seed('a')}, system_clock(), nullptr);
  OwnIssuer after("https://gw.example", {seed('b'), seed('a')}, system_clock(), &before);
  struct Row {
    const char* about;
    std::function<void()> ends;
  };
  const Row rows[] = {
      {"a request that began before", [&] { before.end("grant-1"); }},
      {"a request that began after", [&] { after.end("grant-2"); }},
      {"what the database says", [&] { before.set_ended({"grant-1", "grant-2", "grant-3"}); }},
  };
  for (const Row& row : rows) {
    CAPTURE(row.about);
    const auto old_version = before.keys()->version(), version = after.keys()->version();
    row.ends();
    CHECK(before.keys()->version() != old_version);
    CHECK(after.keys()->version() != version);
    CHECK(after.keys()->version() != before.keys()->version());
  }
  for (const char* grant : {"grant-1", "grant-2", "grant-3"}) CHECK(after.has_ended(grant));
  const auto version = after.keys()->version();
  after.end("grant-1");
  CHECK(after.keys()->version() == version);
}
