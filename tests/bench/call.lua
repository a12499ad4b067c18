-- One tools/call as wrk sends it. From the environment: ERA (2026-07-28 or 2025-11-25), TOOL, KEY and, in the older era, SESSION.
local era = os.getenv("ERA")
local tool = os.getenv("TOOL")
local key = os.getenv("KEY")
local session = os.getenv("SESSION")
local modern = era == "2026-07-28"

wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Accept"] = "application/json, text/event-stream"
wrk.headers["MCP-Protocol-Version"] = era
if modern then
  wrk.headers["Mcp-Method"] = "tools/call"
  wrk.headers["Mcp-Name"] = tool
else
  wrk.headers["Mcp-Session-Id"] = session
end
if key ~= "" then
  wrk.headers["Authorization"] = "Bearer " .. key
end
local meta = ""
if modern then
  meta = ',"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}'
end
wrk.body = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"' .. tool ..
  '","arguments":{"text":"the quick brown fox jumps over the lazy dog"}' .. meta .. '}}'

dofile("tests/bench/result.lua")
