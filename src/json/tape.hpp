#pragma once
/// What the scan leaves behind: where every value begins and ends, in document order.
///
/// A scalar takes one slot, a container two. An object's content is key, value, key, value ...; keys are
/// string slots. Kinds are not stored: the first byte of a value tells. 8 bytes for a scalar keep the worst
/// document ("[1,1,1,...") at four times its own size.

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <type_traits>

#include "sallyport/json/document.hpp"

namespace sallyport::json {

struct Slot {
  std::uint32_t a = 0;  ///< first byte; second slot of a container: index of the slot behind its content
  std::uint32_t b = 0;  ///< behind the last byte, with kEscaped; second slot: number of members or elements
};

static_assert(std::is_trivially_copyable_v<Slot>);

/// A growing row of slots. Not a vector, because large rows grow in place (realloc) and are not cleared
/// first.
class Slots {
 public:
  std::uint32_t size() const { return size_; }
  Slot& operator[](std::uint32_t at) { return data_.get()[at]; }
  const Slot& operator[](std::uint32_t at) const { return data_.get()[at]; }
  void push(Slot slot) {
    if (size_ == capacity_) [[unlikely]]
      reserve(capacity_ * 2);
    data_.get()[size_++] = slot;
  }
  /// Requires: more than there are now.
  void reserve(std::uint32_t capacity) {
    void* const grown = std::realloc(data_.get(), std::size_t{capacity} * sizeof(Slot));
    if (!grown) throw std::bad_alloc();
    static_cast<void>(data_.release());
    data_.reset(static_cast<Slot*>(grown));
    capacity_ = capacity;
  }

 private:
  struct Free {
    void operator()(Slot* slots) const { std::free(slots); }
  };
  std::unique_ptr<Slot, Free> data_;
  std::uint32_t size_ = 0, capacity_ = 0;
};

struct Tape {
  static constexpr std::uint32_t kEscaped = 1U << 31;  ///< in Slot::b of a string that has escapes

  std::string bytes;
  Slots slots;
  bool unique_keys = true;

  char first(std::uint32_t at) const { return bytes[slots[at].a]; }
  bool escaped(std::uint32_t at) const { return (slots[at].b & kEscaped) != 0; }
  bool container(std::uint32_t at) const { return first(at) == '{' || first(at) == '['; }
  std::uint32_t after(std::uint32_t at) const { return container(at) ? slots[at + 1].a : at + 1; }
  std::string_view raw(std::uint32_t at) const {
    const Slot& slot = slots[at];
    return {bytes.data() + slot.a, (slot.b & ~kEscaped) - slot.a};
  }
  /// Between the quotes of the string at `at`, escapes as they came.
  std::string_view inner(std::uint32_t at) const {
    const auto text = raw(at);
    return {text.data() + 1, text.size() - 2};
  }
  std::string text(std::uint32_t at) const;
  bool has_text(std::uint32_t at, std::string_view wanted) const {
    const std::string_view inside = inner(at);
    if (!escaped(at)) return inside == wanted;
    return inside.size() >= wanted.size() && text(at) == wanted;  // decoding never makes a string longer
  }

  static const Tape& of(const Value& value) { return *value.tape_; }
  static std::uint32_t at(const Value& value) { return value.at_; }
};

/// Fills `tape.slots` from `tape.bytes`. Errors: as Document::parse.
Result<void> scan(Tape& tape, const Rules& rules);

/// Appends the text of a checked string's inside, escapes decoded.
void append_decoded(std::string& out, std::string_view inner);

}  // namespace sallyport::json
