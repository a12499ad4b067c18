#pragma once
/// A listener on two shards with a handler that shows what it was given.

#include <doctest/doctest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "certificate.hpp"
#include "raw_socket.hpp"
#include "sallyport/net/held_bytes.hpp"
#include "sallyport/net/server.hpp"

namespace sallyport::net::testing {

class TestServer {
 public:
  using Extra = std::function<Task<>(Exchange&)>;

  explicit TestServer(ConnectionBounds bounds = {}, Extra extra = {}, std::string address = "127.0.0.1:0",
                      std::optional<ListenerTls> tls = {})
      : shards_(2), extra_(std::move(extra)) {
    ListenerOptions options{.address = std::move(address)};
    options.tls = std::move(tls);
    options.bounds = bounds;
    options.handler = [this](Exchange& x) { return handle(x); };
    options.on_full = [this](std::size_t) { ++told_full; };
    options.on_refusal = [this](const HeadRefusal& r) {
      const std::scoped_lock lock(mutex_);
      refusals_.push_back(std::to_string(r.status) + " " + r.reason);
    };
    Result<std::unique_ptr<Listener>> opened = Listener::open(shards_, std::move(options));
    REQUIRE_MESSAGE(opened, (opened ? "" : opened.error().what));
    listener_ = std::move(*opened);
    shards_.start();
  }
  ~TestServer() {
    listener_->stop(std::chrono::seconds(5));
    // Every coroutine has ended: nothing of a connection outlives it.
    on_all_shards(shards_, [this](Shard&) { left_over += detail::live_tasks; });
    CHECK(left_over == 0);
    CHECK(listener_->connections() == 0);
    CHECK(HeldBytes::total() == 0);
    listener_.reset();
    shards_.stop();
  }

  RawSocket dial() const { return RawSocket::to(listener_->port()); }
  Listener& listener() { return *listener_; }
  Shards& shards() { return shards_; }

  /// Sends bytes on a new connection and returns the first answer.
  RawSocket::Answer ask(std::string_view bytes) const {
    RawSocket s = dial();
    s.send(bytes);
    return s.answer();
  }
  std::vector<std::string> refusals() {
    const std::scoped_lock lock(mutex_);
    return refusals_;
  }
  /// Waits until `what` holds; the shards work meanwhile.
  static bool eventually(const std::function<bool()>& what) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!what()) {
      if (std::chrono::steady_clock::now() > until) return false;
      std::this_thread::yield();
    }
    return true;
  }

  std::atomic<int> handled = 0;
  std::atomic<int> cancelled = 0;
  std::atomic<int> told_full = 0;
  std::atomic<std::ptrdiff_t> left_over = 0;

 private:
  Task<> handle(Exchange& x) {
    ++handled;
    const std::string_view path = x.request().path;
    if (path == "/echo") {
      Result<std::string> body = co_await x.read_body(1024 * 1024);
      if (!body) {
        const int status = body.error().code == Code::too_large ? 413
                           : body.error().code == Code::limited ? 429
                                                                : 400;
        if (body.error().code == Code::cancelled) ++cancelled;
        if (body.error().code != Code::cancelled)
          co_await x.reply({.status = status, .body = body.error().hint});
        co_return;
      }
      co_await x.reply({.content_type = "text/plain", .body = std::move(*body)});
    } else if (path == "/early") {
      co_await x.reply({.status = 401, .body = "no"});
    } else if (path == "/headers") {
      std::string text;
      for (const Header& h : x.request().headers.lines)
        text.append(h.name).append("=").append(h.value).append("\n");
      co_await x.reply({.body = text});
    } else if (path == "/silent") {
      co_return;
    } else if (path == "/hold") {
      Slot<bool> gone;
      auto watch = x.cancel().on_request([&] { gone.deliver(true); });
      co_await gone;
      ++cancelled;
    } else if (extra_) {
      co_await extra_(x);
    } else {
      co_await x.reply({.status = 404});
    }
  }

  Shards shards_;
  Extra extra_;
  std::mutex mutex_;
  std::vector<std::string> refusals_;
  std::unique_ptr<Listener> listener_;
};

}  // namespace sallyport::net::testing
