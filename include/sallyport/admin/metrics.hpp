#pragma once
/// /metrics: the gateway's counters in Prometheus' text format. docs/metrics.md lists every name.

#include <string>

#include "sallyport/gateway/counters.hpp"
#include "sallyport/store/journal.hpp"

namespace sallyport::admin {

/// Content-Type of the exposition.
inline constexpr std::string_view kMetricsType = "text/plain; version=0.0.4; charset=utf-8";

/// Sums all shards as they are now. Series that never counted are left out.
/// `connections`: open ones of the public listener. Threads: any.
std::string render_metrics(const gateway::Counters& counters, const store::JournalState& journal,
                           std::size_t connections);

}  // namespace sallyport::admin
