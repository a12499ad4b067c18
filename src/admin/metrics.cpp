#include "sallyport/admin/metrics.hpp"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <limits>
#include <utility>
#include <vector>

namespace sallyport::admin {
namespace {

using gateway::Cell;
using gateway::Counters;
using gateway::ShardCounters;
using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

constexpr double kSecond = 1e6;  // microseconds

MetricFamily family(const char* name, const char* help, MetricType type) {
  MetricFamily out;
  out.name = name;
  out.help = help;
  out.type = type;
  return out;
}

void add(MetricFamily& to, double value, Labels labels = {}) {
  ClientMetric metric;
  metric.label = std::move(labels);
  (to.type == MetricType::Counter ? metric.counter.value : metric.gauge.value) = value;
  to.metric.push_back(std::move(metric));
}

MetricFamily single(const char* name, const char* help, MetricType type, double value) {
  MetricFamily out = family(name, help, type);
  add(out, value);
  return out;
}

MetricFamily requests(const Counters& counters) {
  MetricFamily out =
      family("sallyport_requests_total", "Requests by method and outcome.", MetricType::Counter);
  for (std::size_t method = 0; method < gateway::kCountedMethods.size(); ++method) {
    for (std::size_t outcome = 0; outcome < gateway::kOutcomes; ++outcome) {
      const auto n =
          counters.sum([&](const ShardCounters& s) -> const Cell& { return s.requests[method][outcome]; });
      if (n == 0) continue;
      add(out, static_cast<double>(n),
          {{"method", std::string(gateway::kCountedMethods[method])},
           {"outcome", std::string(gateway::outcome_name(outcome))}});
    }
  }
  return out;
}

MetricFamily latency(const Counters& counters) {
  MetricFamily out =
      family("sallyport_request_duration_seconds", "Duration of requests.", MetricType::Histogram);
  ClientMetric metric;
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i <= gateway::kLatencyBounds.size(); ++i) {
    seen += static_cast<std::uint64_t>(
        counters.sum([i](const ShardCounters& s) -> const Cell& { return s.latency.buckets[i]; }));
    const bool last = i == gateway::kLatencyBounds.size();
    metric.histogram.bucket.push_back(
        {seen, last ? std::numeric_limits<double>::infinity()
                    : static_cast<double>(gateway::kLatencyBounds[i]) / kSecond});
  }
  metric.histogram.sample_count = seen;
  metric.histogram.sample_sum = static_cast<double>(counters.sum(
                                    [](const ShardCounters& s) -> const Cell& { return s.latency.micros; })) /
                                kSecond;
  out.metric.push_back(std::move(metric));
  return out;
}

void add_shards(std::vector<MetricFamily>& out, const Counters& counters) {
  struct Row {
    const char* name;
    const char* help;
    MetricType type;
    Cell ShardCounters::* cell;
  };
  const Row rows[] = {
      {"sallyport_upstream_connections_idle", "Pooled upstream connections at rest.", MetricType::Gauge,
       &ShardCounters::pool_idle},
      {"sallyport_upstream_connections_busy", "Upstream connections in use.", MetricType::Gauge,
       &ShardCounters::pool_busy},
      {"sallyport_upstream_connections_dialled_total", "Upstream connections opened.", MetricType::Counter,
       &ShardCounters::dialled},
      {"sallyport_streams", "Open event streams to clients.", MetricType::Gauge, &ShardCounters::streams},
      {"sallyport_parked_calls", "Upstream calls that wait for their client's next request.",
       MetricType::Gauge, &ShardCounters::parked},
      {"sallyport_open_questions", "Questions that clients have not answered yet.", MetricType::Gauge,
       &ShardCounters::questions},
      {"sallyport_requests_in_flight", "Requests being served.", MetricType::Gauge,
       &ShardCounters::in_flight},
      {"sallyport_coroutines", "Coroutines alive.", MetricType::Gauge, &ShardCounters::tasks},
      {"sallyport_received_bytes_total", "Bytes of request bodies.", MetricType::Counter,
       &ShardCounters::bytes_in},
      {"sallyport_sent_bytes_total", "Bytes of answers.", MetricType::Counter, &ShardCounters::bytes_out},
      {"sallyport_head_refusals_total", "Connections refused before they carried a request.",
       MetricType::Counter, &ShardCounters::head_refusals},
  };
  for (const Row& row : rows) {
    const auto n = counters.sum([&row](const ShardCounters& s) -> const Cell& { return s.*row.cell; });
    out.push_back(single(row.name, row.help, row.type, static_cast<double>(n)));
  }
}

void add_servers(std::vector<MetricFamily>& out, const Counters& counters) {
  struct Row {
    const char* name;
    const char* help;
    MetricType type;
    Cell gateway::ServerCounters::* cell;
    double unit;
  };
  using gateway::ServerCounters;
  const Row rows[] = {
      {"sallyport_upstream_calls_total", "Calls to an upstream.", MetricType::Counter, &ServerCounters::calls,
       1},
      {"sallyport_upstream_failures_total", "Calls to an upstream that failed.", MetricType::Counter,
       &ServerCounters::failures, 1},
      {"sallyport_upstream_held_back_total", "Calls that the upstream's open breaker refused.",
       MetricType::Counter, &ServerCounters::held_back, 1},
      {"sallyport_upstream_seconds_total", "Time spent in calls to an upstream.", MetricType::Counter,
       &ServerCounters::micros, kSecond},
      {"sallyport_upstream_in_flight", "Calls to an upstream under way.", MetricType::Gauge,
       &ServerCounters::in_flight, 1},
      {"sallyport_upstream_up", "1 while the upstream is reachable.", MetricType::Gauge, &ServerCounters::up,
       1},
  };
  const auto names = counters.server_names();
  for (const Row& row : rows) {
    MetricFamily metrics = family(row.name, row.help, row.type);
    for (std::size_t slot = 0; slot < names.size(); ++slot) {
      const auto n =
          counters.sum([&](const ShardCounters& s) -> const Cell& { return s.servers[slot].*row.cell; });
      add(metrics, static_cast<double>(n) / row.unit, {{"server", names[slot]}});
    }
    if (!metrics.metric.empty()) out.push_back(std::move(metrics));
  }
}

void add_breakers(std::vector<MetricFamily>& out, const std::vector<gateway::BreakerView>& breakers) {
  if (breakers.empty()) return;
  MetricFamily open = family("sallyport_upstream_breaker_open",
                             "1 while calls to the upstream are held back.", MetricType::Gauge);
  MetricFamily opened = family("sallyport_upstream_breaker_opened_total",
                               "How often calls to the upstream began to be held back.", MetricType::Counter);
  for (const auto& breaker : breakers) {
    add(open, breaker.open ? 1 : 0, {{"server", breaker.server}});
    add(opened, static_cast<double>(breaker.opened), {{"server", breaker.server}});
  }
  out.push_back(std::move(open));
  out.push_back(std::move(opened));
}

void add_pins(std::vector<MetricFamily>& out, const std::vector<gateway::PinView>& pins) {
  if (pins.empty()) return;
  MetricFamily withheld =
      family("sallyport_definitions_withheld",
             "Definitions that are not served: they wait for a person, or were rejected.", MetricType::Gauge);
  MetricFamily quarantined = family("sallyport_definitions_quarantined_total",
                                    "Versions of definitions that were held back.", MetricType::Counter);
  for (const auto& one : pins) {
    add(withheld, static_cast<double>(one.withheld), {{"server", one.server}});
    add(quarantined, static_cast<double>(one.quarantined), {{"server", one.server}});
  }
  out.push_back(std::move(withheld));
  out.push_back(std::move(quarantined));
}

void add_issuers(std::vector<MetricFamily>& out, const std::vector<gateway::IssuerView>& issuers) {
  if (issuers.empty()) return;
  MetricFamily keys =
      family("sallyport_issuer_keys", "Keys that an issuer's tokens are verified with.", MetricType::Gauge);
  MetricFamily failing =
      family("sallyport_issuer_failing", "1 while the issuer's keys cannot be fetched.", MetricType::Gauge);
  for (const auto& one : issuers) {
    add(keys, static_cast<double>(one.keys), {{"issuer", one.issuer}});
    add(failing, one.problem.empty() ? 0 : 1, {{"issuer", one.issuer}});
  }
  out.push_back(std::move(keys));
  out.push_back(std::move(failing));
}

}  // namespace

std::string render_metrics(const gateway::Counters& counters, const store::JournalState& journal,
                           const Readings& readings) {
  std::vector<MetricFamily> all;
  MetricFamily build = family("sallyport_build_info", "The version that runs.", MetricType::Gauge);
  add(build, 1, {{"version", SALLYPORT_VERSION}});
  all.push_back(std::move(build));
  all.push_back(requests(counters));
  all.push_back(latency(counters));
  all.push_back(single("sallyport_connections", "Open client connections.", MetricType::Gauge,
                       static_cast<double>(readings.connections)));
  all.push_back(single("sallyport_bytes_in_flight", "Bytes of bodies held for requests under way.",
                       MetricType::Gauge, static_cast<double>(readings.bytes_in_flight)));
  add_shards(all, counters);
  add_servers(all, counters);
  add_breakers(all, readings.breakers);
  add_pins(all, readings.pins);
  add_issuers(all, readings.issuers);
  all.push_back(single("sallyport_journal_healthy", "1 while records can be written.", MetricType::Gauge,
                       journal.healthy ? 1 : 0));
  all.push_back(single("sallyport_journal_refused_total",
                       "Calls not made because they could not be recorded.", MetricType::Counter,
                       static_cast<double>(journal.refused)));
  all.push_back(single("sallyport_journal_kept_records", "Records that wait until the disk takes them.",
                       MetricType::Gauge, static_cast<double>(journal.kept)));
  all.push_back(single("sallyport_journal_lost_records_total",
                       "Records beyond what is kept for a disk that refuses.", MetricType::Counter,
                       static_cast<double>(journal.lost)));
  all.push_back(single("sallyport_journal_records_total", "Records written since the start.",
                       MetricType::Counter, static_cast<double>(journal.records)));
  all.push_back(single("sallyport_journal_bytes_total", "Bytes written since the start.", MetricType::Counter,
                       static_cast<double>(journal.bytes)));
  all.push_back(single("sallyport_journal_commit_seconds", "Duration of the last write, the slowest shard's.",
                       MetricType::Gauge, static_cast<double>(journal.last_commit_micros) / kSecond));
  return prometheus::TextSerializer().Serialize(all);
}

}  // namespace sallyport::admin
