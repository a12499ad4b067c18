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

/// Where a chain of symbolic links ends, whether something is there or not.
Result<std::string> end_of_links(const std::string& path) {
  fs::path at = path;
  std::error_code problem;
  for (int i = 0; fs::is_symlink(fs::symlink_status(at, problem)); ++i) {
    const auto next = fs::read_symlink(at, problem);
    if (problem || i == kLinks)
      return failure("cannot follow the link", path, problem ? problem.value() : ELOOP);
    at = next.is_absolute() ? next : at.parent_path() / next;
  }
  return at.string();
}

Result<void> write_into(const std::string& path, const std::function<Result<void>(int fd)>& fill) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY);
  if (fd < 0) return failure("cannot open", path);
  auto done = fill(fd);
  if (::close(fd) != 0 && done) return failure("cannot write", path);
  return done;
}

Result<void> replace(const std::string& path, unsigned mode,
                     const std::function<Result<void>(int fd)>& fill) {
  const std::string unfinished = fmt::format("{}.{}.part", path, ::getpid());
  ::unlink(unfinished.c_str());  // of a process that had our number and was killed
  const int fd = ::open(unfinished.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
                        static_cast<mode_t>(mode));
  if (fd < 0) return failure("cannot create", unfinished);
  auto done = fill(fd);
  if (done && ::fsync(fd) != 0) done = failure("cannot sync", unfinished);
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
  if (::stat(path.c_str(), &there) == 0) {
    if (S_ISDIR(there.st_mode)) return failure("cannot write", path, EISDIR);
    if (!S_ISREG(there.st_mode)) return write_into(path, fill);
  }
  const auto file = end_of_links(path);
  if (!file) return Failure(file.error());
  return replace(*file, mode, fill);
}

}  // namespace sallyport
