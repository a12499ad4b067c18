#include <sqlite3.h>

#include <utility>

#include "sallyport/store/database.hpp"
#include "sallyport/store/fault.hpp"
#include "sqlite_error.hpp"

namespace sallyport::store {

Statement::Statement(Statement&& other) noexcept
    : db_(other.db_),
      statement_(std::exchange(other.statement_, nullptr)),
      next_(other.next_),
      error_(other.error_) {}

Statement& Statement::operator=(Statement&& other) noexcept {
  if (this != &other) {
    sqlite3_finalize(statement_);
    db_ = other.db_;
    statement_ = std::exchange(other.statement_, nullptr);
    next_ = other.next_;
    error_ = other.error_;
  }
  return *this;
}

Statement::~Statement() { sqlite3_finalize(statement_); }

Statement& Statement::bind(std::string_view text) {
  // A null pointer would bind NULL, not the empty text.
  const char* data = text.data() ? text.data() : "";
  const int rc = sqlite3_bind_text64(statement_, next_++, data, text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
  if (error_ == SQLITE_OK) error_ = rc;
  return *this;
}

Statement& Statement::bind(std::int64_t number) {
  const int rc = sqlite3_bind_int64(statement_, next_++, number);
  if (error_ == SQLITE_OK) error_ = rc;
  return *this;
}

Statement& Statement::bind_blob(std::string_view bytes) {
  const char* data = bytes.data() ? bytes.data() : "";
  const int rc = sqlite3_bind_blob64(statement_, next_++, data, bytes.size(), SQLITE_TRANSIENT);
  if (error_ == SQLITE_OK) error_ = rc;
  return *this;
}

Statement& Statement::bind_null() {
  const int rc = sqlite3_bind_null(statement_, next_++);
  if (error_ == SQLITE_OK) error_ = rc;
  return *this;
}

Result<bool> Statement::step() {
  const int bound = std::exchange(error_, SQLITE_OK);
  auto fault = reach("sql");
  const int rc = bound != SQLITE_OK ? bound : fault ? sqlite3_step(statement_) : SQLITE_ABORT;
  if (rc == SQLITE_ROW) return true;
  Result<bool> end = false;
  if (!fault) {
    end = Failure(fault.error());
  } else if (rc != SQLITE_DONE) {
    end = Failure(sqlite_error(db_, rc, "statement"));
  }
  // Ready for the next round of bind and step.
  sqlite3_reset(statement_);
  next_ = 1;
  return end;
}

std::string Statement::text(int column) const {
  const void* data = sqlite3_column_blob(statement_, column);
  const int size = sqlite3_column_bytes(statement_, column);
  return data ? std::string(static_cast<const char*>(data), static_cast<std::size_t>(size)) : std::string();
}

std::int64_t Statement::integer(int column) const { return sqlite3_column_int64(statement_, column); }

bool Statement::is_null(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }

}  // namespace sallyport::store
