#include "sallyport/store/vault.hpp"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "data_directory.hpp"
#include "sallyport/core/bytes.hpp"
#include "sallyport/core/crypto.hpp"

namespace sallyport::store {
namespace {

std::string new_key_text() { return base64(random_bytes(32)); }

std::string value_of(Vault& vault, const std::string& name) {
  auto value = vault.get(name);
  return value ? std::string(value->reveal()) : value.error().what;
}

/// The error of opening a vault, or "".
std::string open_error(const std::string& directory) {
  auto database = Database::open(directory, Database::Open::offline);
  REQUIRE(database.has_value());
  auto vault = Vault::open(**database);
  if (vault) return "";
  CHECK(vault.error().code == Code::unavailable);
  return vault.error().what;
}

TEST_CASE("what is put comes back after a restart and lies nowhere in the clear") {
  DataDirectory data;
  {
    OpenRegistry open(data.path());
    REQUIRE(open.vault->put("credential/a", Secret("canary-4711")).has_value());
    REQUIRE(open.vault->put("credential/b", Secret("")).has_value());
    REQUIRE(open.vault->put("credential/a", Secret("canary-4712")).has_value());
    CHECK(data.all_bytes().find("canary") == std::string::npos);
  }
  CHECK(data.all_bytes().find("canary") == std::string::npos);
  OpenRegistry open(data.path());
  CHECK(value_of(*open.vault, "credential/a") == "canary-4712");
  CHECK(value_of(*open.vault, "credential/b").empty());
  CHECK(open.vault->contains("credential/a").value());
  REQUIRE(open.vault->remove("credential/a").has_value());
  CHECK_FALSE(open.vault->contains("credential/a").value());
  CHECK(open.vault->get("credential/a").error().code == Code::not_found);
  CHECK(open.vault->remove("credential/a").has_value());
}

TEST_CASE("a sealed value opens only under its own name") {
  DataDirectory data;
  OpenRegistry open(data.path());
  REQUIRE(open.vault->put("credential/a", Secret("for-a")).has_value());
  REQUIRE(open.vault->put("credential/b", Secret("for-b")).has_value());
  REQUIRE(open.database
              ->execute("UPDATE vault SET sealed = (SELECT sealed FROM vault WHERE name = 'credential/a') "
                        "WHERE name = 'credential/b'")
              .has_value());
  CHECK(open.vault->get("credential/b").error().code == Code::storage);
  CHECK(value_of(*open.vault, "credential/a") == "for-a");
}

TEST_CASE("the master key's file is made closed, and refused when it is open, foreign in form or missing") {
  DataDirectory data;
  {
    OpenRegistry first(data.path());
  }
  const std::string file = data.file("master.key");
  struct stat info{};
  REQUIRE(::stat(file.c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0600);
  const std::string right = DataDirectory::bytes_of(file);

  for (const mode_t mode : {0640U, 0604U, 0660U}) {
    ::chmod(file.c_str(), mode);
    CHECK(open_error(data.path()).find("chmod 600") != std::string::npos);
  }
  ::chmod(file.c_str(), 0600);
  CHECK(open_error(data.path()).empty());

  const auto write = [&](const std::string& text) {
    std::ofstream(file, std::ios::trunc | std::ios::binary) << text;
  };
  for (const std::string& wrong : {std::string(), std::string("no base64!"), base64("short")}) {
    write(wrong);
    CHECK(open_error(data.path()).find("does not hold") != std::string::npos);
  }
  write(new_key_text());
  CHECK(open_error(data.path()).find("sealed under master key") != std::string::npos);
  std::filesystem::remove(file);
  CHECK(open_error(data.path()).find("provide one of them") != std::string::npos);
  CHECK_FALSE(std::filesystem::exists(file));
  std::filesystem::create_symlink(data.beside("elsewhere"), file);
  CHECK(open_error(data.path()).find("cannot be opened") != std::string::npos);
  std::filesystem::remove(file);
  write(right);
  ::chmod(file.c_str(), 0600);
  CHECK(open_error(data.path()).empty());
}

TEST_CASE("a master key from the environment leaves no file and is changed by naming the previous one") {
  DataDirectory data;
  const std::string first = new_key_text();
  const std::string second = new_key_text();
  {
    const Variable key("SALLYPORT_MASTER_KEY", first);
    OpenRegistry open(data.path());
    REQUIRE(open.vault->put("credential/a", Secret("kept")).has_value());
    CHECK_FALSE(std::filesystem::exists(data.file("master.key")));
    auto rotated = open.vault->rotate_master_key();
    REQUIRE_FALSE(rotated.has_value());
    CHECK(rotated.error().code == Code::conflict);
  }
  CHECK(open_error(data.path()).find("SALLYPORT_MASTER_KEY is not set") != std::string::npos);
  const Variable key("SALLYPORT_MASTER_KEY", second);
  CHECK(open_error(data.path()).find("SALLYPORT_MASTER_KEY_PREVIOUS") != std::string::npos);
  {
    const Variable wrong("SALLYPORT_MASTER_KEY_PREVIOUS", new_key_text());
    CHECK_FALSE(open_error(data.path()).empty());
  }
  {
    const Variable previous("SALLYPORT_MASTER_KEY_PREVIOUS", first);
    CHECK(open_error(data.path()).empty());
  }
  OpenRegistry open(data.path());
  CHECK(value_of(*open.vault, "credential/a") == "kept");
  const Variable broken("SALLYPORT_MASTER_KEY", "x");
  CHECK_FALSE(Vault::open(*open.database).has_value());
}

TEST_CASE("a rotation changes key, data key and every sealed value, and keeps what they say") {
  DataDirectory data;
  std::string file_before;
  {
    OpenRegistry open(data.path());
    REQUIRE(open.vault->put("credential/a", Secret("one")).has_value());
    REQUIRE(open.vault->key_ring("session-ids").has_value());
    file_before = DataDirectory::bytes_of(data.file("master.key"));
    auto sealed = open.database->prepare("SELECT sealed FROM vault WHERE name = 'credential/a'");
    REQUIRE(sealed->step().value());
    const std::string before = sealed->text(0);
    REQUIRE(open.vault->rotate_master_key().has_value());
    REQUIRE(open.vault->rotate_master_key().has_value());
    auto again = open.database->prepare("SELECT sealed FROM vault WHERE name = 'credential/a'");
    REQUIRE(again->step().value());
    CHECK(again->text(0) != before);
    CHECK(value_of(*open.vault, "credential/a") == "one");
    auto keys = open.database->prepare("SELECT count(*) FROM data_keys");
    REQUIRE(keys->step().value());
    CHECK(keys->integer(0) == 1);
  }
  CHECK(DataDirectory::bytes_of(data.file("master.key")) != file_before);
  CHECK_FALSE(std::filesystem::exists(data.file("master.key.next")));
  OpenRegistry open(data.path());
  CHECK(value_of(*open.vault, "credential/a") == "one");
}

TEST_CASE("F11 a start or a rotation killed at any point loses nothing") {
  for (const std::string_view point :
       {"vault.key-written", "vault.next-written", "vault.resealed", "vault.committed"}) {
    CAPTURE(point);
    DataDirectory data;
    const bool first_start = point == "vault.key-written";
    if (!first_start) {
      OpenRegistry open(data.path());
      REQUIRE(open.vault->put("credential/a", Secret("kept")).has_value());
    }
    const pid_t child = ::fork();
    if (child == 0) {
      const Fault fault([&](std::string_view reached) -> Result<void> {
        if (reached == point) ::_exit(9);
        return {};
      });
      auto database = Database::open(data.path(), Database::Open::offline);
      if (!database) ::_exit(2);
      auto vault = Vault::open(**database);
      if (vault) [[maybe_unused]]
        auto never = (*vault)->rotate_master_key();
      ::_exit(1);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(WEXITSTATUS(status) == 9);
    OpenRegistry open(data.path());
    if (!first_start) CHECK(value_of(*open.vault, "credential/a") == "kept");
    CHECK_FALSE(std::filesystem::exists(data.file("master.key.next")));
    REQUIRE(open.vault->rotate_master_key().has_value());
    CHECK(open.vault->put("credential/b", Secret("x")).has_value());
  }
}

TEST_CASE("a key ring is made once, seals with its newest key and forgets the oldest") {
  DataDirectory data;
  OpenRegistry open(data.path());
  auto first = open.vault->key_ring("session-ids");
  REQUIRE(first.has_value());
  REQUIRE(first->size() == 1);
  CHECK(first->at(0).reveal().size() == 32);
  CHECK(open.vault->key_ring("session-ids")->at(0).reveal() == first->at(0).reveal());
  CHECK(open.vault->key_ring("cursors")->at(0).reveal() != first->at(0).reveal());
  for (std::size_t round = 1; round <= 5; ++round) {
    const std::string newest(open.vault->key_ring("session-ids")->at(0).reveal());
    REQUIRE(open.vault->rotate_ring("session-ids").has_value());
    auto ring = open.vault->key_ring("session-ids");
    CHECK(ring->size() == std::min<std::size_t>(round + 1, 4));
    CHECK(ring->at(1).reveal() == newest);
    CHECK(ring->at(0).reveal() != newest);
  }
}

TEST_CASE("a vault that is only read makes and changes nothing") {
  DataDirectory data;
  auto server = Database::open(data.path(), Database::Open::server);
  REQUIRE(server.has_value());
  auto reader = Database::open(data.path(), Database::Open::read_only);
  REQUIRE(reader.has_value());
  REQUIRE(Vault::open(**reader).has_value());
  CHECK_FALSE(std::filesystem::exists(data.file("master.key")));
  auto vault = Vault::open(**server);
  REQUIRE((*vault)->put("a", Secret("x")).has_value());
  auto looking = Vault::open(**reader);
  REQUIRE(looking.has_value());
  CHECK(value_of(**looking, "a") == "x");
  CHECK_FALSE((*looking)->put("a", Secret("y")).has_value());
}

}  // namespace
}  // namespace sallyport::store
