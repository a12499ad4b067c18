#include <nlohmann/json.hpp>

#include "sallyport/admin/api.hpp"

namespace sallyport::admin {
namespace {

using nlohmann::json;

json text(const char* what) { return {{"type", "string"}, {"description", what}}; }
json flag(const char* what) { return {{"type", "boolean"}, {"description", what}}; }
json words() { return {{"type", "array"}, {"items", {{"type", "string"}}}}; }
json pairs() { return {{"type", "object"}, {"additionalProperties", {{"type", "string"}}}}; }

struct Description {
  const char* summary;
  json properties = json::object();
  json required = json::array();
};

Description describe(const std::string& operation) {
  if (operation == "apply") {
    const json file{
        {"type", "object"},
        {"properties", {{"name", text("for messages")}, {"text", text("YAML or JSON documents")}}},
        {"required", {"text"}}};
    return {"Applies documents in one transaction, or shows what that would do",
            {{"files", {{"type", "array"}, {"items", file}}},
             {"dry_run", flag("change nothing")},
             {"prune", flag("remove what came from the same origin and is not in the files")},
             {"origin", text("what the documents belong to; default \"apply\"")}},
            {"files"}};
  }
  if (operation == "get") {
    return {
        "Documents as they are stored; secrets never",
        {{"kind", text("servers, virtual-servers, credentials, teams, agents, policies; all when absent")},
         {"name", text("one document")},
         {"format", text("json (default) or yaml")}}};
  }
  if (operation == "server.add") {
    return {"Adds one upstream server",
            {{"name", text("a-z 0-9 -")},
             {"url", text("streamable HTTP endpoint; or a command")},
             {"command", text("program that speaks MCP on its standard streams")},
             {"args", words()},
             {"env", pairs()},
             {"credentials", pairs()},
             {"directory", text("working directory of the command")},
             {"credential", text("name of a Credential, for a url")},
             {"description", text("for people")},
             {"allow_private", flag("the url may lead to a private address")},
             {"replace", flag("replace a server of that name")}},
            {"name"}};
  }
  if (operation == "server.list") return {"Servers with what is known of their catalogues and state"};
  if (operation == "server.test") {
    return {"Connects to a server now and refreshes its catalogue", {{"name", text("server")}}, {"name"}};
  }
  if (operation == "server.remove") return {"Removes a server", {{"name", text("server")}}, {"name"}};
  const json sort = text("tool (default), prompt or template");
  if (operation == "tool.list") {
    return {"Definitions of servers with their state and versions",
            {{"server", text("of this server only")}}};
  }
  if (operation == "tool.diff") {
    return {"What differs between the approved version of a definition and the one offered now",
            {{"tool", text("SERVER/NAME")}, {"sort", sort}},
            {"tool"}};
  }
  if (operation == "tool.approve" || operation == "tool.reject") {
    const json one{{"type", "object"},
                   {"properties",
                    {{"tool", text("SERVER/NAME")},
                     {"sort", sort},
                     {"hash", text("of the version that was looked at; at least 32 hex digits")}}},
                   {"required", {"tool", "hash"}}};
    return {operation == "tool.approve" ? "Serves the named versions of definitions, all or none"
                                        : "Withholds the named versions of definitions, all or none",
            {{"tools", {{"type", "array"}, {"items", one}}}},
            {"tools"}};
  }
  if (operation == "export.list") {
    return {"Tools that an endpoint exports now, with the hashes and sizes of their definitions",
            {{"virtual_server", text("of this one; all when absent")}}};
  }
  if (operation == "key.create") {
    return {"Makes an API key; its text is shown in this answer only",
            {{"agent", text("created where it does not exist")},
             {"note", text("for people")},
             {"admin", flag("opens the admin API instead of the data plane")},
             {"expires", {{"type", "integer"}, {"description", "Unix milliseconds"}}}},
            {"agent"}};
  }
  if (operation == "key.list") return {"Keys without their text", {{"agent", text("of this agent only")}}};
  if (operation == "key.revoke")
    return {"Revokes a key from the next request on", {{"id", text("id or text")}}, {"id"}};
  if (operation == "agent.list") return {"Agents with their teams and active keys"};
  if (operation == "team.list") return {"Teams with their members"};
  if (operation == "user.save") {
    return {"Adds somebody who signs in at the gateway itself, or sets another password",
            {{"name", text("lower case; an e-mail address is fine")},
             {"password", text("12 characters or more; kept as Argon2id")},
             {"new", flag("refuse where there is such a user already")}},
            {"name", "password"}};
  }
  if (operation == "user.list") return {"Users with their teams and active grants"};
  if (operation == "user.remove")
    return {"Removes a user and ends all grants", {{"name", text("user")}}, {"name"}};
  if (operation == "grant.list") return {"What users let clients do", {{"user", text("of this user only")}}};
  if (operation == "grant.end")
    return {"Ends a grant from the next request on", {{"id", text("of the grant")}}, {"id"}};
  if (operation == "token.mint") {
    return {"Makes a short-lived token for an agent; its text is shown in this answer only",
            {{"agent", text("that there is, and that is not disabled")},
             {"tools", words()},
             {"ttl", {{"type", "integer"}, {"description", "seconds; 600 when absent, at most 43200"}}},
             {"endpoint", text("path that it is for; default /mcp")}},
            {"agent"}};
  }
  if (operation == "token.list")
    return {"Tokens that programs were given", {{"agent", text("of this agent only")}}};
  if (operation == "token.revoke")
    return {"Ends a token and all that were made from it, from the next request on",
            {{"id", text("of the token, or its text")}},
            {"id"}};
  if (operation == "vault.rotate") {
    return {"Makes a new master key, or a new key in a ring",
            {{"what", text("master or ring")}, {"ring", text("default sealed-ids")}},
            {"what"}};
  }
  if (operation == "backup") {
    return {"Writes a backup beside the server (admin.sock only)",
            {{"directory", text("absolute path, new or empty")},
             {"with_master_key", flag("also the key that opens the vault")}},
            {"directory"}};
  }
  if (operation == "why") {
    return {"What the policies say of a principal and a target, and why",
            {{"principal", text("agent:NAME, user:NAME or anonymous")},
             {"target", text("SERVER/NAME, or the name at the endpoint")},
             {"kind", text("tool (default), prompt or resource")},
             {"virtual_server", text("asks at this one; at /mcp when absent")},
             {"arguments", {{"type", "object"}, {"description", "of one call; what is listed when absent"}}}},
            {"principal", "target"}};
  }
  if (operation == "policy.basis")
    return {"What decisions are made from: every document, and the definitions that servers offered last"};
  if (operation == "checkpoint") return {"Signs a checkpoint of the journal now"};
  return {"State of the installation"};
}

json answers(const char* type) {
  return {{"200", {{"description", "done"}, {"content", {{type, {{"schema", {{"type", "object"}}}}}}}}},
          {"default", {{"$ref", "#/components/responses/error"}}}};
}

json reading(const char* summary, const char* type) {
  return {{"get", {{"summary", summary}, {"responses", answers(type)}}}};
}

}  // namespace

std::string openapi() {
  json paths{{"/api/status", reading("State of the installation", "application/json")},
             {"/metrics", reading("Prometheus text exposition", "text/plain")},
             {"/healthz", reading("The process answers", "text/plain")},
             {"/readyz", reading("It can serve", "text/plain")}};
  for (const auto& name : Operations::names()) {
    const auto description = describe(name);
    json schema{{"type", "object"}, {"properties", description.properties}, {"additionalProperties", false}};
    if (!description.required.empty()) schema["required"] = description.required;
    paths["/api/op/" + name] = {
        {"post",
         {{"summary", description.summary},
          {"operationId", name},
          {"requestBody", {{"content", {{"application/json", {{"schema", std::move(schema)}}}}}}},
          {"responses", answers("application/json")}}}};
  }
  const json error{{"type", "object"},
                   {"properties",
                    {{"error",
                      {{"type", "object"},
                       {"properties",
                        {{"code", text("stable name")},
                         {"message", text("what, where, what next")},
                         {"problems", words()}}}}}}}};
  const json document{{"openapi", "3.1.0"},
                      {"info", {{"title", "Sallyport admin API"}, {"version", SALLYPORT_VERSION}}},
                      {"security", json::array({{{"adminKey", json::array()}}})},
                      {"paths", std::move(paths)},
                      {"components",
                       {{"securitySchemes", {{"adminKey", {{"type", "http"}, {"scheme", "bearer"}}}}},
                        {"responses",
                         {{"error",
                           {{"description", "refused or failed"},
                            {"content", {{"application/json", {{"schema", error}}}}}}}}}}}};
  return document.dump(2) + "\n";
}

}  // namespace sallyport::admin
