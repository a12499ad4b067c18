#include "sallyport/store/database.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <exception>

#include "data_directory.hpp"
#include "sallyport/store/fault.hpp"
#include "sallyport/store/migrations.hpp"
#include "sqlite_error.hpp"

namespace sallyport::store {
namespace {

/// How long a statement waits for a lock that another program holds (a shell, a backup tool).
constexpr int kBusyMillis = 2000;
/// "SPRT": tells our file from any other SQLite database.
constexpr std::int64_t kApplicationId = 0x53505254;

/// A journal_mode of "wal" is a property of the file; the others are set for each connection.
constexpr const char* kConnectionSettings =
    "PRAGMA synchronous = FULL;"
    "PRAGMA mmap_size = 0;"
    "PRAGMA secure_delete = ON;"
    "PRAGMA cell_size_check = ON;"
    "PRAGMA temp_store = MEMORY;"
    "PRAGMA journal_size_limit = 16777216;";

void harden(sqlite3* db, bool read_only) {
  sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_FKEY, 1, nullptr);
  sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DML, 0, nullptr);
  sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DDL, 0, nullptr);
  // Only the one writer checkpoints: SQLite before 3.51.3 can lose the log when two connections do.
  if (read_only) sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  sqlite3_busy_timeout(db, kBusyMillis);
}

Result<std::int64_t> pragma_number(Database& database, std::string_view sql) {
  auto statement = database.prepare(sql);
  if (!statement) return Failure(statement.error());
  if (auto row = statement->step(); !row) return Failure(row.error());
  return statement->integer(0);
}

Result<void> check_is_ours(Database& database) {
  auto id = pragma_number(database, "PRAGMA application_id");
  if (!id) return Failure(id.error());
  if (*id == kApplicationId) return {};
  auto tables = pragma_number(database, "SELECT count(*) FROM sqlite_schema");
  if (!tables) return Failure(tables.error());
  if (*id == 0 && *tables == 0) return {};
  return fail(Code::storage, Blame::admin,
              fmt::format("{}/{} is not a Sallyport registry: name another directory with --data",
                          database.directory(), kDatabaseFile));
}

Result<void> set_up_file(Database& database) {
  auto id = pragma_number(database, "PRAGMA application_id");
  if (!id) return Failure(id.error());
  if (*id != kApplicationId) {
    if (auto set = database.execute(fmt::format("PRAGMA application_id = {}", kApplicationId)); !set)
      return set;
  }
  auto mode = database.prepare("PRAGMA journal_mode = WAL");
  if (!mode) return Failure(mode.error());
  if (auto row = mode->step(); !row) return Failure(row.error());
  if (mode->text(0) != "wal") {
    return fail(
        Code::storage, Blame::admin,
        fmt::format(
            "{} is on a file system without shared memory, which SQLite's log needs: use a local disk",
            database.directory()));
  }
  return {};
}

Result<void> check_schema_for_reading(Database& database) {
  auto version = schema_version(database);
  if (!version) return Failure(version.error());
  if (*version == migrations().back().version()) return {};
  if (*version > migrations().back().version()) return migrate(database, migrations());
  return fail(Code::unavailable, Blame::admin,
              fmt::format("the registry in {} has schema {}: start the server once to bring it to schema {}",
                          database.directory(), *version, migrations().back().version()));
}

}  // namespace

Error sqlite_error(sqlite3* db, int code, std::string_view doing) {
  const int primary = code & 0xff;
  const char* text = db ? sqlite3_errmsg(db) : sqlite3_errstr(code);
  return Error{.code = Code::storage,
               .blame = primary == SQLITE_FULL || primary == SQLITE_READONLY || primary == SQLITE_PERM
                            ? Blame::admin
                            : Blame::us,
               .what = fmt::format("registry: {}: {} ({})", doing, text, code),
               .retry = primary == SQLITE_BUSY || primary == SQLITE_LOCKED};
}

Result<std::unique_ptr<Database>> Database::open(const std::string& directory, Open how) {
  const bool read_only = how == Open::read_only;
  std::unique_ptr<Database> database(new Database);
  database->directory_ = directory;
  database->read_only_ = read_only;
  const std::string file = fmt::format("{}/{}", directory, kDatabaseFile);
  if (read_only) {
    struct stat info{};
    if (::stat(file.c_str(), &info) != 0) {
      return fail(Code::not_found, Blame::admin,
                  fmt::format("{} holds no registry: name the data directory with --data", directory));
    }
  } else {
    if (auto ready = prepare_directory(directory); !ready) return Failure(ready.error());
    auto lock = lock_directory(directory, how == Open::server ? "server" : "command");
    if (!lock) return Failure(lock.error());
    database->lock_fd_ = *lock;
    if (auto ready = prepare_database_file(file); !ready) return Failure(ready.error());
  }
  const int flags = (read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE) | SQLITE_OPEN_NOMUTEX |
                    SQLITE_OPEN_EXRESCODE | SQLITE_OPEN_PRIVATECACHE;
  if (const int rc = sqlite3_open_v2(file.c_str(), &database->db_, flags, nullptr); rc != SQLITE_OK) {
    return Failure(sqlite_error(database->db_, rc, "open " + file));
  }
  harden(database->db_, read_only);
  if (auto ours = check_is_ours(*database); !ours) return Failure(ours.error());
  if (!read_only) {
    if (auto set = set_up_file(*database); !set) return Failure(set.error());
  }
  if (auto set = database->execute(kConnectionSettings); !set) return Failure(set.error());
  auto schema = read_only ? check_schema_for_reading(*database) : migrate(*database, migrations());
  if (!schema) return Failure(schema.error());
  return database;
}

Database::~Database() {
  sqlite3_close_v2(db_);
  unlock_directory(lock_fd_);
}

Result<Statement> Database::prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  const int rc = sqlite3_prepare_v2(db_, sql.data(), static_cast<int>(sql.size()), &statement, nullptr);
  if (rc != SQLITE_OK) return Failure(sqlite_error(db_, rc, "prepare"));
  return Statement(db_, statement);
}

Result<void> Database::execute(std::string_view sql) {
  if (auto fault = reach("sql"); !fault) return fault;
  const int rc = sqlite3_exec(db_, std::string(sql).c_str(), nullptr, nullptr, nullptr);
  if (rc != SQLITE_OK) return Failure(sqlite_error(db_, rc, "execute"));
  return {};
}

Result<void> Database::transaction(const std::function<Result<void>()>& work) {
  // Within another transaction the outer one decides: a failure of the inner work makes the caller fail as
  // well.
  const bool nested = sqlite3_get_autocommit(db_) == 0;
  if (nested) return work();
  if (auto begun = execute("BEGIN IMMEDIATE"); !begun) return begun;
  Result<void> done;
  try {
    done = work();
  } catch (const std::exception&) {
    done = fail(Code::internal, Blame::us, "an exception ended a transaction");
  }
  if (done && sqlite3_get_autocommit(db_) != 0) {
    return fail(Code::internal, Blame::us, "a transaction was ended from within");
  }
  if (done) done = execute("COMMIT");
  // A full disk or an I/O error may have rolled back already.
  if (!done && sqlite3_get_autocommit(db_) == 0) sqlite3_exec(db_, "ROLLBACK", nullptr, nullptr, nullptr);
  return done;
}

Result<void> Database::backup_to(const std::string& file) {
  const std::string partial = file + ".partial";
  if (::access(file.c_str(), F_OK) == 0) {
    return fail(Code::conflict, Blame::admin, fmt::format("{} exists: name another file", file));
  }
  ::unlink(partial.c_str());
  const int made = ::open(partial.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (made < 0) return fail(Code::storage, Blame::admin, fmt::format("cannot create {}", partial));
  ::close(made);
  sqlite3* copy = nullptr;
  int rc = sqlite3_open_v2(partial.c_str(), &copy, SQLITE_OPEN_READWRITE | SQLITE_OPEN_EXRESCODE, nullptr);
  if (rc == SQLITE_OK) {
    if (sqlite3_backup* backup = sqlite3_backup_init(copy, "main", db_, "main")) {
      const int stepped = sqlite3_backup_step(backup, -1);
      rc = sqlite3_backup_finish(backup);
      // finish() does not tell of a step that found the database busy.
      if (rc == SQLITE_OK && stepped != SQLITE_DONE) rc = stepped;
    } else {
      rc = sqlite3_errcode(copy);
    }
  }
  // One file, readable from read-only media, instead of a database that wants its log beside it.
  if (rc == SQLITE_OK) rc = sqlite3_exec(copy, "PRAGMA journal_mode = DELETE", nullptr, nullptr, nullptr);
  Result<void> done;
  if (rc != SQLITE_OK) done = Failure(sqlite_error(copy, rc, "backup"));
  sqlite3_close(copy);
  if (done) done = rename_durably(partial, file);
  if (!done) ::unlink(partial.c_str());
  return done;
}

}  // namespace sallyport::store
