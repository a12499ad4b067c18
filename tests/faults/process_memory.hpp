#pragma once
/// What a process holds of the machine's memory.

#include <sys/types.h>

#include <cstddef>
#include <fstream>
#include <string>

namespace sallyport::faults {

/// Resident memory in KiB; 0 when the process has gone.
inline std::size_t resident_kib(pid_t pid) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("VmRSS:")) return std::stoul(line.substr(6));
  }
  return 0;
}
inline std::size_t resident_mib(pid_t pid) { return resident_kib(pid) / 1024; }

}  // namespace sallyport::faults
