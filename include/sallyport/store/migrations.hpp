#pragma once
/// The registry's schema, step by step: registry/migrations/NNN_name.sql, embedded at build time.

#include <span>
#include <string>
#include <string_view>

#include "sallyport/core/error.hpp"
#include "sallyport/store/database.hpp"

namespace sallyport::store {

struct Migration {
  std::string_view name;  ///< "001_registry"; the number is the schema's version after it
  std::string_view sql;
  int version() const;
};

/// Every step this program knows, in order.
std::span<const Migration> migrations();

/// Version of the last migration that was applied; 0 for an empty database.
Result<int> schema_version(Database& database);

/// Applies what is missing, each step in one transaction whose last write is its version row.
/// Errors: unavailable when the schema is newer than `known`, storage.
Result<void> migrate(Database& database, std::span<const Migration> known);

}  // namespace sallyport::store
