#include <regex>

#include "data_directory.hpp"
#include "sallyport/core/crypto.hpp"

namespace sallyport::store {
namespace {

TEST_CASE("a new key has its form, makes its agent, and only its digest is kept") {
  DataDirectory data;
  std::string text;
  {
    OpenRegistry open(data.path());
    const std::int64_t now = unix_millis(open.clock.now());
    auto made = open.registry->create_key("release-bot", "CI", false, now + 1000);
    REQUIRE(made.has_value());
    text = made->text.reveal();
    CHECK(std::regex_match(text, std::regex("sp_[0-9A-Za-z]{10}_[0-9A-Za-z_-]{43}")));
    CHECK(text.substr(3, 10) == made->record.id);
    CHECK(made->record.hash == sha256_hex(text));
    const auto keys = open.registry->keys();
    REQUIRE(keys->size() == 1);
    const ApiKey& key = keys->at(0);
    CHECK(key.id == made->record.id);
    CHECK(key.hash == made->record.hash);
    CHECK(key.agent == "release-bot");
    CHECK(key.note == "CI");
    CHECK_FALSE(key.admin);
    CHECK(key.created == now);
    CHECK(key.expires == now + 1000);
    CHECK_FALSE(key.revoked.has_value());
    CHECK(open.registry->document("Agent", "release-bot")->has_value());
    CHECK(open.registry->generation().value() == 1);
  }
  CHECK(data.all_bytes().find(text) == std::string::npos);
  CHECK(data.all_bytes().find(text.substr(14)) == std::string::npos);
}

TEST_CASE("an agent that exists is left as it is, and may have several keys") {
  DataDirectory data;
  OpenRegistry open(data.path());
  REQUIRE(open.apply("kind: Agent\nname: bot\ndescription: ours\n") == "");
  auto first = open.registry->create_key("bot", "", true, {});
  auto second = open.registry->create_key("bot", "", false, {});
  REQUIRE(first.has_value());
  REQUIRE(second.has_value());
  CHECK(first->record.id != second->record.id);
  CHECK(first->text.reveal().substr(14) != second->text.reveal().substr(14));
  CHECK(std::get<Agent>(open.registry->document("Agent", "bot")->value()).description == "ours");
  CHECK(open.registry->keys()->size() == 2);
}

TEST_CASE("what makes no key is refused and leaves nothing") {
  DataDirectory data;
  OpenRegistry open(data.path());
  const std::int64_t now = unix_millis(open.clock.now());
  CHECK(open.registry->create_key("Release Bot", "", false, {}).error().code == Code::bad_request);
  CHECK(open.registry->create_key("", "", false, {}).error().code == Code::bad_request);
  CHECK(open.registry->create_key("a", "two\nlines", false, {}).error().code == Code::bad_request);
  CHECK(open.registry->create_key("a", "\xff", false, {}).error().code == Code::bad_request);
  CHECK(open.registry->create_key("a", "", false, now).error().code == Code::bad_request);
  CHECK(open.registry->keys()->empty());
  CHECK(open.registry->documents()->empty());
  CHECK(open.registry->generation().value() == 0);
}

TEST_CASE("a revoked key stays on record with the time, and revoking twice changes nothing") {
  DataDirectory data;
  OpenRegistry open(data.path());
  auto made = open.registry->create_key("bot", "", false, {});
  REQUIRE(made.has_value());
  open.clock.advance(std::chrono::seconds(5));
  const std::int64_t at = unix_millis(open.clock.now());
  REQUIRE(open.registry->revoke_key(made->record.id).has_value());
  open.clock.advance(std::chrono::seconds(5));
  REQUIRE(open.registry->revoke_key(made->record.id).has_value());
  CHECK(open.registry->keys()->at(0).revoked == at);
  CHECK(open.registry->generation().value() == 2);
  CHECK(open.registry->revoke_key("nothing").error().code == Code::not_found);
}

TEST_CASE("removing an agent revokes its keys, so that a namesake does not inherit them") {
  DataDirectory data;
  OpenRegistry open(data.path());
  REQUIRE(open.registry->create_key("bot", "", false, {}).has_value());
  REQUIRE(open.registry->create_key("other", "", false, {}).has_value());
  REQUIRE(open.registry->remove("Agent", "bot").has_value());
  REQUIRE(open.apply("kind: Agent\nname: bot\n") == "");
  for (const ApiKey& key : open.registry->keys().value())
    CHECK(key.revoked.has_value() == (key.agent == "bot"));
}

}  // namespace
}  // namespace sallyport::store
