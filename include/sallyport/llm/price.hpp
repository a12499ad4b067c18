#pragma once
/// What a model call costs.

#include <cstdint>
#include <optional>
#include <string>

#include "sallyport/llm/usage.hpp"

namespace sallyport::llm {

/// In picodollars per token: 1 USD per million tokens is 1'000'000. A price that nobody states is kUnstated.
struct Price {
  static constexpr std::int64_t kUnstated = -1;
  std::int64_t input = kUnstated, output = kUnstated;
  std::int64_t cache_read = kUnstated;
  std::int64_t cache_write_5m = kUnstated;
  std::int64_t cache_write_1h = kUnstated;
  bool operator==(const Price&) const = default;
};

/// Picodollars. Unstated cache prices: reading and writing cost what input costs, an hour what five minutes
/// do. nullopt when the usage is not known, when input or output are used but have no price, or when the sum
/// does not fit.
std::optional<std::int64_t> cost(const Usage& usage, const Price& price);

/// "0.001234": exactly, with six digits after the point or up to twelve where there are more.
std::string usd(std::int64_t picodollars);

}  // namespace sallyport::llm
