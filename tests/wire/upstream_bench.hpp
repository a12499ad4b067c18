#pragma once
/// One upstream at its interface, on two shards unless a test says otherwise, and what it says outside of
/// calls.

#include <future>
#include <mutex>
#include <thread>

#include "gateway_fixture.hpp"
#include "sallyport/gateway/upstream.hpp"

namespace sallyport::testing {

using namespace std::chrono_literals;
using gateway::Notice;
using gateway::Question;
using gateway::QuestionAnswer;
using gateway::Topic;

/// How a test's call is made.
struct CallOptions {
  std::string principal = "agent:bot";
  std::string isolation{};
  std::string capabilities = "{}";
  std::string log_level{};
  gateway::Ask ask{};
  std::chrono::milliseconds within = 10s;
  Cancel* cancel = nullptr;
  std::function<void(const gateway::UpstreamNotification&)> on_notification{};
};

class UpstreamBench {
 public:
  /// `document` is one Server; its URL, where it has one, is dialled as it stands.
  explicit UpstreamBench(const std::string& document, const std::string& credential_line = "", int shards = 2)
      : shards_(shards) {
    auto read = store::read_documents(document, "test.yaml");
    if (!read) FAIL(read.error().front().text());
    auto config = std::make_shared<gateway::ServerConfig>();
    config->document = std::get<store::Server>(read->at(0));
    config->credential_line = Secret(credential_line);
    if (const auto* http = std::get_if<store::HttpTransport>(&config->document.transport))
      config->origin = {.url = *net::parse_url(http->url), .allow_private = http->allow_private};
    shards_.start();
    clients_.resize(static_cast<std::size_t>(shards));
    net::on_all_shards(shards_, [this](net::Shard& shard) {
      clients_[static_cast<std::size_t>(shard.index())] = std::make_unique<net::Client>(shard);
    });
    const gateway::OnNotice heard = [this](const Notice& notice) {
      const std::lock_guard lock(mutex_);
      notices_.push_back(notice);
    };
    upstream = config->is_stdio() ? make_stdio_upstream(shards_, config, heard)
               : config->is_sse() ? make_sse_upstream(shards_, clients_, config, heard)
                                  : make_http_upstream(shards_, clients_, config, heard);
  }
  ~UpstreamBench() {
    for (int i = 0; i < shards_.size(); ++i) {
      on(i, [this]() -> Task<int> {
        co_await upstream->close();
        co_return 0;
      });
    }
    net::on_all_shards(
        shards_, [this](net::Shard& shard) { clients_[static_cast<std::size_t>(shard.index())].reset(); });
    shards_.stop();
  }
  UpstreamBench(const UpstreamBench&) = delete;
  UpstreamBench& operator=(const UpstreamBench&) = delete;

  /// Starts what `make` returns on a shard.
  template <class F, class T = decltype(std::declval<F&>()().await_resume())>
  std::future<T> begin(int shard, F make) {
    auto promise = std::make_shared<std::promise<T>>();
    auto future = promise->get_future();
    REQUIRE(shards_[shard].post([promise, make = std::move(make)]() mutable {
      spawn([](std::shared_ptr<std::promise<T>> into, F f) -> Task<> { into->set_value(co_await f()); }(
                                                               std::move(promise), std::move(make)));
    }));
    return future;
  }
  template <class F, class T = decltype(std::declval<F&>()().await_resume())>
  T on(int shard, F make) {
    return begin(shard, std::move(make)).get();
  }

  /// Text of a tool's answer; its error as "error CODE"; or the name of what went wrong, with "again" where
  /// it may be tried again.
  std::future<std::string> begin_call(int shard, const std::string& tool, const Json& arguments,
                                      CallOptions options) {
    return begin(shard, [this, tool, arguments, options = std::move(options)]() {
      return call_task(upstream, tool, arguments, options);
    });
  }
  std::string call(int shard, const std::string& tool, const Json& arguments = Json::object(),
                   CallOptions options = {}) {
    return begin_call(shard, tool, arguments, std::move(options)).get();
  }

  /// The same on the shard that this runs on.
  static Task<std::string> call_task(std::shared_ptr<gateway::Upstream> to, std::string tool, Json arguments,
                                     CallOptions options) {
    auto document = json::Document::parse(Json{{"name", tool}, {"arguments", arguments}}.dump());
    gateway::UpstreamCall call{.method = mcp::Method::tools_call, .params = document->root()};
    call.name = tool;
    call.principal = options.principal;
    call.capabilities = options.capabilities;
    call.log_level = options.log_level;
    call.ask = options.ask;
    call.cancel = options.cancel;
    call.wants_progress = static_cast<bool>(options.on_notification);
    call.on_notification = options.on_notification;
    call.deadline = std::chrono::steady_clock::now() + options.within;
    auto answer = co_await to->call(std::move(call), options.isolation);
    if (!answer) co_return std::string(name_of(answer.error().code)) + (answer.error().retry ? " again" : "");
    const Json payload = Json::parse(answer->payload.raw());
    if (answer->is_error) co_return "error " + payload["code"].dump();
    co_return payload["content"][0]["text"].get<std::string>();
  }

  /// "ok" or the error's name and words.
  std::string watch(Topic topic, const std::string& id, const std::string& isolation = "") {
    auto result = on(0, [=, this] {
      return upstream->watch(topic, id, isolation, std::chrono::steady_clock::now() + 10s);
    });
    return result ? "ok" : std::string(name_of(result.error().code)) + ": " + result.error().what;
  }
  void unwatch(Topic topic, const std::string& id, const std::string& isolation = "") {
    on(1, [=, this]() -> Task<int> { return unwatch_task(upstream, topic, id, isolation); });
  }

  std::vector<Notice> notices(Notice::Kind kind) const {
    const std::lock_guard lock(mutex_);
    std::vector<Notice> out;
    for (const Notice& notice : notices_) {
      if (notice.kind == kind) out.push_back(notice);
    }
    return out;
  }

  template <class Condition>
  static bool until(Condition condition, std::chrono::milliseconds within = 10s) {
    const auto end = std::chrono::steady_clock::now() + within;
    while (!condition()) {
      if (std::chrono::steady_clock::now() > end) return false;
      std::this_thread::sleep_for(10ms);
    }
    return true;
  }

 private:
  net::Shards shards_;
  gateway::Clients clients_;
  mutable std::mutex mutex_;
  std::vector<Notice> notices_;

  static Task<int> unwatch_task(std::shared_ptr<gateway::Upstream> to, Topic topic, std::string id,
                                std::string isolation) {
    co_await to->unwatch(topic, id, isolation);
    co_return 0;
  }

 public:
  std::shared_ptr<gateway::Upstream> upstream;
};

/// What a child process wrote down, line by line.
class Ledger {
 public:
  std::string path() const { return directory_.path + "/ledger"; }
  std::string file(const std::string& name) const { return directory_.path + "/" + name; }
  std::vector<std::string> lines() const {
    std::vector<std::string> out;
    std::ifstream in(path());
    for (std::string line; std::getline(in, line);) out.push_back(line);
    return out;
  }
  std::size_t count(const std::string& start) const {
    const auto all = lines();
    return static_cast<std::size_t>(
        std::count_if(all.begin(), all.end(), [&](const auto& line) { return line.starts_with(start); }));
  }
  /// count(), waiting for what is on its way.
  bool noted(const std::string& start, std::size_t wanted = 1) const {
    return UpstreamBench::until([&] { return count(start) >= wanted; }) && count(start) == wanted;
  }

 private:
  const TempDirectory directory_;
};

}  // namespace sallyport::testing
