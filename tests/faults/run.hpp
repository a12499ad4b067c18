#pragma once
/// How a fault is run: from which seeds, how many, with which program.

#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <vector>

namespace sallyport::faults {

/// What the command line said. Set before the first test.
struct Run {
  std::string shim;        ///< the disk that fails (libdisk_shim.so)
  std::string program;     ///< the gateway
  bool brief = false;      ///< the short form
  std::uint64_t seed = 0;  ///< of the first one
  int seeds = 0;           ///< how many; 0: what the fault has by itself
};
Run& run();

/// Everything random of one seed: the same seed, the same numbers.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : engine_(seed) {}
  /// Evenly from `low` to `high`, both included.
  int between(int low, int high) {
    return low + static_cast<int>(engine_() % static_cast<std::uint64_t>(high - low + 1));
  }
  bool one_in(int n) { return between(1, n) == 1; }

 private:
  std::mt19937_64 engine_;
};

/// What one seed found: sentences about what did not hold; empty when all held.
struct Findings {
  std::vector<std::string> problems;
  std::string figures;  ///< one line about what was done
  void expect(bool held, std::string problem) {
    if (!held) problems.push_back(std::move(problem));
  }
};

/// Runs `body` for each seed, prints a line for each, and fails the test for seeds with problems.
void for_seeds(const char* fault, int brief, int whole,
               const std::function<void(std::uint64_t, Findings&)>& body);

}  // namespace sallyport::faults
