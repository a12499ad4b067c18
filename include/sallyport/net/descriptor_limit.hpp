#pragma once
/// How many descriptors this process may have.

#include <cstdint>

namespace sallyport::net {

/// Raises the soft limit to the hard one: who is limited has set both. The soft one is for programs that use
/// select(2) (getrlimit(2)), so commands that are started get it as it was. Threads: before the first child.
void raise_descriptor_limit();

/// What it was before; 0: it was not raised.
std::uint64_t descriptor_limit_before();

}  // namespace sallyport::net
