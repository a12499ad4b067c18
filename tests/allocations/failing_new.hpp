#pragma once
/// operator new of this test program: counts, and fails once when told to.

#include <cstddef>

namespace sallyport::testing {

/// The `n`th allocation of this thread from now on (1: the next) throws std::bad_alloc, once. 0: none.
void fail_allocation(std::size_t n);
/// Whether it has. Ends the waiting for it.
bool allocation_failed();
/// Allocations of this thread that were not freed yet; those that another thread frees stay counted.
long live_allocations();

}  // namespace sallyport::testing
