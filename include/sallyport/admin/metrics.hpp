#pragma once
/// /metrics: the gateway's counters in Prometheus' text format. docs/metrics.md lists every name.

#include <string>
#include <vector>

#include "sallyport/gateway/counters.hpp"
#include "sallyport/gateway/gateway.hpp"
#include "sallyport/store/journal.hpp"

namespace sallyport::admin {

/// Content-Type of the exposition.
inline constexpr std::string_view kMetricsType = "text/plain; version=0.0.4; charset=utf-8";

/// What is no counter, as it is now.
struct Readings {
  std::size_t connections = 0;      ///< open ones of the public listener
  std::size_t bytes_in_flight = 0;  ///< of bodies
  std::vector<gateway::BreakerView> breakers{};
  std::vector<gateway::PinView> pins{};
  std::vector<gateway::IssuerView> issuers{};
};

/// Sums all shards as they are now. Series that never counted are left out. Threads: any.
std::string render_metrics(const gateway::Counters& counters, const store::JournalState& journal,
                           const Readings& readings);

}  // namespace sallyport::admin
