#pragma once
/// A power cut: puts a folder back to what its disk would hold.

#include <string>

#include "run.hpp"

namespace sallyport::faults {

/// What of that which no sync covered had reached the disk all the same.
enum class Unsynced : std::uint8_t {
  lost,  ///< nothing
  some,  ///< any blocks of any file, and any directory's names
};

/// Replaces the contents of `root` by what `keep` (DISK_SHIM_KEEP) says was durable. Requires: nobody has
/// `root` open.
void cut_power(const std::string& root, const std::string& keep, Unsynced unsynced, Dice& dice);

}  // namespace sallyport::faults
