#include "sallyport/store/database.hpp"

#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>

#include "data_directory.hpp"
#include "sallyport/store/migrations.hpp"

namespace sallyport::store {
namespace {

int mode_of(const std::string& path) {
  struct stat info{};
  return ::stat(path.c_str(), &info) == 0 ? static_cast<int>(info.st_mode & 0777) : -1;
}

std::string value_of(Database& database, std::string_view sql) {
  auto statement = database.prepare(sql);
  REQUIRE(statement.has_value());
  REQUIRE(statement->step().value());
  return statement->text(0);
}

void put_file(const std::string& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

TEST_CASE("a new data directory and its files are closed to other users") {
  DataDirectory data;
  const mode_t before = ::umask(0);
  {
    auto database = Database::open(data.path(), Database::Open::server);
    REQUIRE(database.has_value());
    REQUIRE((*database)->execute("INSERT INTO meta VALUES ('x', 'y')").has_value());
    CHECK(mode_of(data.path()) == 0700);
    for (const char* name : {"sallyport.db", "sallyport.db-wal", "sallyport.db-shm", "lock"}) {
      CAPTURE(name);
      CHECK(mode_of(data.file(name)) == 0600);
    }
  }
  ::umask(before);
}

TEST_CASE("an existing directory is closed when it is ours and refused when it is somebody else's") {
  DataDirectory data;
  std::filesystem::create_directory(data.path());
  ::chmod(data.path().c_str(), 0755);
  SUBCASE("empty") {
    CHECK(Database::open(data.path(), Database::Open::offline).has_value());
    CHECK(mode_of(data.path()) == 0700);
  }
  SUBCASE("with a registry") {
    REQUIRE(Database::open(data.path(), Database::Open::offline).has_value());
    ::chmod(data.path().c_str(), 0755);
    ::chmod(data.file("sallyport.db").c_str(), 0644);
    CHECK(Database::open(data.path(), Database::Open::offline).has_value());
    CHECK(mode_of(data.path()) == 0700);
    CHECK(mode_of(data.file("sallyport.db")) == 0600);
  }
  SUBCASE("with other files") {
    put_file(data.file("holiday.jpg"), "x");
    auto opened = Database::open(data.path(), Database::Open::offline);
    REQUIRE_FALSE(opened.has_value());
    CHECK(opened.error().what.find("chmod 700") != std::string::npos);
    CHECK(mode_of(data.path()) == 0755);
  }
}

TEST_CASE("the settings that durability and safety rest on are in force") {
  DataDirectory data;
  auto opened = Database::open(data.path(), Database::Open::server);
  REQUIRE(opened.has_value());
  Database& database = **opened;
  CHECK(value_of(database, "PRAGMA journal_mode") == "wal");
  CHECK(value_of(database, "PRAGMA synchronous") == "2");
  CHECK(value_of(database, "PRAGMA foreign_keys") == "1");
  CHECK(value_of(database, "PRAGMA trusted_schema") == "0");
  CHECK(value_of(database, "PRAGMA secure_delete") == "1");
  CHECK(value_of(database, "PRAGMA busy_timeout") == "2000");
  auto mapped = database.prepare("PRAGMA mmap_size");
  REQUIRE(mapped.has_value());
  REQUIRE(mapped->step().has_value());
  CHECK(mapped->integer(0) == 0);
}

TEST_CASE("F11 a second server is refused with the pid of the first, and may start when that has ended") {
  DataDirectory data;
  std::array<int, 2> ready{}, stop{};
  REQUIRE(::pipe(ready.data()) == 0);
  REQUIRE(::pipe(stop.data()) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    auto database = Database::open(data.path(), Database::Open::server);
    char byte = database ? 'y' : 'n';
    if (::write(ready[1], &byte, 1) != 1) ::_exit(2);
    if (::read(stop[0], &byte, 1) != 1) ::_exit(3);
    ::_exit(0);
  }
  char byte = 0;
  REQUIRE(::read(ready[0], &byte, 1) == 1);
  REQUIRE(byte == 'y');
  for (const auto how : {Database::Open::server, Database::Open::offline}) {
    auto second = Database::open(data.path(), how);
    REQUIRE_FALSE(second.has_value());
    CHECK(second.error().code == Code::conflict);
    CHECK(second.error().what.find("process " + std::to_string(child)) != std::string::npos);
  }
  // Looking is always possible.
  CHECK(Database::open(data.path(), Database::Open::read_only).has_value());
  REQUIRE(::write(stop[1], &byte, 1) == 1);
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  CHECK(Database::open(data.path(), Database::Open::server).has_value());
  for (const int descriptor : {ready[0], ready[1], stop[0], stop[1]}) ::close(descriptor);
}

TEST_CASE("F11 a registry that another program keeps locked is a storage error after a bounded wait") {
  DataDirectory data;
  auto opened = Database::open(data.path(), Database::Open::server);
  REQUIRE(opened.has_value());
  sqlite3* other = nullptr;
  REQUIRE(sqlite3_open(data.file("sallyport.db").c_str(), &other) == SQLITE_OK);
  REQUIRE(sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr) == SQLITE_OK);
  const auto before = std::chrono::steady_clock::now();
  auto written = (*opened)->transaction([] { return Result<void>{}; });
  CHECK(std::chrono::steady_clock::now() - before < std::chrono::seconds(10));
  REQUIRE_FALSE(written.has_value());
  CHECK(written.error().code == Code::storage);
  CHECK(written.error().retry);
  CHECK(value_of(**opened, "SELECT value FROM meta WHERE name = 'generation'") == "0");
  sqlite3_close(other);
}

TEST_CASE("a transaction that fails leaves nothing, and joined work shares its fate") {
  DataDirectory data;
  auto opened = Database::open(data.path(), Database::Open::offline);
  REQUIRE(opened.has_value());
  Database& database = **opened;
  auto failed = database.transaction([&]() -> Result<void> {
    REQUIRE(database.execute("INSERT INTO meta VALUES ('a', '1')").has_value());
    auto inner = database.transaction([&] { return database.execute("INSERT INTO meta VALUES ('b', '1')"); });
    REQUIRE(inner.has_value());
    return fail(Code::internal, Blame::us, "no");
  });
  CHECK_FALSE(failed.has_value());
  CHECK(value_of(database, "SELECT count(*) FROM meta WHERE name IN ('a', 'b')") == "0");
  auto thrown = database.transaction([&]() -> Result<void> { throw std::runtime_error("x"); });
  CHECK_FALSE(thrown.has_value());
  CHECK(database.transaction([&] { return database.execute("INSERT INTO meta VALUES ('a', '1')"); })
            .has_value());
}

TEST_CASE("a statement can be bound and stepped again, and holds empty text apart from null") {
  DataDirectory data;
  auto opened = Database::open(data.path(), Database::Open::offline);
  REQUIRE(opened.has_value());
  auto echo = (*opened)->prepare("SELECT ?, ?, ?, ?");
  REQUIRE(echo.has_value());
  for (const std::int64_t number : {std::int64_t{1}, std::int64_t{-7}}) {
    REQUIRE(echo->bind(std::string_view())
                .bind(number)
                .bind_blob(std::string_view("a\0b", 3))
                .bind_null()
                .step()
                .value());
    CHECK_FALSE(echo->is_null(0));
    CHECK(echo->text(0).empty());
    CHECK(echo->integer(1) == number);
    CHECK(echo->text(2) == std::string("a\0b", 3));
    CHECK(echo->is_null(3));
    CHECK_FALSE(echo->step().value());
  }
  CHECK_FALSE((*opened)->prepare("SELECT nothing FROM nowhere").has_value());
}

TEST_CASE("a file that is not our registry is refused and left alone") {
  DataDirectory data;
  std::filesystem::create_directory(data.path());
  ::chmod(data.path().c_str(), 0700);
  SUBCASE("another program's database") {
    sqlite3* other = nullptr;
    REQUIRE(sqlite3_open(data.file("sallyport.db").c_str(), &other) == SQLITE_OK);
    REQUIRE(sqlite3_exec(other, "CREATE TABLE t (x)", nullptr, nullptr, nullptr) == SQLITE_OK);
    sqlite3_close(other);
  }
  SUBCASE("no database at all") { put_file(data.file("sallyport.db"), std::string(8192, 'x')); }
  SUBCASE("a link to somewhere else") {
    put_file(data.beside("target"), "");
    std::filesystem::create_symlink(data.beside("target"), data.file("sallyport.db"));
  }
  const std::string before = DataDirectory::bytes_of(data.file("sallyport.db"));
  auto opened = Database::open(data.path(), Database::Open::offline);
  REQUIRE_FALSE(opened.has_value());
  CHECK(opened.error().code == Code::storage);
  CHECK(DataDirectory::bytes_of(data.file("sallyport.db")) == before);
}

TEST_CASE("F11 a backup is one readable file, made while in use, and never written over") {
  DataDirectory data;
  {
    auto opened = Database::open(data.path(), Database::Open::server);
    REQUIRE(opened.has_value());
    REQUIRE((*opened)->execute("INSERT INTO meta VALUES ('kept', 'yes')").has_value());
    REQUIRE((*opened)->backup_to(data.beside("copy.db")).has_value());
    CHECK(mode_of(data.beside("copy.db")) == 0600);
    auto again = (*opened)->backup_to(data.beside("copy.db"));
    REQUIRE_FALSE(again.has_value());
    CHECK(again.error().code == Code::conflict);
  }
  std::filesystem::create_directory(data.beside("restored"));
  ::chmod(data.beside("restored").c_str(), 0700);
  std::filesystem::copy_file(data.beside("copy.db"), data.beside("restored/sallyport.db"));
  auto restored = Database::open(data.beside("restored"), Database::Open::offline);
  REQUIRE(restored.has_value());
  CHECK(value_of(**restored, "SELECT value FROM meta WHERE name = 'kept'") == "yes");
}

TEST_CASE("reading beside a server needs a registry of the program's own schema") {
  DataDirectory data;
  auto nothing = Database::open(data.path(), Database::Open::read_only);
  REQUIRE_FALSE(nothing.has_value());
  CHECK(nothing.error().code == Code::not_found);
  CHECK_FALSE(std::filesystem::exists(data.path()));
  auto server = Database::open(data.path(), Database::Open::server);
  REQUIRE(server.has_value());
  auto reader = Database::open(data.path(), Database::Open::read_only);
  REQUIRE(reader.has_value());
  CHECK(value_of(**reader, "SELECT value FROM meta WHERE name = 'generation'") == "0");
  CHECK_FALSE((*reader)->execute("INSERT INTO meta VALUES ('x', 'y')").has_value());
}

}  // namespace
}  // namespace sallyport::store
