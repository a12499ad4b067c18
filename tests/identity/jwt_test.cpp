// Tokens and the keys that verify them: what is accepted, and everything that is not (threats N27, N28, N30,
// N31).
#include "sallyport/identity/jwt.hpp"

#include <doctest/doctest.h>

#include "identity/token_factory.hpp"

using namespace sallyport;
using namespace sallyport::identity;
using sallyport::identity::testing::key_set;
using sallyport::identity::testing::SigningIssuer;

namespace {

constexpr std::int64_t kNow = 1'800'000'000;
const SystemTime kTime{std::chrono::seconds(kNow)};

std::string claims(const std::string& more = "", std::int64_t exp = kNow + 600) {
  return R"({"iss":"https://idp.example","aud":"https://gw.example/mcp","sub":"alice","exp":)" +
         std::to_string(exp) + more + "}";
}

TokenRules rules(std::vector<Algorithm> algorithms = {Algorithm::rs256, Algorithm::ps256, Algorithm::es256}) {
  return {.issuer = "https://idp.example", .algorithms = std::move(algorithms)};
}

/// "" when it is accepted, else why not.
std::string judged(const std::string& token, const KeySet& keys, const TokenRules& with = rules(),
                   SystemTime now = kTime, TokenFault* fault = nullptr) {
  auto read = read_jws(token);
  if (!read) return read.error().hint;
  const auto verified = verify_token(std::move(*read), keys, with, now, fault);
  if (!verified) {
    CHECK(verified.error().code == Code::unauthenticated);
    CHECK(verified.error().what == "the token is not accepted");
    return verified.error().hint;
  }
  CHECK(verified->issuer == "https://idp.example");
  return verified->is_for("https://gw.example/mcp", {}) ? "" : "it is for somebody else";
}

const SigningIssuer& rsa() {
  static const SigningIssuer issuer = SigningIssuer::rsa("r1");
  return issuer;
}
const SigningIssuer& ec() {
  static const SigningIssuer issuer = SigningIssuer::ec("e1");
  return issuer;
}
const KeySet& keys() {
  static const KeySet set = *KeySet::parse(key_set({rsa().jwk(), ec().jwk()}));
  return set;
}

}  // namespace

TEST_CASE("a token is accepted with every algorithm that its issuer is configured for") {
  const auto p384 = SigningIssuer::ec("e2", "P-384");
  const auto p521 = SigningIssuer::ec("e3", "P-521");
  const auto all = KeySet::parse(key_set({rsa().jwk(), ec().jwk(), p384.jwk(), p521.jwk()}));
  REQUIRE(all.has_value());
  CHECK(all->size() == 4);
  for (const char* name : {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"}) {
    CAPTURE(name);
    const std::string word = name;
    const SigningIssuer& signer = !word.starts_with("E") ? rsa()
                                  : word == "ES256"      ? ec()
                                  : word == "ES384"      ? p384
                                                         : p521;
    CHECK(judged(signer.token(name, claims()), *all, rules({*algorithm_of(name)})).empty());
    // Another one, even of the same key, is not what its issuer signs with.
    CHECK(judged(signer.token(name, claims()), *all,
                 rules({Algorithm::rs256 == *algorithm_of(name) ? Algorithm::ps256 : Algorithm::rs256})) !=
          "");
  }
}

TEST_CASE("N27 the algorithm is the issuer's to choose, never the token's") {
  const auto with = [](const std::string& header) { return rsa().token("RS256", header, claims()); };
  for (const char* alg :
       {"none", "None", "nOnE", "NONE", "", " RS256", "RS256 ", "rs256", "HS256", "HS512", "EdDSA"}) {
    CAPTURE(alg);
    CHECK(judged(with(R"({"kid":"r1","alg":")" + std::string(alg) + "\"}"), keys()) ==
          "its algorithm is none that is accepted");
  }
  CHECK(judged(with(R"({"kid":"r1"})"), keys()) == "its algorithm is none that is accepted");
  CHECK(judged(with(R"({"kid":"r1","alg":["RS256"]})"), keys()) == "its algorithm is none that is accepted");
  // The signature of one algorithm under the name of another, and none at all.
  CHECK(judged(rsa().token("PS256", R"({"kid":"r1","alg":"RS256"})", claims()), keys()) ==
        "its signature does not fit");
  const std::string good = rsa().token("RS256", claims());
  CHECK(judged(good.substr(0, good.rfind('.') + 1), keys()) == "it has no signature");
  // An RSA key does not verify as an EC key, whatever is claimed.
  CHECK(judged(ec().token("ES256", R"({"kid":"r1","alg":"ES256"})", claims()), keys()) ==
        "its signature does not fit");
  // A key that says what it is for is for nothing else.
  const auto narrow = KeySet::parse(key_set({rsa().jwk(R"(,"alg":"PS256")")}));
  CHECK(judged(rsa().token("RS256", claims()), *narrow) == "its signature does not fit");
  CHECK(judged(rsa().token("PS256", claims()), *narrow).empty());
}

TEST_CASE("N28 what a header points to is not followed, and what it insists on is refused") {
  const auto with = [](const std::string& header) {
    return judged(rsa().token("RS256", header, claims()), keys());
  };
  for (const std::string& kid :
       {std::string("../../dev/null"), std::string("' OR 1=1"), std::string(256, 'k')}) {
    CAPTURE(kid);
    CHECK(with(R"({"alg":"RS256","kid":")" + kid + "\"}") == "its key is none of its issuer's");
  }
  CHECK(with(R"({"alg":"RS256","kid":")" + std::string(257, 'k') + "\"}") == "its key id is no name");
  CHECK(with(R"({"alg":"RS256","kid":""})") == "its key id is no name");
  CHECK(with(R"({"alg":"RS256","kid":7})") == "its key id is no name");
  CHECK(with(R"({"alg":"RS256","kid":"r1","crit":["b64"],"b64":false})") == "it asks for an extension");
  CHECK(with(R"({"alg":"RS256","alg":"RS256","kid":"r1"})") ==
        "its header is no JSON object, or has a name twice");
  // A key that comes with the token is not a key of the issuer.
  const auto stranger = SigningIssuer::rsa("s1");
  CHECK(judged(stranger.token("RS256",
                              R"({"alg":"RS256","kid":"r1","jwk":)" + stranger.jwk() +
                                  R"(,"jku":"https://evil.example/"})",
                              claims()),
               keys()) == "its signature does not fit");
  CHECK(judged(stranger.token("RS256", R"({"alg":"RS256","jwk":)" + stranger.jwk() + "}", claims()),
               keys()) == "its signature does not fit");
}

TEST_CASE("N31 issuer, audience and times are held exactly, and their lack is a refusal") {
  struct Row {
    const char* about;
    std::string payload;
    std::string why;
  };
  const std::string head = R"({"iss":"https://idp.example","sub":"alice",)";
  const std::string exp = R"("exp":)" + std::to_string(kNow + 600);
  const Row rows[] = {
      {"good", claims(), ""},
      {"a list of audiences with ours", head + exp + R"(,"aud":["x","https://gw.example/mcp"]})", ""},
      {"a slash more", head + exp + R"(,"aud":"https://gw.example/mcp/"})", "it is for somebody else"},
      {"a list without ours", head + exp + R"(,"aud":["https://gw.example"]})", "it is for somebody else"},
      {"an empty list", head + exp + R"(,"aud":[]})", "it is for somebody else"},
      {"no audience", head + exp + "}", "it is for somebody else"},
      {"issuer with a slash",
       R"({"iss":"https://idp.example/","sub":"alice","aud":"https://gw.example/mcp",)" + exp + "}",
       "another issuer made it"},
      {"no issuer", R"({"sub":"alice","aud":"https://gw.example/mcp",)" + exp + "}",
       "another issuer made it"},
      {"just expired", claims("", kNow - 30), "it has expired"},
      {"within the leeway", claims("", kNow - 29), ""},
      {"no expiry", head + R"("aud":"https://gw.example/mcp"})", "it says no time at which it expires"},
      {"an expiry that is text", head + R"("aud":"https://gw.example/mcp","exp":"tomorrow"})",
       "it says no time at which it expires"},
      {"an expiry beyond all time", head + R"("aud":"https://gw.example/mcp","exp":1e300})",
       "it says no time at which it expires"},
      {"an expiry that means never", claims("", 253402300799), ""},
      {"an expiry beyond what clocks count", claims("", 9300000000), ""},
      {"a negative expiry", head + R"("aud":"https://gw.example/mcp","exp":-1})",
       "it says no time at which it expires"},
      {"not yet valid", claims(R"(,"nbf":)" + std::to_string(kNow + 31)), "it is not valid yet"},
      {"valid within the leeway", claims(R"(,"nbf":)" + std::to_string(kNow + 30)), ""},
      {"a beginning that is text", claims(R"(,"nbf":"now")"), "it is not valid yet"},
      {"a claim twice", claims(R"(,"sub":"bob")"), "its payload is no JSON object, or has a name twice"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.about);
    CHECK(judged(rsa().token("RS256", row.payload), keys()) == row.why);
  }
  CHECK(judged(rsa().token("RS256", R"({"typ":"oauth-id-jag+jwt","alg":"RS256","kid":"r1"})", claims()),
               keys()) == "it is a token of another type");
  CHECK(judged(rsa().token("RS256", R"({"typ":"application/at+JWT","alg":"RS256","kid":"r1"})", claims()),
               keys())
            .empty());
}

TEST_CASE("N31 a token is for the endpoint it names, and for what its issuer's document names besides") {
  const auto verified = [](const std::string& audience) {
    return *verify_token(
        *read_jws(
            rsa().token("RS256", R"({"iss":"https://idp.example","exp":1800000600,"aud":)" + audience + "}")),
        keys(), rules(), kTime);
  };
  const std::vector<std::string> others{"api://gateway"};
  CHECK(verified(R"("https://gw.example/mcp/pay")").is_for("https://gw.example/mcp/pay", {}));
  CHECK_FALSE(verified(R"("https://gw.example/mcp")").is_for("https://gw.example/mcp/pay", {}));
  CHECK_FALSE(verified(R"("https://GW.example/mcp")").is_for("https://gw.example/mcp", {}));
  CHECK(verified(R"("api://gateway")").is_for("https://gw.example/mcp/pay", others));
  CHECK(verified(R"(["account","api://gateway"])").is_for("https://gw.example/mcp/pay", others));
  CHECK_FALSE(verified(R"(["account",{"api://gateway":1}])").is_for("https://gw.example/mcp", others));
}

TEST_CASE("a key is known again by its print, under whatever name it stands in a set") {
  const auto token = verify_token(*read_jws(rsa().token("RS256", claims())), keys(), rules(), kTime);
  REQUIRE(token.has_value());
  CHECK(keys().has(*token->key));
  std::string renamed = rsa().jwk();
  renamed.replace(renamed.find("r1"), 2, "r9");
  CHECK(KeySet::parse(key_set({renamed}))->has(*token->key));
  CHECK_FALSE(KeySet::parse(key_set({ec().jwk()}))->has(*token->key));
}

TEST_CASE("N31 a signature with a zero, of another length, or changed anywhere does not fit") {
  const std::string good = ec().token("ES256", claims());
  const std::string text = good.substr(0, good.rfind('.') + 1);
  CHECK(judged(good, keys()).empty());
  for (const std::string& raw : {std::string(64, '\0'), std::string(32, '\0') + std::string(32, 'x'),
                                 std::string(63, 'x'), std::string(65, 'x'), std::string(132, 'x')})
    CHECK(judged(text + base64url(raw), keys()) == "its signature does not fit");
  for (std::size_t i = 0; i < good.size(); i += 7) {
    std::string changed = good;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    CHECK(judged(changed, keys()) != "");
  }
}

TEST_CASE("a token that is cut, joined, oversized or no token is refused before anything else") {
  const std::string good = rsa().token("RS256", claims());
  for (const std::string& text :
       {std::string(), std::string("."), std::string(".."), good + ".", good.substr(0, good.find('.')),
        "x." + good, std::string("eyJhbGciOiJub25lIn0.e30."), good + "=", std::string(20000, 'a'),
        "!!!." + good.substr(good.find('.') + 1)})
    CHECK(!read_jws(text).has_value());
}

TEST_CASE("only a key that its issuer may have made since is worth asking for again") {
  const auto next = SigningIssuer::rsa("r2");
  TokenFault fault = TokenFault::none;
  CHECK(judged(next.token("RS256", claims()), keys(), rules(), kTime, &fault) ==
        "its key is none of its issuer's");
  CHECK(fault == TokenFault::unknown_key);
  // Nobody makes us fetch with a token that would be refused anyway.
  CHECK(judged(next.token("RS256", claims("", kNow - 1000)), keys(), rules(), kTime, &fault) ==
        "it has expired");
  CHECK(fault == TokenFault::refused);
  CHECK(judged(rsa().token("PS256", R"({"kid":"r1","alg":"RS256"})", claims()), keys(), rules(), kTime,
               &fault) != "");
  CHECK(fault == TokenFault::refused);
  CHECK(judged(rsa().token("RS256", claims()), keys(), rules(), kTime, &fault).empty());
  CHECK(fault == TokenFault::none);
}

TEST_CASE("N30 a key set keeps what can verify and passes over the rest, or says why nothing is left") {
  const auto small = SigningIssuer::rsa("small", 1024);
  std::string off = ec().jwk();
  off.replace(off.find("\"y\":\"") + 5, 4, "AAAA");
  struct Row {
    const char* about;
    std::string json;
    std::size_t keys;
    std::string why;
  };
  const std::string oct = R"({"kty":"oct","k":"c2VjcmV0","kid":"o"})";
  const Row rows[] = {
      {"an ordinary one", key_set({rsa().jwk(R"(,"use":"sig")"), ec().jwk()}), 2, ""},
      {"others beside", key_set({oct, small.jwk(), off, R"({"kty":"OKP"})", rsa().jwk()}), 1, ""},
      {"of encryption", key_set({rsa().jwk(R"(,"use":"enc")")}), 0, "for something other than signatures"},
      {"of another algorithm", key_set({rsa().jwk(R"(,"alg":"RSA-OAEP")")}), 0,
       "for the algorithm \"RSA-OAEP\""},
      {"too short", key_set({small.jwk()}), 0, "has 1024 bits"},
      {"off its curve", key_set({off}), 0, "a point that is not on P-256"},
      {"another curve", key_set({R"({"kty":"EC","crv":"secp256k1","x":"AA","y":"AA"})"}), 0,
       "a curve that is not accepted"},
      {"a shared secret", key_set({oct}), 0, "neither RSA nor EC"},
      {"empty", key_set({}), 0, "it is empty"},
      {"no list", R"({"keys":{}})", 0, "no list \"keys\""},
      {"a page", "<html>", 0, ""},
  };
  for (const Row& row : rows) {
    CAPTURE(row.about);
    const auto set = KeySet::parse(row.json);
    CHECK(set.has_value() == (row.keys > 0));
    if (set) CHECK(set->size() == row.keys);
    if (!set) CHECK((set.error().hint + set.error().what).find(row.why) != std::string::npos);
  }
  std::vector<std::string> many;
  for (int i = 0; i < 100; ++i) {
    std::string jwk = ec().jwk();
    many.push_back(jwk.replace(jwk.find("e1"), 2, "k" + std::to_string(i)));
  }
  CHECK(KeySet::parse(key_set(many))->size() == KeySet::kKeys);
}
