#pragma once
/// Named points at which a test makes storage fail or ends the process. Outside tests they cost one
/// comparison.

#include <functional>
#include <string_view>

#include "sallyport/core/error.hpp"

namespace sallyport::store {

/// Called with each point as it is reached: "sql" before every statement step, "migration", "vault.resealed",
/// ... Its error takes the place of the step. Threads: set and reached by one thread.
std::function<Result<void>(std::string_view point)>& fault_for_test();

/// Reaches a point.
Result<void> reach(std::string_view point);

}  // namespace sallyport::store
