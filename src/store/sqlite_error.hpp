#pragma once
/// SQLite's result codes as our errors.

#include <sqlite3.h>

#include <string_view>

#include "sallyport/core/error.hpp"

namespace sallyport::store {

/// `db` may be null. SQLite's texts name tables and constraints, never bound values.
Error sqlite_error(sqlite3* db, int code, std::string_view doing);

}  // namespace sallyport::store
