#pragma once
/// What a model call used.

#include <cstdint>

namespace sallyport::llm {

/// Tokens of one call. The counters of the input are disjoint, whatever the provider's wire adds up: their
/// sum is the whole input. `reasoning` is a part of `output`.
struct Usage {
  std::int64_t input = 0;           ///< neither read from a cache nor written to one
  std::int64_t cache_read = 0;      ///< of the input, read from the provider's cache
  std::int64_t cache_write_5m = 0;  ///< written to it, for five minutes or for as long as the provider likes
  std::int64_t cache_write_1h = 0;  ///< written to it for an hour
  std::int64_t output = 0;
  std::int64_t reasoning = 0;
  bool known = false;  ///< the provider has said it; else all is zero and no cost follows
  std::int64_t input_total() const { return input + cache_read + cache_write_5m + cache_write_1h; }
  bool operator==(const Usage&) const = default;
};

}  // namespace sallyport::llm
