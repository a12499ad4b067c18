#pragma once
/// The whole program in this process, on a data directory of its own: what a wire test sends its bytes to.

#include <cstdlib>
#include <expected>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "fake_mcp.hpp"
#include "sallyport/cli/serve.hpp"
#include "sallyport/core/clock.hpp"
#include "sallyport/store/journal.hpp"
#include "sallyport/store/registry.hpp"
#include "sallyport/store/vault.hpp"

namespace sallyport::testing {

/// A directory that goes with the test.
class TempDirectory {
 public:
  TempDirectory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "sallyport-test-XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    path = pattern;
  }
  ~TempDirectory() { std::filesystem::remove_all(path); }
  TempDirectory(const TempDirectory&) = delete;
  TempDirectory& operator=(const TempDirectory&) = delete;
  std::string path;
};

/// YAML of one HTTP server document that points at a fake.
inline std::string server_document(const std::string& name, const std::string& url,
                                   const std::string& more = "") {
  return "---\nkind: Server\nname: " + name + "\ntransport: {type: streamable-http, url: \"" + url +
         "\", allow_private: true}\n" + more;
}

/// Everyone in team dev may use all but */secret.
inline const char* const kDefaultPolicy = R"(---
kind: Team
name: dev
members: ["agent:bot", "agent:other"]
---
kind: Policy
name: dev-tools
subjects: ["team:dev"]
rules:
  - {effect: allow, tools: ["*/*"], prompts: ["*/*"], resources: ["*/*"]}
  - {effect: deny, tools: ["*/secret"]}
)";

struct Response : RawSocket::Answer {
  Json json() const { return Json::parse(body, nullptr, false); }
  int code() const {
    const Json j = json();
    return j.is_object() && j.contains("error") ? j["error"]["code"].get<int>() : 0;
  }
  std::string header(const std::string& name) const {
    const auto at = head.find("\r\n" + name + ": ");
    if (at == std::string::npos) return "";
    const auto from = at + name.size() + 4;
    return head.substr(from, head.find("\r\n", from) - from);
  }
};

class GatewayFixture {
 public:
  /// Applies `documents`, makes a key for agent:bot and agent:other, starts the server on free ports and
  /// waits until `servers` lists are there.
  explicit GatewayFixture(const std::string& documents, cli::Settings settings = {},
                          const Clock& clock = system_clock())
      : clock_(clock) {
    {
      auto database = store::Database::open(directory.path, store::Database::Open::offline);
      REQUIRE(database.has_value());
      auto vault = store::Vault::open(**database);
      REQUIRE(vault.has_value());
      store::Registry registry(**database, **vault, system_clock());
      auto read = store::read_documents(documents, "test.yaml");
      if (!read) FAIL(read.error().front().text());
      auto applied = registry.apply(std::move(*read), {});
      if (!applied) FAIL(applied.error().what << " " << applied.error().hint);
      key = make_key(registry, "bot");
      other_key = make_key(registry, "other");
    }
    settings.data = directory.path;
    settings.listen.address = "127.0.0.1:0";
    settings.admin.address = "127.0.0.1:0";
    if (settings.shards == 0) settings.shards = 2;
    settings_ = settings;
    start();
  }

  void start() {
    auto started = cli::Server::start(settings_, clock_);
    if (!started) FAIL(started.error().what);
    server = std::move(*started);
    port = static_cast<std::uint16_t>(
        std::stoi(server->public_url().substr(server->public_url().rfind(':') + 1)));
  }

  /// At the same address, which is the issuer of what it signed.
  void restart() {
    settings_.listen.address = "127.0.0.1:" + std::to_string(port);
    server.reset();
    start();
  }

  RawSocket connect() const { return RawSocket::to(port); }

  static std::string request(const std::string& method, const std::string& path, const std::string& headers,
                             const std::string& body, const std::string& host = "localhost") {
    return method + " " + path + " HTTP/1.1\r\nHost: " + host + "\r\n" + headers +
           "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  }
  std::string bearer() const { return "Authorization: Bearer " + key + "\r\n"; }
  static std::string media() {
    return "Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n";
  }
  static std::string modern_headers(const std::string& method, const std::string& name = "") {
    return "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: " + method + "\r\n" +
           (name.empty() ? "" : "Mcp-Name: " + name + "\r\n");
  }

  /// Sends bytes on a fresh connection and reads one answer.
  Response raw(const std::string& bytes) const {
    RawSocket socket = connect();
    socket.send(bytes);
    return Response{socket.answer()};
  }
  Response post(const std::string& body, const std::string& headers, const std::string& path = "/mcp") const {
    return raw(request("POST", path, bearer() + media() + headers, body));
  }

  static std::string modern_body(const std::string& method, const Json& params = Json::object(),
                                 const Json& id = 1, const Json& more_meta = Json::object()) {
    Json all = params;
    all["_meta"] = {{"io.modelcontextprotocol/protocolVersion", "2026-07-28"},
                    {"io.modelcontextprotocol/clientCapabilities", Json::object()}};
    all["_meta"].update(more_meta);
    return Json{{"jsonrpc", "2.0"}, {"id", id}, {"method", method}, {"params", all}}.dump();
  }
  Response modern(const std::string& method, const Json& params = Json::object(),
                  const std::string& path = "/mcp") const {
    const std::string name = params.contains("name")  ? params["name"].get<std::string>()
                             : params.contains("uri") ? params["uri"].get<std::string>()
                                                      : "";
    return post(modern_body(method, params), modern_headers(method, name), path);
  }
  /// The good request that must work after every bad one.
  bool still_works() const {
    const Response answer =
        modern("tools/call", {{"name", "up__echo"}, {"arguments", {{"text", "still here"}}}});
    return answer.status == 200 && answer.body.find("still here") != std::string::npos;
  }

  /// An operation through admin.sock, as the CLI does it; the answer, or the error's text.
  std::expected<Json, std::string> admin(const std::string& operation, const Json& arguments) const {
    RawSocket socket = RawSocket::to_path(directory.path + "/admin.sock");
    socket.send(
        request("POST", "/api/op/" + operation, "Content-Type: application/json\r\n", arguments.dump()));
    const Response answer{socket.answer()};
    if (answer.status != 200) return std::unexpected(answer.body);
    return answer.json();
  }
  std::expected<Json, std::string> apply(const std::string& documents) const {
    return admin("apply", {{"files", Json::array({{{"name", "test.yaml"}, {"text", documents}}})}});
  }
  /// Bytes to the admin listener.
  Response admin_raw(const std::string& bytes) const {
    RawSocket socket = RawSocket::to(static_cast<std::uint16_t>(
        std::stoi(server->admin_url().substr(server->admin_url().rfind(':') + 1))));
    socket.send(bytes);
    return Response{socket.answer()};
  }

  /// Opens a 2025-11-25 session; returns its id.
  std::string initialize(const std::string& version = "2025-11-25", const std::string& path = "/mcp",
                         const Json& capabilities = Json::object()) const {
    const Response answer = post(Json{{"jsonrpc", "2.0"},
                                      {"id", 0},
                                      {"method", "initialize"},
                                      {"params",
                                       {{"protocolVersion", version},
                                        {"capabilities", capabilities},
                                        {"clientInfo", {{"name", "t"}, {"version", "1"}}}}}}
                                     .dump(),
                                 "", path);
    REQUIRE(answer.status == 200);
    return answer.header("Mcp-Session-Id");
  }
  Response legacy(const std::string& session, const std::string& method, const Json& params = Json::object(),
                  const Json& id = 1) const {
    return post(Json{{"jsonrpc", "2.0"}, {"id", id}, {"method", method}, {"params", params}}.dump(),
                "Mcp-Session-Id: " + session + "\r\nMCP-Protocol-Version: 2025-11-25\r\n");
  }

  /// Every record of the journal so far, in order.
  std::vector<Json> journal() const {
    std::vector<Json> out;
    auto read = store::read_journal(directory.path, 0, [&](std::string_view line) {
      out.push_back(Json::parse(line));
      return true;
    });
    CHECK(read.has_value());
    return out;
  }
  /// Records of a type whose members have these values.
  std::size_t count(const std::string& type, const Json& members = Json::object()) const {
    std::size_t n = 0;
    for (const Json& record : journal()) {
      bool match = record.value("type", "") == type;
      for (const auto& [name, value] : members.items())
        match = match && record.contains(name) && record[name] == value;
      n += match;
    }
    return n;
  }
  /// count(), waiting for records that are on their way: an answer does not wait for its outcome to be
  /// written.
  bool recorded(const std::string& type, const Json& members, std::size_t wanted = 1) const {
    for (int i = 0; i < 500; ++i) {
      if (count(type, members) >= wanted) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return count(type, members) == wanted;
  }
  /// All bytes of the journal's files, for canaries.
  std::string journal_bytes() const {
    std::string out;
    for (const auto& file :
         std::filesystem::directory_iterator(std::filesystem::path(directory.path) / "journal")) {
      std::ifstream in(file.path(), std::ios::binary);
      out.append(std::istreambuf_iterator<char>(in), {});
    }
    return out;
  }

  TempDirectory directory;
  std::string key, other_key;
  std::unique_ptr<cli::Server> server;
  std::uint16_t port = 0;

 private:
  static std::string make_key(store::Registry& registry, const std::string& agent) {
    auto made = registry.create_key(agent, "", false, std::nullopt);
    REQUIRE(made.has_value());
    return std::string(made->text.reveal());
  }
  cli::Settings settings_;
  const Clock& clock_;
};

}  // namespace sallyport::testing
