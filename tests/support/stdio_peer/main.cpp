/// An MCP server on standard streams, for tests: `stdio_peer MODE LEDGER`. What it does, the names of its
/// tools say; what it did stands in the ledger, one line for each start, call, cancellation and end. Modes:
/// modern, legacy, each also with `-watch` (it can be subscribed to), mute, exits, turns-modern (2025 when it
/// is started first, 2026 alone from then on).

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

namespace {

using Json = nlohmann::json;

class Peer {
 public:
  Peer(std::string mode, const std::string& ledger)
      : mode_(std::move(mode)),
        ledger_(::open(ledger.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)) {
    struct stat written{};
    first_ = ::fstat(ledger_, &written) == 0 && written.st_size == 0;
    note("start " + std::to_string(::getpid()));
  }

  void run() {
    std::string input;
    for (char bytes[65536];;) {
      pollfd ready{.fd = 0, .events = POLLIN, .revents = 0};
      if (::poll(&ready, 1, parked_.empty() ? -1 : 5) > 0) {
        const ssize_t n = ::read(0, bytes, sizeof bytes);
        if (n <= 0) break;
        input.append(bytes, static_cast<std::size_t>(n));
        for (std::size_t end; (end = input.find('\n')) != std::string::npos; input.erase(0, end + 1))
          take(Json::parse(input.substr(0, end)));
      }
      release();
    }
    note("end");
  }

 private:
  void note(const std::string& line) const { put(ledger_, line + "\n"); }
  static void put(int fd, const std::string& text) {
    for (std::size_t at = 0; at < text.size();) {
      const ssize_t n = ::write(fd, text.data() + at, text.size() - at);
      if (n <= 0) return;
      at += static_cast<std::size_t>(n);
    }
  }
  static void send(const Json& message) { put(1, message.dump() + "\n"); }
  static void notify(const std::string& method, const Json& params) {
    send({{"jsonrpc", "2.0"}, {"method", method}, {"params", params}});
  }
  bool turned() const { return mode_ == "turns-modern" && !first_; }
  bool modern() const { return mode_.starts_with("modern") || turned(); }
  bool watch() const { return mode_.ends_with("-watch"); }
  void answer(const Json& id, Json result) const {
    if (modern()) result["resultType"] = "complete";
    send({{"jsonrpc", "2.0"}, {"id", id}, {"result", std::move(result)}});
  }
  void say(const Json& id, const std::string& text) const {
    answer(id, {{"content", Json::array({{{"type", "text"}, {"text", text}}})}});
  }
  static void refuse(const Json& id, int code, const std::string& why) {
    send({{"jsonrpc", "2.0"}, {"id", id}, {"error", {{"code", code}, {"message", why}}}});
  }

  void take(const Json& message) {
    if (mode_ == "mute") return;
    if (!message.contains("method")) return answered(message);
    const std::string method = message["method"];
    const Json params = message.value("params", Json::object());
    if (!message.contains("id")) {
      if (method == "notifications/cancelled") note("cancelled " + params["requestId"].dump());
      if (method == "notifications/cancelled" && params["requestId"] == listen_) listen_ = nullptr;
      if (method == "notifications/initialized") note("initialized");
      return;
    }
    const Json id = message["id"];
    Json capabilities = {{"tools", {{"listChanged", true}}}, {"logging", Json::object()}};
    if (watch()) capabilities["resources"] = {{"listChanged", true}, {"subscribe", true}};
    if (method == "server/discover") {
      if (mode_ == "exits") {
        note("exit on discover");
        ::_exit(1);
      }
      if (!modern()) return refuse(id, -32601, "Method not found");
      return answer(id, {{"supportedVersions", {"2026-07-28"}}, {"capabilities", capabilities}});
    }
    if (method == "initialize" && turned()) return refuse(id, -32601, "Method not found");
    if (method == "initialize") {
      note("greeted with " + params["capabilities"].dump());
      return answer(id, {{"protocolVersion", "2025-06-18"},
                         {"capabilities", capabilities},
                         {"serverInfo", {{"name", "peer"}, {"version", "1"}}}});
    }
    if (method == "logging/setLevel") {
      note("set level " + params["level"].get<std::string>());
      return answer(id, Json::object());
    }
    if (watch() && subscription(method, id, params)) return;
    if (method == "tools/list") return answer(id, {{"tools", tools()}});
    if (watch() && method == "resources/list")
      return answer(id, {{"resources", Json::array({{{"uri", "note://one"}, {"name", "one"}}})}});
    if (method == "tools/call") return call(id, params);
    refuse(id, -32601, "Method not found");
  }

  /// A listen that asks for what starts with "bad:" is refused whole, and so is "once:" by all but the first
  /// process, and a task for those who do not know tasks.
  bool refuses(const Json& params) const {
    const Json& filter = params["notifications"];
    for (const Json& uri : filter.value("resourceSubscriptions", Json::array())) {
      const std::string text = uri;
      if (text.starts_with("bad:") || (text.starts_with("once:") && !first_)) return true;
    }
    return filter.contains("taskIds") && !params["_meta"]["io.modelcontextprotocol/clientCapabilities"]
                                              .value("extensions", Json())
                                              .contains("io.modelcontextprotocol/tasks");
  }

  /// What starts with "no:" cannot be subscribed to.
  bool subscription(const std::string& method, const Json& id, const Json& params) {
    if (method == "subscriptions/listen") {
      Json filter = params["notifications"];
      note("listen " + filter.dump());
      if (refuses(params)) {
        refuse(id, -32602, "Not these");
        return true;
      }
      if (filter.contains("resourceSubscriptions"))
        std::erase_if(filter["resourceSubscriptions"].get_ref<Json::array_t&>(),
                      [](const Json& uri) { return uri.get<std::string>().starts_with("no:"); });
      listen_ = id;
      tell("notifications/subscriptions/acknowledged", {{"notifications", filter}});
      return true;
    }
    if (method != "resources/subscribe" && method != "resources/unsubscribe") return false;
    const std::string uri = params["uri"];
    note(method.substr(10) + " " + uri);
    if (uri.starts_with("no:")) {
      refuse(id, -32602, "Not this one");
    } else {
      answer(id, Json::object());
    }
    return true;
  }

  /// A notification outside of calls, as its era has it.
  void tell(const std::string& method, Json params) const {
    if (modern()) params["_meta"]["io.modelcontextprotocol/subscriptionId"] = listen_;
    notify(method, params);
  }

  Json tools() const {
    Json out = Json::array();
    for (const std::string& name : names_)
      out.push_back({{"name", name}, {"inputSchema", {{"type", "object"}}}});
    return out;
  }

  void call(const Json& id, const Json& params) {
    const std::string name = params["name"];
    const Json arguments = params.value("arguments", Json::object());
    note("call " + name);
    if (name == "echo") return say(id, arguments.dump());
    if (name == "pid") return say(id, std::to_string(::getpid()));
    if (name == "crash") ::_exit(3);
    if (name == "never") return;
    if (name == "close output" || name == "close input") {
      // It lives on, and nobody can talk with it.
      if (name == "close input") say(id, "closed");
      ::close(name == "close input" ? 0 : 1);
      for (;;) ::pause();
    }
    if (name == "freeze") {
      say(id, "frozen");
      ::raise(SIGSTOP);
      return;
    }
    if (name == "begin" || name == "half") {
      notify("notifications/progress",
             {{"progressToken", params["_meta"]["progressToken"]}, {"progress", 1}});
      if (name == "begin") return;
      // The answer, but for the end of its line.
      put(1, Json{{"jsonrpc", "2.0"}, {"id", id}, {"result", {{"content", Json::array()}}}}.dump());
      ::_exit(3);
    }
    if (name == "wait") {
      parked_.emplace_back(id, arguments["file"].get<std::string>());
      return;
    }
    if (name == "env") {
      Json all = Json::object();
      for (char** entry = environ; *entry; ++entry) {
        const std::string line = *entry;
        all[line.substr(0, line.find('='))] = line.substr(line.find('=') + 1);
      }
      return say(id, all.dump());
    }
    if (name == "grow") {
      names_.push_back("grown");
      say(id, "grown");
      return notify("notifications/tools/list_changed", Json::object());
    }
    if (name == "noise") {
      put(1,
          "Listening on stdio "
          "...\n\n{\"half\":\n[1,2]\n{\"jsonrpc\":\"2.0\",\"id\":4711,\"result\":{}}\n\xff\n");
      return say(id, "after the noise");
    }
    if (name == "flood") {
      const std::string line(1023, 'e');
      for (int i = 0; i < 1024; ++i) put(2, line + "\n");
      put(2, std::string(100000, 'x'));
      return say(id, "after the flood");
    }
    if (name == "talk") {
      const Json meta = params.value("_meta", Json::object());
      note("level " + meta.value("io.modelcontextprotocol/logLevel", "none"));
      for (int i = 1; i <= 3; ++i) {
        if (meta.contains("progressToken"))
          notify("notifications/progress", {{"progressToken", meta["progressToken"]}, {"progress", i}});
        notify("notifications/progress", {{"progressToken", "nobody's"}, {"progress", 99}});
      }
      notify("notifications/message", {{"level", "debug"}, {"data", "small talk"}});
      notify("notifications/message", {{"level", "error"}, {"data", "bad news"}});
      return say(id, "talked");
    }
    if (name == "ask" || name == "ask and stop" || name == "ask and withdraw" || name == "ask anew") {
      asked_for_ = name == "ask" || name == "ask anew" ? id : Json();
      const Json question = {{"jsonrpc", "2.0"},
                             {"id", "question"},
                             {"method", arguments.value("method", "sampling/createMessage")},
                             {"params", {{"messages", Json::array()}, {"maxTokens", 1}}}};
      send(question);
      if (name == "ask and withdraw" || name == "ask anew")
        notify("notifications/cancelled", {{"requestId", "question"}});
      if (name == "ask anew") send(question);
      return;
    }
    if (name == "touch") {
      tell("notifications/resources/updated", {{"uri", arguments["uri"]}});
      return say(id, "touched");
    }
    if (name == "work") {
      tell("notifications/tasks", {{"taskId", arguments["task"]}, {"status", "working"}});
      return say(id, "at work");
    }
    if (name == "let go") {
      notify("notifications/cancelled", {{"requestId", std::exchange(listen_, Json())}});
      return say(id, "let go");
    }
    if (name == "hang up") {
      answer(std::exchange(listen_, Json()), Json::object());
      return say(id, "hung up");
    }
    refuse(id, -32602, "Unknown tool");
  }

  void answered(const Json& message) {
    note("answered " + message.dump());
    if (message.value("id", Json()) == "question") {
      if (const Json id = std::exchange(asked_for_, Json()); !id.is_null()) say(id, message.dump());
    }
  }

  void release() {
    std::erase_if(parked_, [this](const auto& entry) {
      if (::access(entry.second.c_str(), F_OK) != 0) return false;
      say(entry.first, "released");
      note("released");
      return true;
    });
  }

  const std::string mode_;
  const int ledger_;
  bool first_ = true;
  std::vector<std::string> names_{"ask",  "begin", "crash", "echo", "env",  "flood", "grow",
                                  "half", "never", "noise", "pid",  "talk", "wait"};
  std::vector<std::pair<Json, std::string>> parked_;
  Json asked_for_;
  Json listen_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  Peer(argv[1], argv[2]).run();
}
