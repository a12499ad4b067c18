/// A disk in the hand of a test, loaded before the C library (LD_PRELOAD). It looks after the files below one
/// folder and leaves everything else alone.
///
///   DISK_SHIM_ROOT   the folder
///   DISK_SHIM_KEEP   a folder that gets what a power cut would leave: f<inode> holds the bytes that the last
///                    fsync or fdatasync of that file covered, d<inode> the names that the last fsync of that
///                    directory covered. A file or name that no sync covered is not there.
///   DISK_SHIM_RULES  a file with one rule per line, read again whenever it was replaced:
///                      OP PART ERRNO [SKIP [COUNT]]   OP (write, sync, truncate, open, any) fails on paths
///                                                     that contain PART, after SKIP such calls, COUNT times
///                      space PART BYTES               so many more bytes go in, then ENOSPC; removing such a
///                                                     file gives its bytes back
///                    Each failure adds a line to the file of the same name with ".fired" behind it.
///
/// A name counts as durable after fsync of its directory and not before: that a file system also keeps it
/// when the file is synced is nothing that POSIX promises.

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "calls.hpp"
#include "kept.hpp"
#include "rules.hpp"

namespace {

using namespace disk_shim;

constexpr int kDescriptors = 65536;

pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
File files[kDescriptors];

class Locked {
 public:
  Locked() { ::pthread_mutex_lock(&lock); }
  ~Locked() { ::pthread_mutex_unlock(&lock); }
  Locked(const Locked&) = delete;
  Locked& operator=(const Locked&) = delete;
};

/// The real path of what a descriptor stands for; false when it is none of ours.
bool path_of(int fd, char (&out)[PATH_MAX]) {
  char link[64];
  ::snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t n = ::readlink(link, out, sizeof out - 1);
  if (n <= 0) return false;
  out[n] = '\0';
  return is_ours(out);
}

int opened(int fd, int flags, bool was_there) {
  if (fd < 0 || fd >= kDescriptors) return fd;
  char path[PATH_MAX];
  const Locked locked;
  ::free(files[fd].path);
  files[fd] = {};
  if (!path_of(fd, path)) return fd;
  files[fd].path = ::strdup(path);
  files[fd].append = (flags & O_APPEND) != 0;
  struct stat info{};
  if (keep() && !was_there && ::fstat(fd, &info) == 0) forget_kept(info.st_ino);
  return fd;
}

int open_file(const char* path, int flags, mode_t mode) {
  if (!root()) return real().open(path, flags, mode);
  char resolved[PATH_MAX];
  if (path[0] != '/') {
    char folder[PATH_MAX / 2];
    if (::getcwd(folder, sizeof folder)) ::snprintf(resolved, sizeof resolved, "%s/%s", folder, path);
    path = resolved;
  }
  if ((flags & (O_WRONLY | O_RDWR | O_CREAT)) != 0 && is_ours(path)) {
    const Locked locked;
    if (const int error = fault(Op::open, path)) {
      errno = error;
      return -1;
    }
  }
  const bool was_there = (flags & O_CREAT) == 0 || ::access(path, F_OK) == 0;
  return opened(real().open(path, flags, mode), flags, was_there);
}

File* ours(int fd) { return fd >= 0 && fd < kDescriptors && files[fd].path ? &files[fd] : nullptr; }

/// Whether a write of `size` bytes may go on; lowers it where less goes in.
bool may_write(int fd, size_t& size) {
  if (!ours(fd)) return true;
  const Locked locked;
  const File* file = ours(fd);
  if (!file) return true;
  const int error = fault(Op::write, file->path, &size);
  if (error) errno = error;
  return error == 0;
}

int sync_file(int fd, int (*call)(int)) {
  if (!ours(fd)) return call(fd);
  {
    const Locked locked;
    if (const File* file = ours(fd)) {
      if (const int error = fault(Op::sync, file->path)) {
        errno = error;
        return -1;
      }
    }
  }
  const int done = call(fd);
  if (done != 0 || !keep()) return done;
  const Locked locked;
  File* file = ours(fd);
  struct stat info{};
  if (!file || ::fstat(fd, &info) != 0) return done;
  if (S_ISDIR(info.st_mode)) {
    keep_directory(file->path, info.st_ino);
  } else {
    keep_file(*file, info.st_ino);
  }
  return done;
}

int truncate_file(int fd, off_t length) {
  if (!ours(fd)) return real().ftruncate(fd, length);
  const Locked locked;
  if (File* file = ours(fd)) {
    if (const int error = fault(Op::truncate, file->path)) {
      errno = error;
      return -1;
    }
    if (length < file->low) file->low = length;
  }
  return real().ftruncate(fd, length);
}

}  // namespace

extern "C" {

int open(const char* path, int flags, ...) {
  va_list list;
  va_start(list, flags);
  const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(list, mode_t) : 0;
  va_end(list);
  return open_file(path, flags, mode);
}

int open64(const char* path, int flags, ...) {
  va_list list;
  va_start(list, flags);
  const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(list, mode_t) : 0;
  va_end(list);
  return open_file(path, flags, mode);
}

int close(int fd) {
  if (ours(fd)) {
    const Locked locked;
    ::free(files[fd].path);
    files[fd] = {};
  }
  return real().close(fd);
}

ssize_t write(int fd, const void* bytes, size_t size) {
  if (!may_write(fd, size)) return -1;
  return real().write(fd, bytes, size);
}

ssize_t pwrite(int fd, const void* bytes, size_t size, off_t at) {
  if (!may_write(fd, size)) return -1;
  return real().pwrite(fd, bytes, size, at);
}

ssize_t pwrite64(int fd, const void* bytes, size_t size, off64_t at) { return pwrite(fd, bytes, size, at); }

ssize_t writev(int fd, const iovec* parts, int count) {
  size_t size = 0;
  for (int i = 0; i < count; ++i) size += parts[i].iov_len;
  const size_t all = size;
  if (!may_write(fd, size)) return -1;
  if (size < all)
    return real().write(fd, parts[0].iov_base, parts[0].iov_len < size ? parts[0].iov_len : size);
  return real().writev(fd, parts, count);
}

int ftruncate(int fd, off_t length) { return truncate_file(fd, length); }
int ftruncate64(int fd, off64_t length) { return truncate_file(fd, length); }

int posix_fallocate(int fd, off_t begin, off_t length) {
  static auto* const call = next<int (*)(int, off_t, off_t)>("posix_fallocate");
  auto size = static_cast<size_t>(length);
  if (!may_write(fd, size) || size < static_cast<size_t>(length)) return ENOSPC;
  return call(fd, begin, length);
}
int posix_fallocate64(int fd, off64_t begin, off64_t length) { return posix_fallocate(fd, begin, length); }

int fsync(int fd) { return sync_file(fd, real().fsync); }
int fdatasync(int fd) { return sync_file(fd, real().fdatasync); }

int mkdir(const char* path, mode_t mode) {
  const int done = real().mkdir(path, mode);
  struct stat info{};
  if (done == 0 && keep() && is_ours(path) && ::stat(path, &info) == 0) {
    const Locked locked;
    forget_kept(info.st_ino);
  }
  return done;
}

int unlink(const char* path) {
  struct stat info{};
  const bool known = root() && is_ours(path) && ::stat(path, &info) == 0;
  const int done = real().unlink(path);
  if (done != 0 || !known) return done;
  const Locked locked;
  gave_back(path, info.st_blocks * 512LL);
  return done;
}

}  // extern "C"
