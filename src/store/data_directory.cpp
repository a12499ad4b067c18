#include "data_directory.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <utility>
#include <vector>

namespace sallyport::store {
namespace {

Failure system_failure(std::string_view what, const std::string& path, int error = errno) {
  return fail(Code::storage, error == EACCES || error == EPERM || error == EROFS ? Blame::admin : Blame::us,
              fmt::format("{} {}: {}", what, path, std::strerror(error)));
}

/// Owns a descriptor.
class File {
 public:
  explicit File(int descriptor) : descriptor_(descriptor) {}
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  explicit operator bool() const { return descriptor_ >= 0; }
  int get() const { return descriptor_; }
  int release() { return std::exchange(descriptor_, -1); }

 private:
  int descriptor_;
};

Result<void> sync_directory_of(const std::string& file) {
  const std::filesystem::path parent = std::filesystem::path(file).parent_path();
  const std::string directory = parent.empty() ? "." : parent.string();
  File opened(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!opened || ::fsync(opened.get()) != 0) return system_failure("cannot make durable:", directory);
  return {};
}

bool may_be_closed(const std::string& directory) {
  std::error_code error;
  if (std::filesystem::exists(std::filesystem::path(directory) / kDatabaseFile, error)) return true;
  return std::filesystem::is_empty(directory, error) && !error;
}

Failure in_use(const std::string& directory, const std::string& lock) {
  const File file(::open(lock.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  char text[32] = {};
  const ssize_t n = file ? ::pread(file.get(), text, sizeof text - 1, 0) : 0;
  int pid = 0;
  if (n > 0) std::from_chars(text, text + n, pid);
  return fail(Code::conflict, Blame::admin,
              fmt::format("{} is in use by {}: stop it, wait until it is done, or name another directory "
                          "with --data",
                          directory, pid > 0 ? fmt::format("process {}", pid) : "another process"));
}

}  // namespace

Result<void> prepare_directory(const std::string& directory) {
  std::error_code error;
  std::filesystem::path path = std::filesystem::absolute(directory, error).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  std::vector<std::filesystem::path> made;  // what a power cut would take along with all that is in it
  for (auto each = path; !std::filesystem::exists(each, error) && each.has_relative_path();
       each = each.parent_path())
    made.push_back(each);
  std::filesystem::create_directories(path.parent_path(), error);
  if (::mkdir(directory.c_str(), 0700) == 0) {
    for (const auto& each : made) {
      if (auto durable = sync_directory_of(each); !durable) return durable;
    }
    return {};
  }
  if (errno != EEXIST) return system_failure("cannot create the data directory", directory);
  struct stat info{};
  if (::stat(directory.c_str(), &info) != 0)
    return system_failure("cannot read the data directory", directory);
  if (!S_ISDIR(info.st_mode)) {
    return fail(Code::storage, Blame::admin,
                fmt::format("{} is not a directory: name another one with --data", directory));
  }
  if ((info.st_mode & 077) == 0) return {};
  if (!may_be_closed(directory)) {
    return fail(
        Code::storage, Blame::admin,
        fmt::format("{0} is open to other users and holds files that are not ours: run chmod 700 {0}, "
                    "or name another directory with --data",
                    directory));
  }
  if (::chmod(directory.c_str(), 0700) != 0) return system_failure("cannot close to other users:", directory);
  return {};
}

Result<int> lock_directory(const std::string& directory, std::string_view role) {
  const std::string path = fmt::format("{}/{}", directory, kLockFile);
  File held(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!held) return system_failure("cannot open the data directory", directory);
  // The directory itself, because somebody may remove the file; where a file system (NFS) locks no
  // directories the file must do.
  const bool locked = ::flock(held.get(), LOCK_EX | LOCK_NB) == 0;
  if (!locked && errno == EWOULDBLOCK) return in_use(directory, path);
  File file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file) return system_failure("cannot open the lock", path);
  if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return in_use(directory, path);
    return system_failure("cannot lock", path);
  }
  const std::string holder = fmt::format("{}\n{}\n", ::getpid(), role);
  if (::ftruncate(file.get(), 0) != 0 ||
      ::pwrite(file.get(), holder.data(), holder.size(), 0) != static_cast<ssize_t>(holder.size())) {
    return system_failure("cannot write the lock", path);
  }
  return locked ? held.release() : file.release();
}

void unlock_directory(int descriptor) {
  if (descriptor < 0) return;
  // A stale pid must not be blamed by whoever meets the next holder before it has written its own.
  const File file(::openat(descriptor, std::string(kLockFile).c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW));
  [[maybe_unused]] const int emptied = ::ftruncate(file ? file.get() : descriptor, 0);
  ::close(descriptor);
}

Result<void> prepare_database_file(const std::string& file) {
  struct stat info{};
  if (::lstat(file.c_str(), &info) != 0) {
    if (errno != ENOENT) return system_failure("cannot read", file);
    const File made(::open(file.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!made) return system_failure("cannot create", file);
    return {};
  }
  // An existing file is never opened here: closing a descriptor would drop SQLite's own locks in this
  // process.
  if (!S_ISREG(info.st_mode)) {
    return fail(Code::storage, Blame::admin, fmt::format("{} is not a regular file: remove it", file));
  }
  if ((info.st_mode & 077) != 0 && ::chmod(file.c_str(), 0600) != 0) {
    return system_failure("cannot close to other users:", file);
  }
  return {};
}

Result<void> write_private_file(const std::string& file, std::string_view bytes) {
  const std::string partial = file + ".partial";
  ::unlink(partial.c_str());
  {
    const File made(::open(partial.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!made) return system_failure("cannot create", partial);
    if (::write(made.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()) ||
        ::fsync(made.get()) != 0) {
      const int error = errno;
      ::unlink(partial.c_str());
      return system_failure("cannot write", partial, error);
    }
  }
  return rename_durably(partial, file);
}

Result<void> rename_durably(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) return system_failure("cannot rename", from);
  return sync_directory_of(to);
}

}  // namespace sallyport::store
