#pragma once
/// Callers at a steady rate, each call with a token of its own, and what became of each.

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "net/raw_socket.hpp"

namespace sallyport::faults {

/// One request and how it ended for its client.
struct Sent {
  enum class End : std::uint8_t {
    result,   ///< the upstream's own result
    refused,  ///< an error of ours
    cut,      ///< the connection ended first
    foreign,  ///< an answer that is not this request's, or more than one
  };
  std::string token;
  End end = End::cut;
  int status = 0;        ///< HTTP
  std::string reason{};  ///< error.data.reason of a refusal
  bool retry = false;    ///< error.data.retry: it says that nothing ran
  bool warned = false;   ///< a result with a warning that it stands in no record
  std::string retry_after{};
  std::string body{};
};

class Load {
 public:
  struct Options {
    std::function<std::uint16_t()> port;  ///< where the gateway is now; 0: nowhere
    std::string key;
    std::string prefix;  ///< of every token
    int clients = 8;
    int per_second = 200;
    std::string tool = "up__echo";
  };
  explicit Load(Options options);
  ~Load();
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  /// Sends no more, waits for the answers that are on their way, and says what became of all.
  std::vector<Sent> stop();
  std::size_t answered() const { return answered_; }

  /// One call of up/echo on a connection that is open.
  static Sent call(net::testing::RawSocket& socket, const std::string& key, const std::string& token,
                   const std::string& tool = "up__echo");

 private:
  void client(int index);
  const Options options_;
  std::atomic<bool> stopping_{false};
  std::atomic<std::size_t> answered_{0};
  std::mutex mutex_;
  std::vector<Sent> sent_;
  std::vector<std::thread> threads_;
};

}  // namespace sallyport::faults
