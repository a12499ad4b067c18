#include "database.hpp"

#include <stdexcept>

namespace sqlite_server {
namespace {

constexpr std::chrono::seconds kMaxTime{5};
constexpr std::size_t kMaxBytes = 256 * 1024;
constexpr int kMaxValue = 1 << 20;  // bytes of one string or blob
constexpr int kMaxSql = 64 * 1024;  // bytes of one statement
constexpr sqlite3_int64 kMaxHeap = 128LL
                                   << 20;  // of the whole process, so that a sort cannot eat the machine
constexpr int kStepsBetweenChecks = 10'000;

using Statement = std::unique_ptr<sqlite3_stmt, int (*)(sqlite3_stmt*)>;

std::string text_of(const unsigned char* bytes, int size) {
  return {reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size)};
}

nlohmann::json column(sqlite3_stmt* statement, int at) {
  switch (sqlite3_column_type(statement, at)) {
    case SQLITE_INTEGER:
      return sqlite3_column_int64(statement, at);
    case SQLITE_FLOAT:
      return sqlite3_column_double(statement, at);
    case SQLITE_TEXT: {
      const unsigned char* bytes = sqlite3_column_text(statement, at);
      return text_of(bytes, sqlite3_column_bytes(statement, at));
    }
    case SQLITE_BLOB:
      return "(" + std::to_string(sqlite3_column_bytes(statement, at)) + " bytes)";
    default:
      return nullptr;
  }
}

std::size_t size_of(const nlohmann::json& value) {
  return value.is_string() ? value.get_ref<const std::string&>().size() : 8;
}

}  // namespace

Database::Database(const std::string& path) {
  sqlite3_hard_heap_limit64(kMaxHeap);
  sqlite3* opened = nullptr;
  const int code =
      sqlite3_open_v2(path.c_str(), &opened, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, nullptr);
  handle_.reset(opened);
  if (code != SQLITE_OK) fail("cannot open " + path);
  sqlite3_limit(opened, SQLITE_LIMIT_LENGTH, kMaxValue);
  sqlite3_limit(opened, SQLITE_LIMIT_SQL_LENGTH, kMaxSql);
  sqlite3_limit(opened, SQLITE_LIMIT_ATTACHED, 0);
  sqlite3_busy_timeout(opened, 1000);
  sqlite3_progress_handler(opened, kStepsBetweenChecks, out_of_time, this);
  sqlite3_set_authorizer(opened, may, nullptr);
  tables();  // a file that is no database shows itself now, not at the first call
}

void Database::fail(const std::string& doing) const {
  throw std::runtime_error(doing + ": " + sqlite3_errmsg(handle_.get()));
}

int Database::may(void*, int action, const char*, const char* name, const char*, const char*) {
  switch (action) {
    case SQLITE_SELECT:
    case SQLITE_READ:
    case SQLITE_RECURSIVE:
      return SQLITE_OK;
    case SQLITE_FUNCTION:
      return std::string_view(name == nullptr ? "" : name) == "load_extension" ? SQLITE_DENY : SQLITE_OK;
    default:
      return SQLITE_DENY;
  }
}

int Database::out_of_time(void* self) {
  return std::chrono::steady_clock::now() > static_cast<Database*>(self)->deadline_ ? 1 : 0;
}

Rows Database::run(const std::string& sql, int max_rows, const std::vector<std::string>& values) {
  deadline_ = std::chrono::steady_clock::now() + kMaxTime;
  sqlite3_stmt* compiled = nullptr;
  const char* rest = nullptr;
  const int size = static_cast<int>(sql.size());
  if (sqlite3_prepare_v2(handle_.get(), sql.c_str(), size, &compiled, &rest) != SQLITE_OK) fail("refused");
  const Statement statement(compiled, sqlite3_finalize);
  if (compiled == nullptr) throw std::runtime_error("refused: there is no statement in it");
  if (std::string_view(rest).find_first_not_of(" \t\r\n;") != std::string_view::npos)
    throw std::runtime_error("refused: one statement at a time");
  if (sqlite3_stmt_readonly(compiled) == 0) throw std::runtime_error("refused: the statement would write");
  for (std::size_t at = 0; at < values.size(); ++at)
    sqlite3_bind_text(compiled, static_cast<int>(at) + 1, values[at].c_str(), -1, SQLITE_TRANSIENT);

  Rows found;
  const int columns = sqlite3_column_count(compiled);
  for (int at = 0; at < columns; ++at) found.columns.emplace_back(sqlite3_column_name(compiled, at));
  std::size_t bytes = 0;
  int code = sqlite3_step(compiled);
  for (; code == SQLITE_ROW; code = sqlite3_step(compiled)) {
    if (static_cast<int>(found.rows.size()) == max_rows || bytes > kMaxBytes) {
      found.truncated = true;
      return found;
    }
    nlohmann::json row = nlohmann::json::array();
    for (int at = 0; at < columns; ++at) {
      row.push_back(column(compiled, at));
      bytes += size_of(row.back());
    }
    found.rows.push_back(std::move(row));
  }
  if (code == SQLITE_INTERRUPT) throw std::runtime_error("stopped: the query took longer than five seconds");
  if (code != SQLITE_DONE) fail("failed");
  return found;
}

Rows Database::query(const std::string& sql, int max_rows, const std::vector<std::string>& values) {
  const std::lock_guard lock(mutex_);
  return run(sql, max_rows, values);
}

std::vector<std::string> Database::tables() {
  const Rows found = query(
      "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE "
      "'\\' "
      "ORDER BY name",
      1000);
  std::vector<std::string> names;
  for (const auto& row : found.rows) names.push_back(row[0]);
  return names;
}

std::string Database::schema(const std::string& table) {
  const Rows found = query(
      "SELECT sql FROM sqlite_master WHERE tbl_name = ?1 AND sql IS NOT NULL ORDER BY type = 'index', name",
      100, {table});
  std::string text;
  for (const auto& row : found.rows) text += row[0].get<std::string>() + ";\n";
  return text;
}

}  // namespace sqlite_server
