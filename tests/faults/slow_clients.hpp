#pragma once
/// Many clients that are slow on purpose, in one thread: each takes a connection for as long as it is let.

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace sallyport::faults {

class SlowClients {
 public:
  enum class Sort : std::uint8_t {
    head,    ///< a byte of its head every five seconds
    body,    ///< a byte of a body of 1 MiB every second
    reader,  ///< opens a stream and never reads
    flood,   ///< calls a tool that says much, and never reads
  };
  static constexpr std::size_t kSorts = 4;
  struct Options {
    std::uint16_t port = 0;
    std::string key;
    std::array<int, kSorts> count{};  ///< by Sort
    bool again = true;                ///< who was cut comes back
  };
  explicit SlowClients(Options options);
  ~SlowClients();
  SlowClients(const SlowClients&) = delete;
  SlowClients& operator=(const SlowClients&) = delete;

  struct Seen {
    int open = 0;                          ///< connections now
    int cut = 0;                           ///< by the gateway, so far
    std::chrono::milliseconds longest{0};  ///< from the first byte to the end, of those that were cut
  };
  Seen seen(Sort sort) const;
  int open() const;
  int failed() const { return failed_; }  ///< connects that did not work

 private:
  using Time = std::chrono::steady_clock::time_point;
  struct One {
    Sort sort = Sort::head;
    int fd = -1;
    std::size_t sent = 0;
    Time begun{}, next{};
  };
  void run();
  bool connect(One& one);
  void send_some(One& one);
  void ended(One& one);
  std::string opening(Sort sort) const;

  const Options options_;
  std::atomic<bool> over_{false};
  std::atomic<int> failed_{0};
  mutable std::mutex mutex_;
  std::array<Seen, kSorts> seen_{};
  std::vector<One> all_;
  int epoll_ = -1;
  std::thread thread_;
};

}  // namespace sallyport::faults
