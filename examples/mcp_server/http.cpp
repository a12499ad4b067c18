#include "mcp_server/http.hpp"

#include <httplib.h>

#include <algorithm>
#include <array>
#include <deque>
#include <mutex>
#include <random>

namespace mcp_server {
namespace {

constexpr std::size_t kMaxBody = 1 << 20;
constexpr std::size_t kMaxSessions = 1000;  // the oldest gives way
constexpr std::size_t kThreads = 64;        // one per live connection
constexpr std::array kLocalNames = {"127.0.0.1", "localhost", "[::1]"};

/// The sessions of legacy clients: only whether they exist; the core remembers nothing about them.
class Sessions {
 public:
  std::string open() {
    std::random_device random;
    std::string id;
    for (int word = 0; word < 4; ++word) {
      std::array<char, 9> hex{};
      std::snprintf(hex.data(), hex.size(), "%08x", random());
      id += hex.data();
    }
    const std::lock_guard lock(mutex_);
    if (ids_.size() == kMaxSessions) ids_.pop_front();
    ids_.push_back(id);
    return id;
  }
  bool contains(const std::string& id) {
    const std::lock_guard lock(mutex_);
    return std::ranges::find(ids_, id) != ids_.end();
  }
  bool close(const std::string& id) {
    const std::lock_guard lock(mutex_);
    return std::erase(ids_, id) != 0;
  }

 private:
  std::mutex mutex_;
  std::deque<std::string> ids_;
};

bool is_local(std::string authority) {
  const auto port = authority.rfind(':');
  if (port != std::string::npos && authority.find(']', port) == std::string::npos) authority.resize(port);
  return std::ranges::find(kLocalNames, authority) != kLocalNames.end();
}

bool comes_from_here(const httplib::Request& request) {
  if (request.get_header_value_count("Host") != 1 || !is_local(request.get_header_value("Host")))
    return false;
  if (!request.has_header("Origin")) return true;
  const std::string origin = request.get_header_value("Origin");
  return origin.starts_with("http://") && is_local(origin.substr(7));
}

std::string bytes_of(const Json& message) {
  return message.dump(-1, ' ', false, Json::error_handler_t::replace);
}

/// Undoes `=?base64?...?=`; a value without the wrapper stands for itself. Nothing: the wrapper holds no
/// base64.
std::optional<std::string> decode_mirrored(const std::string& value) {
  constexpr std::string_view kOpen = "=?base64?", kClose = "?=",
                             kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  if (!value.starts_with(kOpen) || !value.ends_with(kClose) || value.size() < kOpen.size() + kClose.size())
    return value;
  std::string text = value.substr(kOpen.size(), value.size() - kOpen.size() - kClose.size());
  if (text.size() % 4 != 0) return std::nullopt;
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with("=") ? 1 : 0;
  text.resize(text.size() - padding);
  std::string out;
  unsigned held = 0;
  int bits = 0;
  for (const char c : text) {
    const auto digit = kAlphabet.find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    held = (held << 6 | static_cast<unsigned>(digit)) & 0xFFFF;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    out += static_cast<char>(held >> bits & 0xFF);
  }
  return out;
}

void check_mirror(const httplib::Request& request, const char* header, const Json& expected) {
  const bool once = request.get_header_value_count(header) == 1;
  const auto value = once ? decode_mirrored(request.get_header_value(header)) : std::nullopt;
  if (!value || Json(*value) != expected)
    throw RpcError{kHeaderMismatch, std::string(header) + " must repeat what the body says", 400};
}

/// The headers of a modern request must say what its body says. Which one the core checks itself comes after.
void check_headers(const httplib::Request& request, const Json& message) {
  const Json params = message.value("params", Json::object());
  const Json version = params["_meta"]["io.modelcontextprotocol/protocolVersion"];
  check_mirror(request, "MCP-Protocol-Version", version);
  if (!message.contains("id")) return;
  check_mirror(request, "Mcp-Method", message.value("method", ""));
  const std::string method = message.value("method", "");
  if (method == "tools/call" || method == "prompts/get")
    check_mirror(request, "Mcp-Name", params.value("name", ""));
  if (method == "resources/read") check_mirror(request, "Mcp-Name", params.value("uri", ""));
}

bool wants_stream(const Server& server, const Json& message) {
  if (message.value("method", "") != "tools/call") return false;
  const Json params = message.value("params", Json::object());
  const Tool* tool = server.find_tool(params.value("name", ""));
  return tool != nullptr && tool->reports_progress && params.contains("_meta") &&
         params["_meta"].contains("progressToken");
}

void send(httplib::Response& response, const Answer& answer) {
  response.status = answer.status;
  if (answer.body) response.set_content(bytes_of(*answer.body), "application/json");
}

}  // namespace

struct HttpEndpoint::Impl {
  explicit Impl(const Server& s) : server(s) {}

  void post(const httplib::Request& request, httplib::Response& response) {
    const Json message = Json::parse(request.body, nullptr, false);
    const Json id = message.is_object() ? message.value("id", Json(nullptr)) : Json(nullptr);
    try {
      if (!message.is_object()) throw RpcError{kParseError, "the body must hold one JSON object", 400};
      const std::string version = request.get_header_value("MCP-Protocol-Version");
      if (is_modern(message)) {
        check_headers(request, message);
      } else if (message.value("method", "") == "initialize") {
        if (version == kModernVersion) throw RpcError{kHeaderMismatch, "initialize is a legacy method", 400};
        response.set_header("MCP-Session-Id", sessions.open());
      } else {
        if (version == kModernVersion) throw RpcError{kInvalidParams, "params._meta is missing", 400};
        if (!version.empty() && !is_legacy_version(version))
          throw RpcError{kInvalidRequest, "unsupported protocol version", 400};
        const std::string session = request.get_header_value("MCP-Session-Id");
        if (session.empty()) throw RpcError{kInvalidRequest, "initialize first", 400};
        if (!sessions.contains(session)) throw RpcError{kInvalidRequest, "no such session", 404};
      }
      if (wants_stream(server, message)) return stream(message, response);
      send(response, server.handle(message, [](const Json&) { return true; }));
    } catch (const RpcError& error) {
      send(response, {error.status, error_body(id, error)});
    } catch (const Json::exception&) {
      send(response, {400, error_body(nullptr, {kInvalidRequest, "a member has the wrong type"})});
    }
  }

  /// The provider runs on this connection's thread after the head has gone out, so the tool may take its time
  /// in it.
  void stream(const Json& message, httplib::Response& response) {
    response.set_header("X-Accel-Buffering", "no");
    response.set_chunked_content_provider(
        "text/event-stream", [this, message](std::size_t, httplib::DataSink& sink) {
          const auto event = [&sink](const Json& one) {
            const std::string frame = "event: message\ndata: " + bytes_of(one) + "\n\n";
            return sink.is_writable() && sink.write(frame.data(), frame.size());
          };
          const Answer answer = server.handle(message, event);
          if (answer.body) event(*answer.body);
          sink.done();
          return true;
        });
  }

  const Server& server;
  Sessions sessions;
  httplib::Server http;
};

HttpEndpoint::HttpEndpoint(const Server& server) : impl_(std::make_unique<Impl>(server)) {
  auto& http = impl_->http;
  http.new_task_queue = [] { return new httplib::ThreadPool(kThreads); };
  http.set_payload_max_length(kMaxBody);
  http.set_keep_alive_max_count(1'000'000);
  http.set_tcp_nodelay(true);
  http.set_socket_options([](socket_t socket) {  // the default would share the port with a second process
    const int yes = 1;
    ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  });
  http.set_pre_routing_handler([](const httplib::Request& request, httplib::Response& response) {
    if (comes_from_here(request)) return httplib::Server::HandlerResponse::Unhandled;
    response.status = 403;
    return httplib::Server::HandlerResponse::Handled;
  });
  http.Post("/mcp", [this](const auto& request, auto& response) { impl_->post(request, response); });
  http.Get("/mcp", [](const auto&, auto& response) { response.status = 405; });
  http.Delete("/mcp", [this](const httplib::Request& request, httplib::Response& response) {
    response.status = impl_->sessions.close(request.get_header_value("MCP-Session-Id")) ? 204 : 404;
  });
}

HttpEndpoint::~HttpEndpoint() = default;

int HttpEndpoint::bind(int port) {
  const int bound = port == 0 ? impl_->http.bind_to_any_port("127.0.0.1")
                              : (impl_->http.bind_to_port("127.0.0.1", port) ? port : -1);
  if (bound < 0) throw std::runtime_error("cannot listen on 127.0.0.1:" + std::to_string(port));
  return bound;
}

void HttpEndpoint::run() { impl_->http.listen_after_bind(); }
void HttpEndpoint::stop() { impl_->http.stop(); }

}  // namespace mcp_server
