#pragma once
/// An upstream over Streamable HTTP that answers each method exactly as a test says, with streams that the
/// test writes to, and the upstream interface of the gateway in front of it, on shards of its own.

#include <condition_variable>
#include <deque>
#include <future>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "net/fake_upstream.hpp"
#include "sallyport/core/clock.hpp"
#include "sallyport/gateway/upstream.hpp"

namespace sallyport::testing {

using Json = nlohmann::json;
using net::testing::FakeUpstream;
using net::testing::RawSocket;

/// The peer of a socket has closed it.
inline bool gone(RawSocket& socket) {
  char byte;
  return ::recv(socket.fd(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

/// Bytes that a test puts on a stream while it is open.
class Tap {
 public:
  void write(std::string bytes) {
    const std::lock_guard lock(mutex_);
    bytes_ += bytes;
    changed_.notify_all();
  }
  void event(const Json& message, const std::string& id = {}) {
    write((id.empty() ? "" : "id: " + id + "\n") + "data: " + message.dump() + "\n\n");
  }
  void close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    changed_.notify_all();
  }
  /// The peer has gone.
  bool left(bool wait = true) {
    for (int i = 0; wait && !left_ && i < 1000; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    return left_;
  }
  /// Carries bytes until the test closes the tap or the peer goes.
  void run(RawSocket& socket) {
    for (;;) {
      std::string bytes;
      bool closed;
      {
        std::unique_lock lock(mutex_);
        changed_.wait_for(lock, std::chrono::milliseconds(10), [&] { return closed_ || !bytes_.empty(); });
        bytes = std::exchange(bytes_, {});
        closed = closed_;
      }
      if (gone(socket) || !socket.send(bytes)) {
        left_ = true;
        return;
      }
      if (closed) return;
    }
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string bytes_;
  bool closed_ = false;
  std::atomic<bool> left_{false};
};

/// One request as it came.
struct Heard {
  std::string raw;
  Json message;
  std::string what;  ///< JSON-RPC method, "response", or the HTTP verb where there is no body
  std::string header(const std::string& name) const {
    const auto at = raw.find("\r\n" + name + ": ");
    if (at == std::string::npos) return "";
    const auto from = at + name.size() + 4;
    return raw.substr(from, raw.find("\r\n", from) - from);
  }
  std::string session() const { return header("Mcp-Session-Id"); }
};

class ScriptedMcp {
 public:
  enum class Era { modern, legacy };
  /// Answers on the socket. True: the connection goes on.
  using Handler = std::function<bool(RawSocket&, const Heard&)>;

  explicit ScriptedMcp(Era era, Json capabilities = {{"tools", Json::object()}})
      : era_(era),
        capabilities_(std::move(capabilities)),
        server_([this](RawSocket& socket, int) { serve(socket); }) {}
  ~ScriptedMcp() {
    const std::lock_guard lock(mutex_);
    for (auto& tap : taps_) tap->close();
  }

  net::Origin origin() const { return server_.origin(); }
  void on(const std::string& what, Handler handler) {
    const std::lock_guard lock(mutex_);
    handlers_[what] = std::move(handler);
  }
  /// A stream that ends with this object at the latest.
  std::shared_ptr<Tap> tap() {
    const std::lock_guard lock(mutex_);
    taps_.push_back(std::make_shared<Tap>());
    return taps_.back();
  }
  std::vector<Heard> heard(const std::string& what) const {
    const std::lock_guard lock(mutex_);
    std::vector<Heard> out;
    for (const auto& each : heard_) {
      if (each.what == what) out.push_back(each);
    }
    return out;
  }
  std::size_t count(const std::string& what) const { return heard(what).size(); }
  /// Waits until `what` has come `n` times, and returns the last of them.
  Heard await(const std::string& what, std::size_t n = 1) const {
    std::unique_lock lock(mutex_);
    const auto seen = [&] {
      return static_cast<std::size_t>(std::count_if(heard_.begin(), heard_.end(),
                                                    [&](const Heard& h) { return h.what == what; })) >= n;
    };
    CAPTURE(what);
    REQUIRE(came_.wait_for(lock, std::chrono::seconds(10), seen));
    std::size_t index = 0;
    for (const auto& each : heard_) {
      if (each.what == what && ++index == n) return each;
    }
    return {};
  }

  static bool reply(RawSocket& socket, int status, const Json& body, const std::string& more = {}) {
    const std::string text = body.is_null() ? "" : body.dump();
    return socket.send("HTTP/1.1 " + std::to_string(status) + " X\r\nContent-Type: application/json\r\n" +
                       more + "Content-Length: " + std::to_string(text.size()) + "\r\n\r\n" + text);
  }
  static Json result(const Json& message, Json value = Json::object()) {
    return {{"jsonrpc", "2.0"}, {"id", message["id"]}, {"result", std::move(value)}};
  }
  static Json error(const Json& message, int code, const std::string& text, Json data = nullptr) {
    Json out = {{"jsonrpc", "2.0"}, {"id", message["id"]}, {"error", {{"code", code}, {"message", text}}}};
    if (!data.is_null()) out["error"]["data"] = std::move(data);
    return out;
  }
  static Json text_result(const Json& message, const std::string& text = "fine") {
    return result(message, {{"resultType", "complete"},
                            {"content", Json::array({{{"type", "text"}, {"text", text}}})}});
  }
  static bool open_stream(RawSocket& socket, const std::string& first = {}) {
    return socket.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n" +
                       first);
  }
  static std::string event(const Json& message, const std::string& id = {}) {
    return (id.empty() ? "" : "id: " + id + "\n") + "data: " + message.dump() + "\n\n";
  }
  /// A handler that opens a stream and leaves it to `tap`.
  static Handler streams(std::shared_ptr<Tap> tap, std::string first = {}) {
    return [tap, first](RawSocket& socket, const Heard&) {
      open_stream(socket, first);
      tap->run(socket);
      return false;
    };
  }

 private:
  void serve(RawSocket& socket) {
    for (;;) {
      Heard heard{.raw = net::testing::read_request(socket), .message = {}, .what = {}};
      if (heard.raw.empty()) return;
      heard.message = Json::parse(heard.raw.substr(heard.raw.find("\r\n\r\n") + 4), nullptr, false);
      if (heard.message.is_discarded()) {
        heard.what = heard.raw.substr(0, heard.raw.find(' '));
      } else {
        heard.what =
            heard.message.contains("method") ? heard.message["method"].get<std::string>() : "response";
      }
      Handler handler;
      {
        const std::lock_guard lock(mutex_);
        heard_.push_back(heard);
        if (const auto it = handlers_.find(heard.what); it != handlers_.end()) handler = it->second;
        came_.notify_all();
      }
      if (!(handler ? handler(socket, heard) : answer(socket, heard))) return;
    }
  }

  bool answer(RawSocket& socket, const Heard& heard) {
    const Json& message = heard.message;
    if (heard.what == "GET") return reply(socket, 405, nullptr);
    if (heard.what == "DELETE") return reply(socket, 200, nullptr);
    if (heard.what == "server/discover") {
      if (era_ == Era::legacy)
        return reply(socket, 400,
                     {{"jsonrpc", "2.0"}, {"id", nullptr}, {"error", {{"code", -32000}, {"message", "no"}}}});
      return reply(socket, 200,
                   result(message, {{"resultType", "complete"},
                                    {"supportedVersions", {"2026-07-28"}},
                                    {"capabilities", capabilities_},
                                    {"ttlMs", 0},
                                    {"cacheScope", "private"}}));
    }
    if (heard.what == "initialize") {
      return reply(socket, 200,
                   result(message, {{"protocolVersion", "2025-11-25"},
                                    {"capabilities", capabilities_},
                                    {"serverInfo", {{"name", "scripted"}, {"version", "1"}}}}),
                   "Mcp-Session-Id: session-" + std::to_string(++sessions_) + "\r\n");
    }
    if (!message.contains("id") || heard.what == "response") return reply(socket, 202, nullptr);
    if (heard.what == "tools/call") return reply(socket, 200, text_result(message));
    if (era_ == Era::modern) return reply(socket, 404, error(message, -32601, "Method not found"));
    return reply(socket, 200, result(message));
  }

  const Era era_;
  const Json capabilities_;
  mutable std::mutex mutex_;
  mutable std::condition_variable came_;
  std::vector<Heard> heard_;
  std::map<std::string, Handler> handlers_;
  std::vector<std::shared_ptr<Tap>> taps_;
  std::atomic<int> sessions_{0};
  FakeUpstream server_;
};

/// What a call came to, in words: the text of its result, or the error's name.
struct Outcome {
  std::string text;
  std::string what;
  bool operator==(const std::string& other) const { return text == other; }
};
/// How a test calls; filled in on the shard, where a Cancel may live.
struct Calling {
  std::string capabilities = "{}";
  std::string principal = "agent:bot";
  gateway::Ask ask{};
  Duration within = std::chrono::seconds(10);
  std::string log_level{};
  std::string isolation{};
  std::function<void(const gateway::UpstreamNotification&)> on_notification{};
  std::shared_ptr<Cancel> cancel{};
  Json arguments = Json::object();
};

/// The gateway's half: one upstream object on two shards.
class UpstreamFixture {
 public:
  explicit UpstreamFixture(const ScriptedMcp& mcp, int shards = 2) : shards_(shards) {
    auto config = std::make_shared<gateway::ServerConfig>();
    config->document.name = "up";
    config->document.transport = store::HttpTransport{.url = "", .allow_private = true};
    config->origin = mcp.origin();
    for (int i = 0; i < shards; ++i) clients_.push_back(nullptr);
    shards_.start();
    net::on_all_shards(shards_, [this](net::Shard& shard) {
      clients_[static_cast<std::size_t>(shard.index())] = std::make_unique<net::Client>(shard);
    });
    upstream = gateway::make_http_upstream(shards_, clients_, config, [this](const gateway::Notice& notice) {
      const std::lock_guard lock(mutex_);
      notices_.push_back(notice);
      came_.notify_all();
    });
  }
  ~UpstreamFixture() {
    close();
    net::on_all_shards(
        shards_, [this](net::Shard& shard) { clients_[static_cast<std::size_t>(shard.index())].reset(); });
    shards_.stop();
  }

  /// Ends the upstream on every shard; afterwards no coroutine of it may be left.
  void close() {
    if (std::exchange(closed_, true)) return;
    for (int i = 0; i < shards_.size(); ++i) {
      on<bool>(i, [this]() -> Task<bool> {
        return [](gateway::Upstream& u) -> Task<bool> {
          co_await u.close();
          co_return true;
        }(*upstream);
      });
    }
    std::atomic<std::ptrdiff_t> left = -1;
    for (int wait = 0; left != 0 && wait < 200; ++wait) {
      left = 0;
      net::on_all_shards(shards_, [&](net::Shard&) { left += detail::live_tasks; });
      if (left != 0) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    CHECK(left == 0);
  }

  /// Starts `make()` on a shard; the future has its result.
  template <class T>
  std::future<T> start(int shard, std::function<Task<T>()> make) {
    auto promise = std::make_shared<std::promise<T>>();
    auto future = promise->get_future();
    REQUIRE(shards_[shard].post([promise, make = std::move(make)] {
      spawn([](std::function<Task<T>()> f, std::shared_ptr<std::promise<T>> into) -> Task<> {
        into->set_value(co_await f());
      }(make, promise));
    }));
    return future;
  }
  template <class T>
  T on(int shard, std::function<Task<T>()> make) {
    return start<T>(shard, std::move(make)).get();
  }

  std::future<Outcome> calling(int shard, Calling how) {
    return start<Outcome>(shard, [this, how] { return call_task(upstream, how); });
  }
  Outcome call(Calling how = {}, int shard = 0) { return calling(shard, std::move(how)).get(); }

  std::string watch(const std::string& id, gateway::Topic topic = gateway::Topic::resource, int shard = 0,
                    const std::string& isolation = {}, Duration within = std::chrono::seconds(5)) {
    return watching(id, topic, shard, isolation, within).get();
  }
  std::future<std::string> watching(const std::string& id, gateway::Topic topic = gateway::Topic::resource,
                                    int shard = 0, const std::string& isolation = {},
                                    Duration within = std::chrono::seconds(5)) {
    return start<std::string>(shard, [this, id, topic, isolation, within] {
      return [](std::shared_ptr<gateway::Upstream> u, std::string i, gateway::Topic t, std::string iso,
                Duration time) -> Task<std::string> {
        auto done = co_await u->watch(t, i, iso, std::chrono::steady_clock::now() + time);
        co_return done ? "watched" : std::string(name_of(done.error().code)) + ": " + done.error().what;
      }(upstream, id, topic, isolation, within);
    });
  }
  void unwatch(const std::string& id, gateway::Topic topic = gateway::Topic::resource, int shard = 0) {
    on<bool>(shard, [this, id, topic] {
      return [](std::shared_ptr<gateway::Upstream> u, std::string i, gateway::Topic t) -> Task<bool> {
        co_await u->unwatch(t, i, "");
        co_return true;
      }(upstream, id, topic);
    });
  }
  bool identify(int shard = 0) {
    return on<bool>(shard, [this] {
      return [](std::shared_ptr<gateway::Upstream> u) -> Task<bool> {
        auto known = co_await u->identify("", std::chrono::steady_clock::now() + std::chrono::seconds(10));
        co_return known.has_value();
      }(upstream);
    });
  }
  bool notifies(bool wanted = true) const {
    for (int i = 0; i < 1000 && upstream->notifies() != wanted; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    return upstream->notifies() == wanted;
  }

  std::vector<gateway::Notice> notices() const {
    const std::lock_guard lock(mutex_);
    return notices_;
  }
  gateway::Notice await_notice(gateway::Notice::Kind kind, std::size_t n = 1) const {
    std::unique_lock lock(mutex_);
    const auto find = [&]() -> const gateway::Notice* {
      std::size_t index = 0;
      for (const auto& each : notices_) {
        if (each.kind == kind && ++index == n) return &each;
      }
      return nullptr;
    };
    REQUIRE(came_.wait_for(lock, std::chrono::seconds(10), [&] { return find() != nullptr; }));
    return *find();
  }
  net::Shard& shard(int i) { return shards_[i]; }

  std::shared_ptr<gateway::Upstream> upstream;

 private:
  static Task<Outcome> call_task(std::shared_ptr<gateway::Upstream> upstream, Calling how) {
    const auto params = json::Document::parse(Json{{"name", "echo"}, {"arguments", how.arguments}}.dump());
    gateway::UpstreamCall call{.method = mcp::Method::tools_call, .params = params->root()};
    call.name = "echo";
    call.capabilities = how.capabilities;
    call.principal = how.principal;
    call.ask = how.ask;
    call.deadline = std::chrono::steady_clock::now() + how.within;
    call.log_level = how.log_level;
    call.cancel = how.cancel.get();
    call.wants_progress = static_cast<bool>(how.on_notification);
    call.on_notification = how.on_notification;
    auto answer = co_await upstream->call(std::move(call), how.isolation);
    if (!answer) co_return Outcome{std::string(name_of(answer.error().code)), answer.error().what};
    const Json payload = Json::parse(answer->payload.raw());
    if (answer->is_error) co_return Outcome{"error " + payload["code"].dump(), payload.dump()};
    co_return Outcome{payload.contains("content") ? payload["content"][0]["text"].get<std::string>() : "",
                      payload.dump()};
  }

  net::Shards shards_;
  gateway::Clients clients_;
  mutable std::mutex mutex_;
  mutable std::condition_variable came_;
  std::vector<gateway::Notice> notices_;
  bool closed_ = false;
};

}  // namespace sallyport::testing
