/// Operations on upstream servers: server.add, server.list, server.test, server.remove.

#include <map>

#include <fmt/format.h>

#include "operation.hpp"
#include "sallyport/json/document.hpp"

namespace sallyport::admin {
namespace {

std::size_t count(const std::string& array) {
  const auto document = json::Document::parse(array, json::kUpstream);
  return document ? document->root().size() : 0;
}

std::string_view word_of(store::Isolation isolation) {
  switch (isolation) {
    case store::Isolation::shared:
      return "shared";
    case store::Isolation::principal:
      return "principal";
    case store::Isolation::session:
      return "session";
  }
  return "shared";
}

/// The part of the running server's status that speaks of one upstream, whatever it is called there.
nlohmann::json live_state(const Context& context) {
  if (!context.live.status) return nullptr;
  auto status = nlohmann::json::parse(context.live.status(), nullptr, false);
  if (!status.is_object()) return nullptr;
  for (const char* key : {"servers", "upstreams"}) {
    if (status.contains(key)) return status[key];
  }
  return nullptr;
}

nlohmann::json state_of(const nlohmann::json& states, const std::string& server) {
  if (states.is_object()) return states.value(server, nlohmann::json());
  if (!states.is_array()) return nullptr;
  for (const auto& state : states) {
    if (!state.is_object()) continue;
    for (const char* key : {"name", "server"}) {
      if (state.contains(key) && state[key] == server) return state;
    }
  }
  return nullptr;
}

nlohmann::json row_of(const store::Server& server) {
  nlohmann::json row{{"name", server.name},
                     {"description", server.description},
                     {"credential", server.credential},
                     {"isolation", word_of(server.isolation)},
                     {"trust", server.trust == store::Trust::pinned ? "pinned" : "follow"},
                     {"disabled", server.disabled}};
  if (const auto* http = std::get_if<store::HttpTransport>(&server.transport)) {
    row["transport"] = http->sse ? "sse" : "streamable-http";
    row["address"] = http->url;
  } else {
    const auto& stdio = std::get<store::StdioTransport>(server.transport);
    row["transport"] = "stdio";
    std::string line = stdio.command;
    for (const auto& argument : stdio.args) line += ' ' + argument;
    row["address"] = line;
  }
  return row;
}

Result<void> must_exist(const Context& context, const std::string& name) {
  const auto found = context.registry.document("Server", name);
  if (!found) return std::unexpected(found.error());
  if (!*found) {
    return client_error(
        Code::not_found,
        fmt::format("there is no server \"{}\"; `sallyport server list` shows those there are", name));
  }
  return {};
}

}  // namespace

Result<nlohmann::json> add_server(Context& context, const nlohmann::json& arguments) {
  Arguments input(arguments);
  const auto name = input.text("name");
  const auto url = input.text_or("url", "");
  const auto command = input.text_or("command", "");
  const auto args = input.list("args");
  const auto env = input.map("env");
  const auto credentials = input.map("credentials");
  const auto directory = input.text_or("directory", "");
  const auto credential = input.text_or("credential", "");
  const auto description = input.text_or("description", "");
  const bool sse = input.flag("sse");
  const bool allow_private = input.flag("allow_private");
  const bool replace = input.flag("replace");
  if (const auto ok = input.check("server.add"); !ok) return std::unexpected(ok.error());
  if (url.empty() == command.empty()) {
    return client_error(Code::bad_request,
                        "a server needs either a url or a command: `sallyport server add NAME --url "
                        "URL` or `sallyport server add NAME -- COMMAND ARGS...`");
  }
  if (!url.empty() && !(args.empty() && env.empty() && credentials.empty() && directory.empty())) {
    return client_error(Code::bad_request,
                        "arguments, environment and directory belong to a command, not to a url");
  }
  if (!command.empty() && (allow_private || sse)) {
    return client_error(Code::bad_request, fmt::format("--{} belongs to a url, not to a command",
                                                       sse ? "sse" : "allow-private"));
  }
  if (!command.empty() && !credential.empty()) {
    return client_error(
        Code::bad_request,
        "a command takes its credentials from variables: --credential-env VARIABLE=CREDENTIAL");
  }
  const auto before = context.registry.document("Server", name);
  if (!before) return std::unexpected(before.error());
  if (*before && !replace) {
    return client_error(
        Code::conflict,
        fmt::format("there is a server \"{}\" already; remove it first, or say --replace", name));
  }

  // The document goes through the same reader as a file, so that one set of checks holds for both ways.
  nlohmann::json transport;
  if (!url.empty()) {
    transport = {{"type", sse ? "sse" : "streamable-http"}, {"url", url}};
    if (allow_private) transport["allow_private"] = true;
  } else {
    transport = {{"type", "stdio"}, {"command", command}};
    if (!args.empty()) transport["args"] = args;
    if (!env.empty()) transport["env"] = env;
    if (!credentials.empty()) transport["credentials"] = credentials;
    if (!directory.empty()) transport["directory"] = directory;
  }
  nlohmann::json document{{"kind", "Server"}, {"name", name}, {"transport", transport}};
  if (!credential.empty()) document["credential"] = credential;
  if (!description.empty()) document["description"] = description;
  return apply_documents(
      context, {{"files", {{{"name", "server add"}, {"text", document.dump()}}}}, {"origin", "server-add"}});
}

Result<nlohmann::json> list_servers(Context& context, const nlohmann::json& arguments) {
  if (const auto ok = Arguments(arguments).check("server.list"); !ok) return std::unexpected(ok.error());
  const auto documents = context.registry.documents("Server");
  if (!documents) return std::unexpected(documents.error());
  const auto catalogues = context.registry.catalogues();
  if (!catalogues) return std::unexpected(catalogues.error());
  std::map<std::string, const store::StoredCatalogue*> known;
  for (const auto& catalogue : *catalogues) known[catalogue.server] = &catalogue;

  const auto states = live_state(context);
  nlohmann::json rows = nlohmann::json::array();
  for (const auto& document : *documents) {
    const auto* server = std::get_if<store::Server>(&document);
    if (!server) continue;
    auto row = row_of(*server);
    if (const auto it = known.find(server->name); it != known.end()) {
      row["tools"] = count(it->second->tools);
      row["prompts"] = count(it->second->prompts);
      row["resources"] = count(it->second->resources) + count(it->second->templates);
      row["fetched"] = it->second->fetched;
    }
    if (auto state = state_of(states, server->name); !state.is_null()) row["state"] = std::move(state);
    rows.push_back(std::move(row));
  }
  return nlohmann::json{{"servers", std::move(rows)}, {"running", static_cast<bool>(context.live.status)}};
}

Result<nlohmann::json> test_server(Context& context, const nlohmann::json& arguments) {
  Arguments input(arguments);
  const auto name = input.text("name");
  if (const auto ok = input.check("server.test"); !ok) return std::unexpected(ok.error());
  if (!context.live.test_server) {
    return client_error(Code::unavailable,
                        "no server runs on this data directory; start `sallyport serve`, then test");
  }
  auto answer = context.live.test_server(name);
  if (!answer) return std::unexpected(std::move(answer.error()));
  auto out = nlohmann::json::parse(*answer, nullptr, false);
  if (!out.is_object())
    return fail(Code::internal, Blame::us, "server.test: the gateway's answer is no object");
  out["name"] = name;
  return out;
}

Result<nlohmann::json> remove_server(Context& context, const nlohmann::json& arguments) {
  Arguments input(arguments);
  const auto name = input.text("name");
  if (const auto ok = input.check("server.remove"); !ok) return std::unexpected(ok.error());
  if (auto ok = must_exist(context, name); !ok) return std::unexpected(std::move(ok.error()));
  if (auto ok = context.registry.remove("Server", name); !ok) return std::unexpected(std::move(ok.error()));
  if (auto ok = reload(context); !ok) return std::unexpected(std::move(ok.error()));
  return nlohmann::json{{"removed", name}};
}

}  // namespace sallyport::admin
