#pragma once
/// A proxy that harms what goes through it, at a byte that the test names: between a client and the gateway,
/// or between the gateway and an upstream. HTTP/1.1 requests go to the server whole, one after the other, so
/// that a byte of a request is counted from its beginning and a byte of an answer from the request's end.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>

namespace sallyport::testing {

/// One harm. It strikes once, at the first request that contains `marker` after it was armed.
struct Harm {
  enum class Kind : std::uint8_t {
    none,
    delay,       ///< waits `pause` before byte `at`
    cut,         ///< closes both connections after `at` bytes
    reset,       ///< the same, with resets
    hang,        ///< passes nothing on from byte `at`, and keeps both connections
    half_close,  ///< ends its sending after `at` bytes; the other direction goes on
    corrupt,     ///< flips bits of byte `at`
    drip,        ///< from byte `at` on one byte per `pause`
  };
  enum class Way : std::uint8_t { to_server, to_client };

  Kind kind = Kind::none;
  Way way = Way::to_client;
  std::size_t at = 0;
  std::chrono::milliseconds pause{50};
  std::uint8_t mask = 0x20;  ///< of corrupt
  std::string marker{};      ///< empty: any request
  bool every = false;        ///< strikes again and again
  std::string text() const;  ///< for messages: "cut at 17 to the client"
  /// Any harm, at a byte below `bytes`; the same engine state, the same harm.
  static Harm random(std::mt19937_64& engine, std::size_t bytes);
};

/// Threads: a thread of its own accepts, one per connection carries. Every method from any.
class ChaosProxy {
 public:
  /// `target` is a port of this machine; so is `port`, where 0 is any.
  explicit ChaosProxy(std::uint16_t target, std::uint16_t port = 0);
  ~ChaosProxy();
  ChaosProxy(const ChaosProxy&) = delete;
  ChaosProxy& operator=(const ChaosProxy&) = delete;

  std::uint16_t port() const;
  std::string url(const std::string& path = "/mcp") const;
  /// The next harm; one that has not struck is forgotten.
  void arm(const Harm& harm);
  /// How many have struck.
  int struck() const;
  /// Connections under way, and all that there ever were.
  int open() const;
  int accepted() const;
  /// Ends every connection that is under way.
  void sever();
  /// Accepts connections and never dials: whoever connects hears nothing.
  void silent(bool on);
  /// Refuses connections, or takes them again.
  void refuse(bool on);

  struct Shared;

 private:
  const std::shared_ptr<Shared> shared_;
  std::thread acceptor_;
};

}  // namespace sallyport::testing
