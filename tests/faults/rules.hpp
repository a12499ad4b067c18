#pragma once
/// Tells the disk of an installation how to fail (tests/support/disk_shim).

#include <filesystem>
#include <fstream>
#include <string>

#include "installation.hpp"

namespace sallyport::faults {

class DiskRules {
 public:
  explicit DiskRules(std::string folder) : file_(std::move(folder) + "/rules") {}
  /// What an installation's processes need in order to listen.
  static testing::Variables variables() {
    return {{"LD_PRELOAD", run().shim},
            {"DISK_SHIM_ROOT", "{folder}/place"},
            {"DISK_SHIM_RULES", "{folder}/rules"}};
  }
  /// From the next call on; one rule per line.
  void set(const std::string& rules) {
    std::ofstream(file_ + ".new") << rules << "\n";
    std::filesystem::rename(file_ + ".new", file_);
  }
  void clear() { std::filesystem::remove(file_); }
  /// How often a rule has made a call fail.
  int fired() const {
    std::ifstream in(file_ + ".fired");
    int n = 0;
    for (std::string line; std::getline(in, line);) ++n;
    return n;
  }

 private:
  const std::string file_;
};

}  // namespace sallyport::faults
