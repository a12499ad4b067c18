#pragma once
/// The C library's own calls, behind those that the shim puts in their place, and what the shim was told to
/// look after.

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>

namespace disk_shim {

template <class F>
F next(const char* name) {
  return reinterpret_cast<F>(::dlsym(RTLD_NEXT, name));
}

// The calls themselves; found once, before main.
struct Real {
  int (*open)(const char*, int, ...) = next<int (*)(const char*, int, ...)>("open");
  int (*close)(int) = next<int (*)(int)>("close");
  ssize_t (*write)(int, const void*, size_t) = next<ssize_t (*)(int, const void*, size_t)>("write");
  ssize_t (*pwrite)(int, const void*, size_t,
                    off_t) = next<ssize_t (*)(int, const void*, size_t, off_t)>("pwrite");
  ssize_t (*writev)(int, const iovec*, int) = next<ssize_t (*)(int, const iovec*, int)>("writev");
  int (*ftruncate)(int, off_t) = next<int (*)(int, off_t)>("ftruncate");
  int (*fsync)(int) = next<int (*)(int)>("fsync");
  int (*fdatasync)(int) = next<int (*)(int)>("fdatasync");
  int (*rename)(const char*, const char*) = next<int (*)(const char*, const char*)>("rename");
  int (*unlink)(const char*) = next<int (*)(const char*)>("unlink");
  int (*mkdir)(const char*, mode_t) = next<int (*)(const char*, mode_t)>("mkdir");
};
inline const Real& real() {
  static const Real calls;
  return calls;
}

inline const char* root() {
  static const char* const folder = ::getenv("DISK_SHIM_ROOT");
  return folder;
}
inline const char* keep() {
  static const char* const folder = ::getenv("DISK_SHIM_KEEP");
  return folder;
}
inline const char* rules_file() {
  static const char* const file = ::getenv("DISK_SHIM_RULES");
  return file;
}

inline bool is_ours(const char* path) { return root() && ::strncmp(path, root(), ::strlen(root())) == 0; }

}  // namespace disk_shim
