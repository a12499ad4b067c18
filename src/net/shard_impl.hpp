#pragma once
/// What a shard is made of; for the files of this layer that work with Asio.

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <vector>

#include "sallyport/net/shard.hpp"
#include "wheel.hpp"

namespace sallyport::net {

struct Shard::Impl {
  // Scheduler locks stay (other threads post); reactor locks go: sockets and timers are touched by one thread
  // only.
  boost::asio::io_context io{BOOST_ASIO_CONCURRENCY_HINT_UNSAFE_IO};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> keep_running{io.get_executor()};
  Wheel wheel{io};
  std::vector<Work> turn_end;
  std::vector<Work> turn_end_running;
  std::atomic<std::size_t> mailbox{0};
  std::atomic<bool> ended{false};
};

}  // namespace sallyport::net
