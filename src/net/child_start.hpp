#pragma once
/// How a command and its guard come to be: the program found, the pipes laid, the guard spawned.

#include <unistd.h>

#include <string>
#include <utility>

#include "sallyport/core/error.hpp"
#include "sallyport/net/child.hpp"

namespace sallyport::net {

/// Owns a file descriptor.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& o) noexcept : fd_(o.release()) {}
  Descriptor& operator=(Descriptor&& o) noexcept {
    reset(o.release());
    return *this;
  }
  ~Descriptor() { reset(); }
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }
  void reset(int fd = -1) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = fd;
  }

 private:
  int fd_ = -1;
};

/// Our ends of a guard and its command.
struct Started {
  int guard_pid = 0;
  Descriptor in;       ///< we write
  Descriptor out;      ///< we read
  Descriptor err;      ///< we read
  Descriptor control;  ///< closing it ends the command
  Descriptor report;   ///< guard::Report records; its end is the guard's
};

Result<Started> start_guarded(const ChildOptions& options);

}  // namespace sallyport::net
