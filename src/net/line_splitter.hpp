#pragma once
/// Bytes of a pipe to lines, with a bound on what may wait for its newline.

#include <cstddef>
#include <string>
#include <string_view>

namespace sallyport::net {

class LineSplitter {
 public:
  explicit LineSplitter(std::size_t bound) : bound_(bound) {}

  /// Takes the next line out of `bytes` (which shrinks); false when more is needed. A CR before the newline
  /// goes too. Of a line beyond the bound the first `bound` bytes are kept, and too_long() says so until the
  /// line has ended.
  bool next(std::string_view& bytes, std::string& line) {
    const std::size_t newline = bytes.find('\n');
    const std::string_view part = bytes.substr(0, newline);
    const std::size_t room = bound_ - partial_.size();
    too_long_ = too_long_ || part.size() > room;
    partial_.append(part.substr(0, room));
    if (newline == std::string_view::npos) {
      bytes = {};
      return false;
    }
    bytes.remove_prefix(newline + 1);
    if (!too_long_ && partial_.ends_with('\r')) partial_.pop_back();
    line = std::move(partial_);
    partial_.clear();
    too_long_ = false;
    return true;
  }
  bool too_long() const { return too_long_; }
  /// Bytes that wait for their newline.
  std::size_t waiting() const { return partial_.size(); }
  /// What came after the last newline.
  std::string rest() { return std::move(partial_); }

 private:
  const std::size_t bound_;
  std::string partial_;
  bool too_long_ = false;
};

}  // namespace sallyport::net
