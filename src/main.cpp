#ifdef SALLYPORT_MIMALLOC
#include <mimalloc.h>
#endif

#include <fcntl.h>

#include <cstdlib>

#include "sallyport/cli/program.hpp"
#include "sallyport/net/child.hpp"
#include "sallyport/net/held_bytes.hpp"

namespace {

/// The allocator keeps what large bodies left for the next ones, as much as the bodies of half a second.
/// Giving back all memory sooner would cost a fifth of the speed with many connections.
void give_memory_back() {
#ifdef SALLYPORT_MIMALLOC
  mi_collect(true);
#endif
}

/// What is opened later must not become a standard stream that was closed: a message would go into a file of
/// ours. What would be written to standard output fails then, as it does on a closed one.
void fill_standard_streams() {
  for (int fd = 0; fd <= 2; ++fd) {
    if (::fcntl(fd, F_GETFD) < 0 && ::open("/dev/null", fd == 2 ? O_WRONLY : O_RDONLY) < 0) std::abort();
  }
}

}  // namespace

int main(int argc, char** argv) {
  fill_standard_streams();
  sallyport::net::HeldBytes::after_large(give_memory_back);
  sallyport::net::guard_main_if_asked(argc, argv);
  return sallyport::cli::run(argc, argv);
}
