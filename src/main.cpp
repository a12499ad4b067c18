#ifdef SALLYPORT_MIMALLOC
#include <mimalloc.h>
#endif

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

}  // namespace

int main(int argc, char** argv) {
  sallyport::net::HeldBytes::after_large(give_memory_back);
  sallyport::net::guard_main_if_asked(argc, argv);
  return sallyport::cli::run(argc, argv);
}
