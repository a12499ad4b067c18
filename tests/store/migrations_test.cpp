#include "sallyport/store/migrations.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include "data_directory.hpp"

namespace sallyport::store {
namespace {

std::vector<Migration> with(std::initializer_list<Migration> more) {
  std::vector<Migration> out(migrations().begin(), migrations().end());
  out.insert(out.end(), more);
  return out;
}

int next_version() { return migrations().back().version() + 1; }

const std::string& name_of_next() {
  static const std::string name = "00" + std::to_string(next_version()) + "_shelf";
  return name;
}

Migration shelf(std::string_view sql = "CREATE TABLE shelf (x); INSERT INTO shelf VALUES (1);") {
  return {name_of_next(), sql};
}

bool has_table(Database& database, std::string_view name) {
  auto found = database.prepare("SELECT 1 FROM sqlite_schema WHERE name = ?");
  REQUIRE(found.has_value());
  return found->bind(name).step().value();
}

TEST_CASE("the embedded migrations are numbered from 1 without gaps and do not end their own transaction") {
  int expected = 0;
  for (const Migration& migration : migrations()) {
    CHECK(migration.version() == ++expected);
    CHECK_FALSE(migration.sql.empty());
    for (const char* word : {"COMMIT", "ROLLBACK", "BEGIN", "PRAGMA"}) {
      CHECK(migration.sql.find(word) == std::string_view::npos);
    }
  }
  CHECK(expected >= 1);
}

TEST_CASE("a registry of an older schema is brought up to date once") {
  DataDirectory data;
  auto opened = Database::open(data.path(), Database::Open::offline);
  REQUIRE(opened.has_value());
  for (int round = 0; round < 2; ++round) {
    REQUIRE(migrate(**opened, with({shelf()})).has_value());
    CHECK(schema_version(**opened).value() == next_version());
  }
}

TEST_CASE("F11 a migration that fails or is killed halfway leaves the old schema, whole") {
  const std::string_view broken = "CREATE TABLE shelf (x); INSERT INTO nowhere VALUES (1);";
  DataDirectory data;
  SUBCASE("its SQL fails") {
    auto opened = Database::open(data.path(), Database::Open::offline);
    REQUIRE(opened.has_value());
    CHECK_FALSE(migrate(**opened, with({shelf(broken)})).has_value());
    CHECK_FALSE(has_table(**opened, "shelf"));
  }
  SUBCASE("it is killed before the version row") {
    REQUIRE(Database::open(data.path(), Database::Open::offline).has_value());
    const pid_t child = ::fork();
    if (child == 0) {
      auto opened = Database::open(data.path(), Database::Open::offline);
      const Fault fault([](std::string_view point) -> Result<void> {
        if (point == "migration") ::_exit(9);
        return {};
      });
      if (opened) [[maybe_unused]]
        auto never = migrate(**opened, with({shelf()}));
      ::_exit(1);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(WEXITSTATUS(status) == 9);
  }
  auto opened = Database::open(data.path(), Database::Open::offline);
  REQUIRE(opened.has_value());
  CHECK(schema_version(**opened).value() == next_version() - 1);
  CHECK_FALSE(has_table(**opened, "shelf"));
  REQUIRE(migrate(**opened, with({shelf()})).has_value());
  CHECK(has_table(**opened, "shelf"));
}

TEST_CASE("F11 the very first migration can be killed and is then done again") {
  DataDirectory data;
  const pid_t child = ::fork();
  if (child == 0) {
    const Fault fault([](std::string_view point) -> Result<void> {
      if (point == "migration") ::_exit(9);
      return {};
    });
    [[maybe_unused]] auto never = Database::open(data.path(), Database::Open::server);
    ::_exit(1);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WEXITSTATUS(status) == 9);
  auto opened = Database::open(data.path(), Database::Open::server);
  REQUIRE(opened.has_value());
  CHECK(schema_version(**opened).value() == migrations().back().version());
}

TEST_CASE("a schema of a later version is refused in words that help") {
  DataDirectory data;
  {
    auto opened = Database::open(data.path(), Database::Open::offline);
    REQUIRE(opened.has_value());
    REQUIRE(migrate(**opened, with({shelf()})).has_value());
  }
  for (const auto how : {Database::Open::server, Database::Open::offline, Database::Open::read_only}) {
    auto opened = Database::open(data.path(), how);
    REQUIRE_FALSE(opened.has_value());
    CHECK(opened.error().code == Code::unavailable);
    CHECK(opened.error().what.find("newer sallyport") != std::string::npos);
  }
}

}  // namespace
}  // namespace sallyport::store
