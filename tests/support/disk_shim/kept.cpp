#include "kept.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "calls.hpp"

namespace disk_shim {
namespace {

void kept_name(char (&out)[PATH_MAX], char kind, ino_t inode, const char* more = "") {
  ::snprintf(out, sizeof out, "%s/%c%llu%s", keep(), kind, static_cast<unsigned long long>(inode), more);
}

bool copy_from(int from, int to, off_t begin) {
  char bytes[65536];
  for (off_t at = begin;;) {
    const ssize_t n = ::pread(from, bytes, sizeof bytes, at);
    if (n < 0) return false;
    if (n == 0) return true;
    if (real().pwrite(to, bytes, static_cast<size_t>(n), at) != n) return false;
    at += n;
  }
}

}  // namespace

void forget_kept(ino_t inode) {
  char name[PATH_MAX];
  kept_name(name, 'f', inode);
  real().unlink(name);
  kept_name(name, 'd', inode);
  real().unlink(name);
}

void keep_file(File& file, ino_t inode) {
  char name[PATH_MAX], fresh[PATH_MAX];
  kept_name(name, 'f', inode);
  kept_name(fresh, 'f', inode, ".new");
  // The descriptor may be for writing alone.
  const int from = real().open(file.path, O_RDONLY | O_CLOEXEC);
  if (from < 0) return;
  struct stat info{}, kept{};
  if (::fstat(from, &info) == 0 && info.st_ino == inode) {
    if (file.append && ::stat(name, &kept) == 0) {
      const int to = real().open(name, O_WRONLY | O_CLOEXEC);
      off_t begin = kept.st_size < file.low ? kept.st_size : file.low;
      if (begin < kept.st_size) [[maybe_unused]]
        const int cut = real().ftruncate(to, begin);
      copy_from(from, to, begin);
      real().close(to);
    } else {
      const int to = real().open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
      const bool whole = copy_from(from, to, 0);
      real().close(to);
      if (whole) real().rename(fresh, name);
    }
    file.low = LLONG_MAX;
  }
  real().close(from);
}

void keep_directory(const char* path, ino_t inode) {
  char name[PATH_MAX], fresh[PATH_MAX];
  kept_name(name, 'd', inode);
  kept_name(fresh, 'd', inode, ".new");
  DIR* const directory = ::opendir(path);
  if (!directory) return;
  const int to = real().open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  while (const dirent* entry = ::readdir(directory)) {
    if (::strcmp(entry->d_name, ".") == 0 || ::strcmp(entry->d_name, "..") == 0) continue;
    char line[512];
    const char kind = entry->d_type == DT_DIR ? 'd' : entry->d_type == DT_REG ? 'f' : 'o';
    const int n = ::snprintf(line, sizeof line, "%c %llu %s\n", kind,
                             static_cast<unsigned long long>(entry->d_ino), entry->d_name);
    [[maybe_unused]] const ssize_t done = real().write(to, line, static_cast<size_t>(n));
  }
  ::closedir(directory);
  real().close(to);
  real().rename(fresh, name);
}

}  // namespace disk_shim
