#include "sallyport/identity/keys.hpp"

#include <doctest/doctest.h>

#include <string>

#include "sallyport/core/bytes.hpp"

using namespace sallyport;
using namespace sallyport::identity;
using namespace std::chrono_literals;

namespace {

const std::string kSecret = "AbCdEfGhIjKlMnOpQrStUvWxYz0123456789-_AbCdE";
const SystemTime kNow = SystemTime{} + std::chrono::hours(24 * 365 * 50);

std::string text_of(const std::string& id) { return "sp_" + id + "_" + kSecret; }

store::ApiKey key(const std::string& id, const std::string& agent) {
  return {.id = id, .hash = sha256_hex(text_of(id)), .agent = agent};
}

std::shared_ptr<const KeyTable> table_of(std::vector<store::ApiKey> keys,
                                         std::vector<store::AnyDocument> more = {}) {
  more.emplace_back(store::Agent{.name = "bot"});
  more.emplace_back(store::Agent{.name = "other"});
  more.emplace_back(store::Agent{.name = "gone", .disabled = true});
  return KeyTable::build(keys, Directory(more));
}

std::string refusal(const KeyTable& table, std::string_view text, SystemTime now = kNow) {
  const auto entry = table.check(text, now);
  if (entry) return "accepted";
  CHECK(entry.error().code == Code::unauthenticated);
  CHECK(entry.error().blame == Blame::client);
  return entry.error().what + "|" + entry.error().hint;
}

}  // namespace

TEST_CASE("a key opens as its own agent, and each key is told from the others") {
  const auto table = table_of({key("id1", "bot"), key("id2", "bot"), key("id3", "other")});
  CHECK(table->size() == 3);
  const auto entry = table->check(text_of("id2"), kNow);
  REQUIRE(entry.has_value());
  CHECK((*entry)->key.id == "id2");
  CHECK((*entry)->principal->name() == "agent:bot");
  CHECK((*entry)->principal->key_id == "id2");
  CHECK((*entry)->principal->issuer.empty());
  CHECK_FALSE((*entry)->key.admin);
  CHECK((*table->check(text_of("id3"), kNow))->principal->subject == "other");
}

TEST_CASE("what is not a key in force is refused with one and the same text (N32)") {
  auto revoked = key("revoked", "bot");
  revoked.revoked = 1;
  auto expired = key("expired", "bot");
  expired.expires = unix_millis(kNow);
  auto damaged = key("damaged", "bot");
  damaged.hash = "00";
  const auto table = table_of({key("id1", "bot"), revoked, expired, damaged, key("disabled", "gone")});
  REQUIRE(table->check(text_of("id1"), kNow).has_value());
  const auto expected = refusal(*table, "sp_nobody_" + kSecret);

  auto first_differs = text_of("id1");
  first_differs[7] = 'x';
  auto last_differs = text_of("id1");
  last_differs.back() = 'x';
  auto upper = text_of("id1");
  upper[0] = 'S';
  struct Row {
    const char* why;
    std::string text;
  };
  for (const auto& [why, text] : {
           Row{"nothing", ""},
           Row{"SQL", "' OR '1'='1"},
           Row{"SQL in the id", "sp_' OR '1'='1_x"},
           Row{"a mebibyte", std::string(1 << 20, 'a')},
           Row{"a mebibyte of key", text_of("id1") + std::string(1 << 20, 'a')},
           Row{"prefix only", "sp_"},
           Row{"prefix and id", "sp_id1"},
           Row{"no secret", "sp_id1_"},
           Row{"no id", "sp__" + kSecret},
           Row{"cut", text_of("id1").substr(0, 30)},
           Row{"one more byte", text_of("id1") + "x"},
           Row{"NUL behind", text_of("id1") + std::string(1, '\0')},
           Row{"first byte of the secret", first_differs},
           Row{"last byte of the secret", last_differs},
           Row{"case", upper},
           Row{"another key's id", "sp_id2_" + kSecret},
           Row{"the digest", sha256_hex(text_of("id1"))},
           Row{"revoked", text_of("revoked")},
           Row{"expired", text_of("expired")},
           Row{"damaged row", text_of("damaged")},
           Row{"disabled agent", text_of("disabled")},
       }) {
    CAPTURE(why);
    CHECK(refusal(*table, text) == expected);
  }
}

TEST_CASE("a key expires at its moment, not before") {
  auto expiring = key("id1", "bot");
  expiring.expires = unix_millis(kNow);
  const auto table = table_of({expiring});
  CHECK(table->check(text_of("id1"), kNow - 1ms).has_value());
  CHECK_FALSE(table->check(text_of("id1"), kNow).has_value());
  CHECK_FALSE(table->check(text_of("id1"), kNow + 1h).has_value());
}

TEST_CASE("teams are those that name the agent exactly, each once, sorted") {
  const auto table = table_of({key("id1", "bot"), key("id2", "other")},
                              {store::Team{.name = "z", .members = {"agent:bot", "agent:bot"}},
                               store::Team{.name = "a", .members = {"agent:bot"}},
                               store::Team{.name = "users", .members = {"user:bot"}},
                               store::Team{.name = "globs", .members = {"agent:*", "agent:b?t"}},
                               store::Team{.name = "bare", .members = {"bot"}},
                               store::Team{.name = "case", .members = {"agent:Bot"}}});
  CHECK((*table->check(text_of("id1"), kNow))->principal->teams == std::vector<std::string>{"a", "z"});
  CHECK((*table->check(text_of("id2"), kNow))->principal->teams.empty());
}

TEST_CASE("an admin key says so, and stays an agent's") {
  auto admin = key("id1", "bot");
  admin.admin = true;
  const auto table = table_of({admin});
  CHECK((*table->check(text_of("id1"), kNow))->key.admin);
}

TEST_CASE("an empty table refuses everything") {
  const auto table = KeyTable::build({}, Directory({}));
  CHECK(table->size() == 0);
  CHECK(refusal(*table, text_of("id1")) != "accepted");
}

TEST_CASE("a bearer token is taken as RFC 6750 section 2.1 has it") {
  CHECK(bearer_token(std::nullopt)->has_value() == false);
  struct Row {
    const char *header, *token;
  };
  for (const auto& row :
       {Row{"Bearer abc", "abc"}, Row{"bearer abc", "abc"}, Row{"BEARER abc", "abc"},
        Row{"Bearer   abc", "abc"}, Row{"Bearer sp_id_AZaz09-._~+/==", "sp_id_AZaz09-._~+/=="},
        Row{"Bearer a=", "a="}}) {
    CAPTURE(row.header);
    const auto token = bearer_token(row.header);
    REQUIRE(token.has_value());
    CHECK(*token == row.token);
  }
  for (const auto* header : {"",
                             " ",
                             "Bearer",
                             "Bearer ",
                             "Bearer    ",
                             "Bearerabc",
                             "Bearer\tabc",
                             " Bearer abc",
                             "Basic YTpi",
                             "abc",
                             "Bearer a b",
                             "Bearer abc ",
                             "Bearer abc,def",
                             "Bearer =",
                             "Bearer ==",
                             "Bearer a=b",
                             "Bearer \"abc\"",
                             "Bearer ' OR '1'='1",
                             "Bearer a\x80",
                             "Bearer \xc3\xa9",
                             "Bearer a\n",
                             "Bearer: abc",
                             "Bearer abc, Bearer def"}) {
    CAPTURE(header);
    const auto token = bearer_token(header);
    REQUIRE_FALSE(token.has_value());
    CHECK(token.error().code == Code::unauthenticated);
  }
  CHECK_FALSE(bearer_token(std::string_view("Bearer a\0b", 10)).has_value());
}

TEST_CASE("no refusal repeats what was sent") {
  const auto table = table_of({});
  CHECK(refusal(*table, "sp_tellme_hunter2").find("hunter2") == std::string::npos);
  CHECK(bearer_token("Bearer hunter2 x").error().what.find("hunter2") == std::string::npos);
  CHECK(bearer_token("Basic hunter2").error().what.find("hunter2") == std::string::npos);
}
