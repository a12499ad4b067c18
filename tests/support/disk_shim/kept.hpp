#pragma once
/// What a power cut would leave (DISK_SHIM_KEEP). Threads: one at a time.

#include <limits.h>
#include <sys/types.h>

namespace disk_shim {

/// An open descriptor of ours.
struct File {
  char* path = nullptr;  // null: none of ours
  bool append = false;
  off_t low = LLONG_MAX;  // shortest length since its last sync
};

/// The inode is new: nothing of it is durable.
void forget_kept(ino_t inode);
/// A sync covered the file, or the directory's names.
void keep_file(File& file, ino_t inode);
void keep_directory(const char* path, ino_t inode);

}  // namespace disk_shim
