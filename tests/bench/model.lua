-- One model call as wrk sends it. From the environment: BODY (a file), KEY, and HEADERS ("name: value", one per line).
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
if os.getenv("KEY") ~= "" then
  wrk.headers["Authorization"] = "Bearer " .. os.getenv("KEY")
end
for name, value in string.gmatch(os.getenv("HEADERS") or "", "([^\n:]+): ([^\n]+)") do
  wrk.headers[name] = value
end
local file = assert(io.open(os.getenv("BODY"), "rb"))
wrk.body = file:read("*a")
file:close()

-- Machine-readable: requests, failures, duration (us), p50 and p99 (us).
done = function(summary, latency)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format("RESULT %d %d %d %d %d\n", summary.requests, failed, summary.duration,
    latency:percentile(50), latency:percentile(99)))
end
