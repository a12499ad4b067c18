#pragma once
/// Which calls fail (DISK_SHIM_RULES). Threads: one at a time.

#include <stddef.h>
#include <sys/stat.h>

namespace disk_shim {

enum class Op { write, sync, truncate, open, any, space };

/// 0, or the error with which this call fails. `room` is lowered to what still goes in.
int fault(Op op, const char* path, size_t* room = nullptr);
/// A file was removed: its bytes are free again.
void gave_back(const char* path, long long bytes);

}  // namespace disk_shim
