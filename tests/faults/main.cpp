/// faults: what befalls a running gateway, each from a seed that is printed and can be given again.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <charconv>
#include <chrono>
#include <csignal>
#include <iostream>
#include <string_view>

#include "run.hpp"

namespace sallyport::faults {

Run& run() {
  static Run the;
  return the;
}

void for_seeds(const char* fault, int brief, int whole,
               const std::function<void(std::uint64_t, Findings&)>& body) {
  const int count = run().seeds > 0 ? run().seeds : run().brief ? brief : whole;
  for (int i = 0; i < count; ++i) {
    const std::uint64_t seed = run().seed + static_cast<std::uint64_t>(i);
    const auto begun = std::chrono::steady_clock::now();
    Findings found;
    body(seed, found);
    const auto took =
        std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begun);
    std::cout << fault << " seed " << seed << ": " << (found.problems.empty() ? "held" : "FAILED") << "  "
              << found.figures << "  " << took.count() << " ms" << std::endl;
    for (const auto& problem : found.problems) std::cout << "  " << problem << std::endl;
    if (!found.problems.empty())
      std::cout << "  again: ./dev faults --fault " << fault << " --seed " << seed << std::endl;
    CHECK_MESSAGE(found.problems.empty(), fault << " seed " << seed);
  }
}

}  // namespace sallyport::faults

namespace {

int usage() {
  std::cerr << "usage: faults --program FILE --shim FILE [--fault ID] [--seed N] [--seeds N] [--short]\n"
               "  --seed N without --seeds runs that seed alone\n";
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  auto& run = sallyport::faults::run();
  std::string fault;
  bool seeded = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view flag = argv[i];
    if (flag == "--short") {
      run.brief = true;
      continue;
    }
    if (i + 1 == argc) return usage();
    const std::string_view value = argv[++i];
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
    const bool numeric = error == std::errc() && end == value.data() + value.size();
    if (flag == "--program") {
      run.program = value;
    } else if (flag == "--shim") {
      run.shim = value;
    } else if (flag == "--fault") {
      fault = value;
    } else if (flag == "--seed" && numeric) {
      run.seed = number;
      seeded = true;
    } else if (flag == "--seeds" && numeric) {
      run.seeds = static_cast<int>(number);
    } else {
      return usage();
    }
  }
  if (run.program.empty() || run.shim.empty()) return usage();
  if (!seeded) run.seed = std::random_device()() % 1'000'000;
  if (seeded && run.seeds == 0) run.seeds = 1;
  std::signal(SIGPIPE, SIG_IGN);
  std::cout << "faults: from seed " << run.seed << std::endl;
  doctest::Context context;
  if (!fault.empty()) context.setOption("test-case", (fault + "*").c_str());
  context.setOption("no-skipped-summary", true);
  const int failed = context.run();
  return failed;
}
