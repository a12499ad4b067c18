#pragma once
/// An upstream with resources that can be subscribed to.

#include "gateway_fixture.hpp"
#include "scripted_mcp.hpp"

namespace sallyport::testing {

inline const Json kNotesOffers = {{"tools", {{"listChanged", true}}},
                                  {"prompts", {{"listChanged", true}}},
                                  {"resources", {{"listChanged", true}, {"subscribe", true}}}};

/// An upstream with two notes, that says what the test wants said.
class Notes {
 public:
  explicit Notes(ScriptedMcp::Era era) : mcp(era, kNotesOffers) {
    tap_ = mcp.tap();
    list("tools/list", "tools", Json::array({{{"name", "echo"}, {"inputSchema", {{"type", "object"}}}}}));
    list("prompts/list", "prompts", Json::array());
    list("resources/templates/list", "resourceTemplates", Json::array());
    list("resources/list", "resources",
         Json::array({{{"uri", "note://one"}, {"name", "one"}}, {{"uri", "note://secret"}, {"name", "s"}}}));
    if (era == ScriptedMcp::Era::legacy) {
      mcp.on("GET", ScriptedMcp::streams(tap_));
    } else {
      mcp.on("subscriptions/listen", [this](RawSocket& socket, const Heard& heard) {
        const Json ack = {{"jsonrpc", "2.0"},
                          {"method", "notifications/subscriptions/acknowledged"},
                          {"params",
                           {{"_meta", {{"io.modelcontextprotocol/subscriptionId", heard.message["id"]}}},
                            {"notifications", heard.message["params"]["notifications"]}}}};
        ScriptedMcp::open_stream(socket, ScriptedMcp::event(ack));
        const auto tap = newest();
        ++opened_;
        tap->run(socket);
        return false;
      });
    }
  }

  void list(const std::string& method, const std::string& member, const Json& items) {
    mcp.on(method, [member, items](RawSocket& socket, const Heard& heard) {
      return ScriptedMcp::reply(
          socket, 200,
          ScriptedMcp::result(
              heard.message,
              {{"resultType", "complete"}, {member, items}, {"ttlMs", 0}, {"cacheScope", "private"}}));
    });
  }
  void say(const std::string& method, const Json& params) {
    const std::lock_guard lock(mutex_);
    tap_->event({{"jsonrpc", "2.0"}, {"method", method}, {"params", params}});
  }
  void updated(const std::string& uri) { say("notifications/resources/updated", {{"uri", uri}}); }

  std::string document(const std::string& more = "") const {
    return server_document("up", "http://127.0.0.1:" + std::to_string(mcp.origin().url.port) + "/mcp", more);
  }

  /// How many streams of its own the upstream was asked for; waits until there are `n`.
  int listens(int n = 0) const {
    for (int i = 0; opened_ < n && i < 1000; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    CHECK(opened_ >= n);
    return opened_;
  }

 private:
  /// Each listen has a tap of its own: the one before has ended or will.
  std::shared_ptr<Tap> newest() {
    const std::lock_guard lock(mutex_);
    tap_ = mcp.tap();
    return tap_;
  }
  std::atomic<int> opened_{0};
  std::mutex mutex_;
  std::shared_ptr<Tap> tap_;

 public:
  ScriptedMcp mcp;  ///< last: its threads use the members above until it has ended
};

}  // namespace sallyport::testing
