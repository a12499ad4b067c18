#pragma once
/// What the gateway counts, per shard and without locks; /metrics sums it.
///
/// Every cell has one writer, its shard: adding is a plain load and store. Labels are fixed at start:
/// methods, outcome codes, latency bounds. Servers get a slot by name; only slots cost memory, and what finds
/// none is counted as "other". Threads: a ShardCounters is written by its shard and read by any; the rest of
/// Counters by any.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "sallyport/core/error.hpp"

namespace sallyport::gateway {

/// MCP methods and operations of the model API with a label of their own; everything else is "other".
inline constexpr std::array<std::string_view, 27> kCountedMethods = {"initialize",
                                                                     "server/discover",
                                                                     "ping",
                                                                     "tools/list",
                                                                     "tools/call",
                                                                     "prompts/list",
                                                                     "prompts/get",
                                                                     "resources/list",
                                                                     "resources/read",
                                                                     "resources/templates/list",
                                                                     "resources/subscribe",
                                                                     "resources/unsubscribe",
                                                                     "tasks/get",
                                                                     "tasks/update",
                                                                     "tasks/cancel",
                                                                     "subscriptions/listen",
                                                                     "completion/complete",
                                                                     "logging/setLevel",
                                                                     "session",
                                                                     "chat/completions",
                                                                     "responses",
                                                                     "messages",
                                                                     "messages/count_tokens",
                                                                     "embeddings",
                                                                     "models",
                                                                     "feedback",
                                                                     "other"};
std::size_t method_slot(std::string_view method);

/// Outcomes: "ok", "tool_error", then every Code by name.
inline constexpr std::size_t kOutcomes = 2 + static_cast<std::size_t>(Code::internal) + 1;
inline constexpr std::size_t kOk = 0, kToolError = 1;
constexpr std::size_t outcome_slot(Code code) { return 2 + static_cast<std::size_t>(code); }
std::string_view outcome_name(std::size_t slot);

/// Upper bounds of the latency buckets in microseconds; one more bucket holds what is slower.
inline constexpr std::array<std::int64_t, 14> kLatencyBounds = {
    250,    500,     1'000,   2'500,   5'000,     10'000,    25'000,
    50'000, 100'000, 250'000, 500'000, 1'000'000, 5'000'000, 30'000'000};

/// A number with one writer.
class Cell {
 public:
  void add(std::int64_t n = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  void set(std::int64_t n) { value_.store(n, std::memory_order_relaxed); }
  std::int64_t get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t> value_{0};
};

struct Histogram {
  std::array<Cell, kLatencyBounds.size() + 1> buckets{};
  Cell micros{};  ///< sum
  void observe(std::int64_t duration);
};

/// Counters of one upstream on one shard.
struct alignas(64) ServerCounters {
  Cell calls{}, failures{};
  Cell held_back{};  ///< calls that an open breaker refused; failures too
  Cell micros{};     ///< sum of the calls' durations
  Cell up{};         ///< 1 while reachable; set by the shard that owns the upstream's health
  Cell in_flight{};
};

struct alignas(64) ShardCounters {
  std::array<std::array<Cell, kOutcomes>, kCountedMethods.size()> requests{};
  Histogram latency{};
  Cell pool_idle{}, pool_busy{}, dialled{};  ///< upstream connections, as of the shard's last request
  Cell streams{};                            ///< SSE streams open now
  Cell parked{}, questions{};                ///< calls and clients that wait, as of the shard's last request
  Cell in_flight{};                          ///< requests
  Cell tasks{};                              ///< coroutines alive, as of the shard's last request
  Cell bytes_in{}, bytes_out{};
  Cell head_refusals{};  ///< refused before they were a request
  std::unique_ptr<ServerCounters[]> servers;

  /// One finished request. `outcome`: kOk, kToolError or outcome_slot(code).
  void request(std::size_t method, std::size_t outcome, std::int64_t micros) {
    requests[method][outcome].add();
    latency.observe(micros);
  }
};

class Counters {
 public:
  static constexpr std::size_t kServers = 512;  ///< slots; the last is "other"
  explicit Counters(int shards);

  ShardCounters& shard(int index) { return *shards_[static_cast<std::size_t>(index)]; }
  const ShardCounters& shard(int index) const { return *shards_[static_cast<std::size_t>(index)]; }
  int shards() const { return static_cast<int>(shards_.size()); }

  /// The slot of a server, the same for the process's life. Threads: any; meant for when a snapshot is built.
  std::size_t server_slot(std::string_view name);
  std::vector<std::string> server_names() const;

  /// Sums a cell over all shards: `sum([](const ShardCounters& s) -> const Cell& { return s.streams; })`.
  template <class F>
  std::int64_t sum(F cell) const {
    std::int64_t total = 0;
    for (const auto& shard : shards_) total += cell(*shard).get();
    return total;
  }

 private:
  std::vector<std::unique_ptr<ShardCounters>> shards_;
  mutable std::mutex mutex_;  // names grow only when a server is configured
  std::vector<std::string> names_;
};

}  // namespace sallyport::gateway
