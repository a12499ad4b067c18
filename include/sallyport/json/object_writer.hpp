#pragma once
/// Objects and arrays written piece by piece, without a tree.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "sallyport/json/document.hpp"

namespace sallyport::json {

/// One object, member by member, in order. Names are not checked for repetition.
class ObjectWriter {
 public:
  /// `expected` bytes fit without growing.
  explicit ObjectWriter(std::size_t expected = 0) {
    out_.reserve(expected);
    out_ += '{';
  }
  void add(std::string_view key, std::string_view raw) { begin(key) += raw; }
  void add_text(std::string_view key, std::string_view text) { append_quoted(begin(key), text); }
  void add_number(std::string_view key, std::int64_t number) { begin(key) += std::to_string(number); }
  void add_flag(std::string_view key, bool flag) { begin(key) += flag ? "true" : "false"; }
  /// The name is written: append one raw value to what comes back.
  std::string& begin(std::string_view key) {
    separate();
    append_quoted(out_, key);
    out_ += ':';
    return out_;
  }
  /// The same with a name that is quoted already.
  std::string& begin_raw(std::string_view key) {
    separate();
    out_ += key;
    out_ += ':';
    return out_;
  }
  bool empty() const { return out_.size() == 1; }
  std::string take() && {
    out_ += '}';
    return std::move(out_);
  }

 private:
  void separate() {
    if (out_.size() > 1) out_ += ',';
  }
  std::string out_;
};

/// One array, element by element.
class ArrayWriter {
 public:
  void add(std::string_view raw) { begin() += raw; }
  void add_text(std::string_view text) { append_quoted(begin(), text); }
  /// Append one raw value to what comes back.
  std::string& begin() {
    if (out_.size() > 1) out_ += ',';
    return out_;
  }
  bool empty() const { return out_.size() == 1; }
  std::string take() && {
    out_ += ']';
    return std::move(out_);
  }

 private:
  std::string out_ = "[";
};

}  // namespace sallyport::json
