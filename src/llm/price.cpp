#include "sallyport/llm/price.hpp"

#include <array>

namespace sallyport::llm {
namespace {

/// Adds `tokens` at `price` to `sum`; false: not possible.
bool add(std::int64_t& sum, std::int64_t tokens, std::int64_t price) {
  if (tokens == 0) return true;
  if (tokens < 0 || price < 0) return false;
  std::int64_t product = 0;
  return !__builtin_mul_overflow(tokens, price, &product) && !__builtin_add_overflow(sum, product, &sum);
}

std::int64_t stated(std::int64_t price, std::int64_t otherwise) {
  return price == Price::kUnstated ? otherwise : price;
}

}  // namespace

std::optional<std::int64_t> cost(const Usage& usage, const Price& price) {
  if (!usage.known) return std::nullopt;
  const std::int64_t write_5m = stated(price.cache_write_5m, price.input);
  std::int64_t sum = 0;
  const bool fits = add(sum, usage.input, price.input) &&
                    add(sum, usage.cache_read, stated(price.cache_read, price.input)) &&
                    add(sum, usage.cache_write_5m, write_5m) &&
                    add(sum, usage.cache_write_1h, stated(price.cache_write_1h, write_5m)) &&
                    add(sum, usage.output, price.output);
  return fits ? std::optional(sum) : std::nullopt;
}

std::string usd(std::int64_t picodollars) {
  constexpr std::uint64_t kDollar = 1'000'000'000'000;
  constexpr std::size_t kShown = 6;
  // The magnitude of the smallest number has no place among its own kind.
  const std::uint64_t amount = picodollars < 0 ? std::uint64_t{0} - static_cast<std::uint64_t>(picodollars)
                                               : static_cast<std::uint64_t>(picodollars);
  std::string digits = std::to_string(amount % kDollar);
  digits.insert(0, 12 - digits.size(), '0');
  while (digits.size() > kShown && digits.back() == '0') digits.pop_back();
  return (picodollars < 0 ? "-" : "") + std::to_string(amount / kDollar) + "." + digits;
}

}  // namespace sallyport::llm
