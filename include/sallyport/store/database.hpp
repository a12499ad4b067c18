#pragma once
/// SQLite, opened the one way we trust: WAL, one writer, migrations in one transaction, busy time-outs
/// bounded.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sallyport/core/error.hpp"

struct sqlite3;
struct sqlite3_stmt;

namespace sallyport::store {

/// A prepared statement; bind in order, then step. After the last row it is ready for the next round.
/// Errors: Code::storage (retry when busy).
class Statement {
 public:
  Statement(Statement&&) noexcept;
  Statement& operator=(Statement&&) noexcept;
  ~Statement();
  Statement& bind(std::string_view text);
  Statement& bind(std::int64_t number);
  Statement& bind_blob(std::string_view bytes);
  Statement& bind_null();
  /// True while there is a row.
  Result<bool> step();
  std::string text(int column) const;
  std::int64_t integer(int column) const;
  bool is_null(int column) const;

 private:
  friend class Database;
  Statement(sqlite3* db, sqlite3_stmt* statement) : db_(db), statement_(statement) {}
  sqlite3* db_ = nullptr;
  sqlite3_stmt* statement_ = nullptr;
  int next_ = 1;
  int error_ = 0;
};

/// The data directory: its lock, its database, its keys' folder. Threads: used by one thread at a time.
class Database {
 public:
  enum class Open : std::uint8_t { server, offline, read_only };
  /// Creates the directory (0700) and applies migrations; server and offline take the lock file. read_only
  /// looks at an existing registry beside whoever holds it, and neither migrates nor checkpoints. Errors:
  /// conflict (another server holds it; says which pid), unavailable (the schema is newer than this program),
  /// not_found (read_only and nothing there), storage.
  static Result<std::unique_ptr<Database>> open(const std::string& directory, Open how);
  ~Database();

  Result<Statement> prepare(std::string_view sql);
  Result<void> execute(std::string_view sql);
  /// BEGIN IMMEDIATE ... COMMIT; rolled back when `work` fails. Within `work` another call joins the same
  /// transaction: its failure must be passed on.
  Result<void> transaction(const std::function<Result<void>()>& work);
  /// A consistent copy while in use (SQLite's backup API) into `file` (0600, one file, durable when this
  /// returns). The master key is not part of it. Errors: conflict when the file exists, storage.
  Result<void> backup_to(const std::string& file);
  const std::string& directory() const { return directory_; }
  bool read_only() const { return read_only_; }

 private:
  Database() = default;
  std::string directory_;
  sqlite3* db_ = nullptr;
  int lock_fd_ = -1;
  bool read_only_ = false;
};

}  // namespace sallyport::store
