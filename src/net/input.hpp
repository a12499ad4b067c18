#pragma once
/// Bytes read from a connection and not yet used: one block, reused from request to request.

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>

namespace sallyport::net {

class Input {
 public:
  static constexpr std::size_t kFirst = 4096;  // holds a usual request, head and body

  std::string_view view() const { return {block_.get() + begin_, end_ - begin_}; }
  std::size_t size() const { return end_ - begin_; }
  bool empty() const { return begin_ == end_; }
  void consume(std::size_t n) {
    begin_ += n;
    if (begin_ == end_) begin_ = end_ = 0;
  }

  /// Room behind the bytes that are there; grows up to `most` in all. Empty when that is reached.
  std::span<char> room(std::size_t most) {
    if (begin_ > 0 && capacity_ - end_ < capacity_ / 2) {
      std::memmove(block_.get(), block_.get() + begin_, end_ - begin_);
      end_ -= begin_;
      begin_ = 0;
    }
    if (end_ == capacity_ && capacity_ < most) {
      const std::size_t bigger = std::min(std::max(capacity_ * 2, kFirst), most);
      auto block = std::make_unique_for_overwrite<char[]>(bigger);
      if (end_ > 0) std::memcpy(block.get(), block_.get(), end_);
      block_ = std::move(block);
      capacity_ = bigger;
    }
    return {block_.get() + end_, capacity_ - end_};
  }
  void filled(std::size_t n) { end_ += n; }

  /// Gives the block back when nothing is in it and it is bigger than `keep`.
  void shrink(std::size_t keep) {
    if (!empty() || capacity_ <= keep) return;
    block_.reset();
    capacity_ = 0;
  }

 private:
  std::unique_ptr<char[]> block_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace sallyport::net
