#pragma once
/// Finds a key that an object has twice, escapes decoded, in time linear in the object's bytes.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tape.hpp"

namespace sallyport::json {

/// Keeps its buffers from one object to the next; one per scan.
class KeyCheck {
 public:
  /// Slot of the later of two equal keys of the object at `object`, whose content ends at `last`.
  std::optional<std::uint32_t> repeated(const Tape& tape, std::uint32_t object, std::uint32_t last,
                                        std::uint32_t count);

 private:
  struct Entry {
    std::uint32_t key = 0;  // slot; 0 is the root and never a key: empty
    std::uint32_t tag = 0;
  };
  std::optional<std::uint32_t> among_few(const Tape& tape, std::uint32_t first, std::uint32_t last);
  std::optional<std::uint32_t> among_many(const Tape& tape, std::uint32_t first, std::uint32_t last,
                                          std::uint32_t count);
  /// The key's text; borrows the tape or the scratch buffer.
  std::string_view text(const Tape& tape, std::uint32_t key);
  bool equal(const Tape& tape, std::uint32_t a, std::uint32_t b);

  std::string scratch_;
  std::vector<Entry> table_;
};

}  // namespace sallyport::json
