-- What a load ends with; shared by the scripts beside it.

-- Machine-readable: requests, failures, duration (us), p50 and p99 (us).
done = function(summary, latency)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format("RESULT %d %d %d %d %d\n", summary.requests, failed, summary.duration,
    latency:percentile(50), latency:percentile(99)))
end
