#pragma once
/// Single values of the registry (table meta).

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sallyport/store/database.hpp"

namespace sallyport::store {

Result<std::optional<std::string>> meta(Database& database, std::string_view name);
Result<void> set_meta(Database& database, std::string_view name, std::string_view value);

/// The registry's generation, and the next one. Requires for the latter: within a transaction.
Result<std::int64_t> read_generation(Database& database);
Result<std::int64_t> next_generation(Database& database);

}  // namespace sallyport::store
