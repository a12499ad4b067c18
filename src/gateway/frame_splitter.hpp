#pragma once
/// Cuts a stream of server-sent events into its blocks, byte for byte (WHATWG HTML, section 9.2).

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

#include "sallyport/core/error.hpp"

namespace sallyport::gateway {

/// Feed bytes in any cut. A block ends with its blank line, which belongs to it.
class FrameSplitter {
 public:
  explicit FrameSplitter(std::size_t most) : most_(most) {}

  /// Calls `block(std::string_view)` for each that is whole; false from there ends the feed. Errors:
  /// upstream_broken, where one is longer than `most`.
  template <class F>
  Result<void> feed(std::string_view bytes, F&& block) {
    has_cr_ = has_cr_ || bytes.find('\r') != std::string_view::npos;
    waiting_.append(bytes);
    std::size_t begin = 0;
    while (const std::size_t end = next_end()) {
      if (!block(std::string_view(waiting_).substr(begin, end - begin))) break;
      begin = end;
    }
    waiting_.erase(0, begin);
    at_ -= begin;
    if (waiting_.size() > most_)
      return fail(Code::upstream_broken, Blame::upstream, "an event of its stream is longer than allowed");
    return {};
  }
  /// What came of a block that has not ended.
  const std::string& rest() const { return waiting_; }

 private:
  /// Where the next block ends; 0: not yet.
  std::size_t next_end() {
    for (; at_ < waiting_.size(); ++at_) {
      // Most streams end their lines with LF alone, and that is found many bytes at a time.
      const std::size_t end =
          std::min(has_cr_ ? waiting_.find_first_of("\r\n", at_) : waiting_.find('\n', at_), waiting_.size());
      if (end > at_) line_is_empty_ = false;
      at_ = end;
      if (at_ == waiting_.size()) return 0;
      const char c = waiting_[at_];
      // A CR may be half of a CRLF.
      if (c == '\r' && at_ + 1 == waiting_.size()) return 0;
      if (c == '\r' && waiting_[at_ + 1] == '\n') ++at_;
      const bool blank = line_is_empty_;
      line_is_empty_ = true;
      if (blank) return ++at_;
    }
    return 0;
  }

  const std::size_t most_;
  std::string waiting_;
  std::size_t at_ = 0;
  bool line_is_empty_ = true;
  bool has_cr_ = false;  ///< there was one anywhere in the stream
};

}  // namespace sallyport::gateway
