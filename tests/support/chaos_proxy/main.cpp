/// chaos_proxy: stands between two programs and harms every Nth request or answer, from a printed seed.
#include <cstdio>
#include <cstdlib>
#include <random>

#include "support/chaos_proxy.hpp"

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fputs("usage: chaos_proxy PORT TARGET_PORT [SEED [EVERY_MILLISECONDS [BYTES]]]\n", stderr);
    return 2;
  }
  const auto number = [&](int at, unsigned long otherwise) {
    return argc > at ? std::strtoul(argv[at], nullptr, 10) : otherwise;
  };
  const unsigned long seed = number(3, std::random_device()() % 1'000'000);
  const auto pause = std::chrono::milliseconds(number(4, 100));
  const std::size_t bytes = number(5, 600);
  sallyport::testing::ChaosProxy proxy(static_cast<std::uint16_t>(number(2, 0)),
                                       static_cast<std::uint16_t>(number(1, 0)));
  std::printf("chaos_proxy: port %d, seed %lu\n", proxy.port(), seed);
  std::fflush(stdout);
  std::mt19937_64 engine(seed);
  for (;;) {
    const auto harm = sallyport::testing::Harm::random(engine, bytes);
    const int before = proxy.struck();
    proxy.arm(harm);
    std::this_thread::sleep_for(pause);
    if (proxy.struck() > before) std::printf("%s\n", harm.text().c_str());
    std::fflush(stdout);
  }
}
