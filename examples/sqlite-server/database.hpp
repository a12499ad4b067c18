#pragma once
/// A SQLite file that can only be read, with bounds on what one statement may cost.

#include <sqlite3.h>

#include <chrono>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace sqlite_server {

struct Rows {
  std::vector<std::string> columns;
  nlohmann::json rows = nlohmann::json::array();  ///< an array per row, values in column order
  bool truncated = false;                         ///< there was more than the limits allow
};

/// Three things keep it read-only: the open mode, an authorizer that knows only reading, and SQLite's own
/// verdict on the compiled statement. Errors of the statement's author (syntax, no such table) are
/// std::runtime_error with SQLite's text. Threads: any; statements run one after the other.
class Database {
 public:
  /// Throws std::runtime_error when the file is absent or no database.
  explicit Database(const std::string& path);

  /// Names of tables and views, sorted.
  std::vector<std::string> tables();
  /// The `CREATE` statements of a table or view and its indexes; empty when there is none of that name.
  std::string schema(const std::string& table);
  /// One SELECT (or WITH ... SELECT). Stops after `max_rows`, 256 KiB of values, or five seconds.
  Rows query(const std::string& sql, int max_rows, const std::vector<std::string>& values = {});

 private:
  Rows run(const std::string& sql, int max_rows, const std::vector<std::string>& values);
  [[noreturn]] void fail(const std::string& doing) const;
  static int may(void*, int action, const char*, const char* name, const char*, const char*);
  static int out_of_time(void* self);

  std::unique_ptr<sqlite3, int (*)(sqlite3*)> handle_{nullptr, sqlite3_close};
  std::mutex mutex_;
  std::chrono::steady_clock::time_point deadline_;
};

}  // namespace sqlite_server
