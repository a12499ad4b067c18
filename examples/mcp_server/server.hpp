#pragma once
/// A small MCP server core: tools, resources, prompts and completion behind JSON-RPC dispatch, for both
/// protocol eras. Transports (stdio.hpp, http.hpp) bring bytes; this file knows nothing about them.
///
/// modern: 2026-07-28, every request carries its version and capabilities in `params._meta`; nothing is
/// remembered. legacy: 2024-11-05 to 2025-11-25, opened by `initialize`. Threads: register everything first;
/// `handle` may then be called from any number of threads at once.

#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace mcp_server {

using Json = nlohmann::json;

inline constexpr const char* kModernVersion = "2026-07-28";

/// JSON-RPC codes used here; -32020 and below come with the 2026-07-28 revision.
enum Code : int {
  kParseError = -32700,
  kInvalidRequest = -32600,
  kMethodNotFound = -32601,
  kInvalidParams = -32602,
  kInternalError = -32603,
  kResourceNotFoundLegacy = -32002,
  kHeaderMismatch = -32020,
  kUnsupportedVersion = -32022,
};

/// Ends a request with a JSON-RPC error. `status` is what HTTP says with it.
struct RpcError {
  int code;
  std::string message;
  int status = 200;
  Json data = nullptr;
};

/// Thrown by a tool that cannot do what was asked; the model reads the text as a result with `isError`.
struct ToolFailure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Sends a notification that belongs to the running request. False: nobody listens any more.
using Notify = std::function<bool(const Json& notification)>;

/// What a running tool may use besides its arguments.
class Call {
 public:
  Call(Json progress_token, const Notify& notify) : token_(std::move(progress_token)), notify_(notify) {}
  /// Tells the caller how far the work is, if it asked to know. Throws ToolFailure when the caller has gone.
  void progress(double done, double total, const std::string& message) const;

 private:
  Json token_;
  const Notify& notify_;
};

struct ToolResult {
  std::string text;
  Json structured = nullptr;  ///< must fit the tool's outputSchema
};

struct Tool {
  std::string name, title, description;
  Json input_schema;
  Json output_schema = nullptr;
  bool read_only = true;
  bool reports_progress = false;  ///< HTTP answers with a stream when the caller sent a progress token
  std::function<ToolResult(const Json& arguments, const Call&)> run;
};

struct Resource {
  std::string uri, name, title, mime_type;
};
struct ResourceTemplate {
  std::string uri_template, name, title, description, mime_type;
};

struct Prompt {
  struct Argument {
    std::string name, description;
    bool required = true;
  };
  std::string name, title, description;
  std::vector<Argument> arguments;
  /// The text of the one user message.
  std::function<std::string(const Json& arguments)> render;
};

/// A server's answer to one message. `body` is empty for notifications.
struct Answer {
  int status = 200;
  std::optional<Json> body;
};

class Server {
 public:
  Server(std::string name, std::string version, std::string instructions)
      : name_(std::move(name)), version_(std::move(version)), instructions_(std::move(instructions)) {}

  void add(Tool tool) { tools_.push_back(std::move(tool)); }
  void add(Prompt prompt) { prompts_.push_back(std::move(prompt)); }
  /// `list` is asked each time; `read` returns the text of a URI, or nothing when there is no such resource.
  void serve_resources(std::vector<ResourceTemplate> templates, std::function<std::vector<Resource>()> list,
                       std::function<std::optional<std::string>(const std::string& uri)> read);
  /// Values for the argument `argument` of a prompt or resource template, before the prefix is applied.
  void serve_completion(std::function<std::vector<std::string>(const std::string& argument)> values) {
    complete_ = std::move(values);
  }

  /// Never throws. `message` is one JSON-RPC message (no batch).
  Answer handle(const Json& message, const Notify& notify) const;

  const Tool* find_tool(const std::string& name) const;

 private:
  Json dispatch(const std::string& method, const Json& params, bool modern, const Notify& notify) const;
  Json initialize(const Json& params) const;
  Json discover() const;
  Json capabilities() const;
  Json list_tools() const;
  Json call_tool(const Json& params, const Notify& notify) const;
  Json list_resources() const;
  Json list_templates() const;
  Json read_resource(const Json& params, bool modern) const;
  Json list_prompts() const;
  Json get_prompt(const Json& params) const;
  Json complete(const Json& params) const;

  std::string name_, version_, instructions_;
  std::vector<Tool> tools_;
  std::vector<Prompt> prompts_;
  std::vector<ResourceTemplate> templates_;
  std::function<std::vector<Resource>()> list_resources_;
  std::function<std::optional<std::string>(const std::string&)> read_resource_;
  std::function<std::vector<std::string>(const std::string&)> complete_;
};

/// True if the body itself says that it belongs to the modern era.
bool is_modern(const Json& message);
bool is_legacy_version(const std::string& version);
Json error_body(const Json& id, const RpcError& error);

/// A required string argument. Throws ToolFailure naming it.
std::string text_argument(const Json& arguments, const std::string& name);
/// An integer argument within [low, high], or `fallback` when absent. Throws ToolFailure.
int number_argument(const Json& arguments, const std::string& name, int fallback, int low, int high);

}  // namespace mcp_server
