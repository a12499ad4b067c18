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

dofile("tests/bench/result.lua")
