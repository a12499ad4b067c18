#include "load.hpp"

#include <chrono>
#include <nlohmann/json.hpp>

namespace sallyport::faults {
namespace {

using namespace std::chrono_literals;
using Json = nlohmann::json;
using net::testing::RawSocket;

std::string request_of(const std::string& key, const std::string& token, const std::string& tool) {
  const std::string body = Json{{"jsonrpc", "2.0"},
                                {"id", token},
                                {"method", "tools/call"},
                                {"params",
                                 {{"name", tool},
                                  {"arguments", {{"token", token}}},
                                  {"_meta",
                                   {{"io.modelcontextprotocol/protocolVersion", "2026-07-28"},
                                    {"io.modelcontextprotocol/clientCapabilities", Json::object()}}}}}}
                               .dump();
  return "POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + key +
         "\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n"
         "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: " +
         tool + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

std::string header(const std::string& head, const std::string& name) {
  const auto at = head.find("\r\n" + name + ": ");
  if (at == std::string::npos) return {};
  const auto begin = at + name.size() + 4;
  return head.substr(begin, head.find("\r\n", begin) - begin);
}

}  // namespace

Sent Load::call(RawSocket& socket, const std::string& key, const std::string& token,
                const std::string& tool) {
  Sent sent{.token = token};
  if (!socket.is_open() || !socket.send(request_of(key, token, tool))) {
    socket.close();
    return sent;
  }
  const auto answer = socket.answer();
  sent.status = answer.status;
  sent.body = answer.body;
  sent.retry_after = header(answer.head, "Retry-After");
  sent.warned = !header(answer.head, "Sallyport-Warning").empty();
  const Json json = Json::parse(answer.body, nullptr, false);
  if (!json.is_object()) {
    socket.close();
    return sent;  // half an answer is none
  }
  if (json.contains("result")) {
    const bool own = json.value("id", Json()) == Json(token) &&
                     answer.body.find(token, answer.body.find("result")) != std::string::npos;
    sent.end = own ? Sent::End::result : Sent::End::foreign;
  } else if (json.contains("error")) {
    sent.end = json.value("id", Json()) == Json(token) || json.value("id", Json()).is_null()
                   ? Sent::End::refused
                   : Sent::End::foreign;
    const Json data = json["error"].value("data", Json::object());
    if (data.is_object()) {
      sent.reason = data.value("reason", "");
      sent.retry = data.value("retry", false);
    }
  } else {
    sent.end = Sent::End::foreign;
  }
  if (answer.has("Connection: close")) socket.close();
  return sent;
}

Load::Load(Options options) : options_(std::move(options)) {
  for (int i = 0; i < options_.clients; ++i) threads_.emplace_back([this, i] { client(i); });
}

Load::~Load() { (void)stop(); }

std::vector<Sent> Load::stop() {
  stopping_ = true;
  for (auto& thread : threads_) thread.join();
  threads_.clear();
  const std::lock_guard lock(mutex_);
  return sent_;
}

void Load::client(int index) {
  const auto every = std::chrono::microseconds(1'000'000LL * options_.clients / options_.per_second);
  auto next = std::chrono::steady_clock::now() + every * index / options_.clients;
  RawSocket socket;
  std::uint16_t at = 0;
  for (int n = 0; !stopping_; ++n) {
    std::this_thread::sleep_until(next);
    next = std::max(next + every, std::chrono::steady_clock::now());
    const std::uint16_t port = options_.port();
    if (port == 0) continue;
    if (!socket.is_open() || at != port) socket = RawSocket::to(port);
    at = port;
    if (!socket.is_open()) continue;
    Sent sent = call(socket, options_.key, options_.prefix + std::to_string(index) + "-" + std::to_string(n),
                     options_.tool);
    if (sent.end == Sent::End::cut) socket.close();
    if (sent.end == Sent::End::result) ++answered_;
    const std::lock_guard lock(mutex_);
    sent_.push_back(std::move(sent));
  }
}

}  // namespace sallyport::faults
