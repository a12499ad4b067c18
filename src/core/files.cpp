#include "sallyport/core/files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <istream>

#include "sallyport/core/limits.hpp"

namespace sallyport {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kBlock = 64 * limits::KiB;
constexpr int kLinks = 40;  // as many as the system itself follows

Failure failure(std::string_view what, std::string_view path, int error = errno) {
  return fail(Code::storage, Blame::admin, fmt::format("{} {}: {}", what, path, std::strerror(error)));
}

std::string size_text(std::size_t bytes) {
  return bytes >= limits::MiB ? fmt::format("{} MiB", bytes / limits::MiB)
                              : fmt::format("{} KiB", bytes / limits::KiB);
}

/// Errors: storage where `there` belongs to somebody who may have put it there to get what we write, or to
/// have us write where only we can.
Result<void> check_owner(std::string_view kind, const std::string& path, const struct stat& there) {
  if (there.st_uid == 0 || there.st_uid == ::geteuid()) return {};
  return fail(Code::storage, Blame::admin,
              fmt::format("{} is a {} of another user ({}), which is not written through: remove it, or name "
                          "another file",
                          path, kind, there.st_uid));
}

/// Where a chain of symbolic links ends, whether something is there or not. Errors: storage, also for links
/// of others.
Result<std::string> end_of_links(const std::string& path) {
  fs::path at = path;
  std::error_code problem;
  struct stat there{};
  for (int i = 0; ::lstat(at.c_str(), &there) == 0 && S_ISLNK(there.st_mode); ++i) {
    if (auto ours = check_owner("symbolic link", at.string(), there); !ours) return Failure(ours.error());
    const auto next = fs::read_symlink(at, problem);
    if (problem || i == kLinks)
      return failure("cannot follow the link", path, problem ? problem.value() : ELOOP);
    at = next.is_absolute() ? next : at.parent_path() / next;
  }
  return at.string();
}

bool same_file(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/// Whether it is open as standard output or error already, as behind /dev/stdout: under sudo it is another's.
bool is_standard_stream(const struct stat& there) {
  struct stat stream{};
  return (::fstat(STDOUT_FILENO, &stream) == 0 && same_file(stream, there)) ||
         (::fstat(STDERR_FILENO, &stream) == 0 && same_file(stream, there));
}

/// `there` is what was looked at: if something else has taken its name, nothing is written.
Result<void> write_into(const std::string& path, const struct stat& there,
                        const std::function<Result<void>(int fd)>& fill) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY);
  if (fd < 0) return failure("cannot open", path);
  struct stat opened{};
  auto done = ::fstat(fd, &opened) == 0 && same_file(opened, there) ? fill(fd)
                                                                    : failure("cannot write", path, ESTALE);
  if (::close(fd) != 0 && done) return failure("cannot write", path);
  return done;
}

std::string own_link(int fd) { return fmt::format("/proc/self/fd/{}", fd); }

/// A file without a name beside `path`, of which nothing stays if we are ended. -1 where the file system has
/// no such files, or nothing could give it a name later.
int open_nameless(const std::string& path, unsigned mode) {
  const auto folder = fs::path(path).parent_path();
  const int fd = ::open(folder.empty() ? "." : folder.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC,
                        static_cast<mode_t>(mode));
  if (fd < 0 || ::access(own_link(fd).c_str(), F_OK) == 0) return fd;
  ::close(fd);
  return -1;
}

Result<void> replace(const std::string& path, unsigned mode,
                     const std::function<Result<void>(int fd)>& fill) {
  const std::string unfinished = fmt::format("{}.{}.part", path, ::getpid());
  ::unlink(unfinished.c_str());  // of a process that had our number and was killed
  int fd = open_nameless(path, mode);
  const bool nameless = fd >= 0;
  if (!nameless) {
    fd = ::open(unfinished.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
                static_cast<mode_t>(mode));
  }
  if (fd < 0) return failure("cannot create", unfinished);
  auto done = fill(fd);
  if (done && ::fsync(fd) != 0) done = failure("cannot sync", unfinished);
  // A link replaces nothing, so that it needs a name of its own first.
  if (done && nameless &&
      ::linkat(AT_FDCWD, own_link(fd).c_str(), AT_FDCWD, unfinished.c_str(), AT_SYMLINK_FOLLOW) != 0)
    done = failure("cannot create", unfinished);
  if (::close(fd) != 0 && done) done = failure("cannot write", unfinished);
  if (done && ::rename(unfinished.c_str(), path.c_str()) != 0) done = failure("cannot replace", path);
  if (!done) ::unlink(unfinished.c_str());
  return done;
}

}  // namespace

Result<std::string> read_whole(std::istream& in, std::string_view name, std::size_t most) {
  std::string text;
  while (in && text.size() <= most) {
    const std::size_t had = text.size();
    text.resize(had + std::min(kBlock, most + 1 - had));
    in.read(text.data() + had, static_cast<std::streamsize>(text.size() - had));
    text.resize(had + static_cast<std::size_t>(in.gcount()));
  }
  if (text.size() > most) {
    return client_error(Code::too_large,
                        fmt::format("{} is longer than {}, the most that is read of it: split it, or look "
                                    "whether it is the file that was meant",
                                    name, size_text(most)));
  }
  if (in.bad()) return client_error(Code::bad_request, fmt::format("cannot read {}", name));
  return text;
}

Result<std::string> read_whole_file(const std::string& path, std::size_t most) {
  std::ifstream in(path, std::ios::binary);
  if (!in.is_open()) return client_error(Code::bad_request, fmt::format("cannot read {}", path));
  return read_whole(in, path, most);
}

Result<void> write_all(int fd, std::string_view bytes, std::string_view name) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return failure("cannot write", name, n < 0 ? errno : ENOSPC);
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

Result<void> write_whole_file(const std::string& path, unsigned mode,
                              const std::function<Result<void>(int fd)>& fill) {
  struct stat there{};
  const bool some = ::stat(path.c_str(), &there) == 0;
  if (some && S_ISDIR(there.st_mode)) return failure("cannot write", path, EISDIR);
  const bool special = some && !S_ISREG(there.st_mode);
  if (special && is_standard_stream(there)) return write_into(path, there, fill);
  const auto file = end_of_links(path);
  if (!file) return Failure(file.error());
  if (special) {
    if (!S_ISCHR(there.st_mode)) {
      const auto* kind = S_ISFIFO(there.st_mode) ? "FIFO" : "device";
      if (auto ours = check_owner(kind, *file, there); !ours) return ours;
    }
    return write_into(path, there, fill);
  }
  return replace(*file, mode, fill);
}

}  // namespace sallyport
