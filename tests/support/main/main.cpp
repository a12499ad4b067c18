#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>
#include <spdlog/spdlog.h>

namespace sallyport::net {
/// Weak: only test programs that link the net layer's child processes have it. A test program is its own
/// guard.
[[gnu::weak]] void guard_main_if_asked(int argc, char** argv);
}  // namespace sallyport::net

int main(int argc, char** argv) {
  if (&sallyport::net::guard_main_if_asked) sallyport::net::guard_main_if_asked(argc, argv);
  // Sets itself up on first use, in code that ThreadSanitizer does not see: so before there are threads.
  (void)spdlog::default_logger_raw();
  return doctest::Context(argc, argv).run();
}
