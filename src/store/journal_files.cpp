#include "sallyport/store/journal_files.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <utility>

#include "sallyport/core/limits.hpp"

namespace sallyport::store {
namespace {

constexpr std::size_t kReadBytes = limits::MiB;

Failure storage_failure(std::string_view what, std::string_view path, int error) {
  return fail(Code::storage, Blame::admin, fmt::format("{} {}: {}", what, path, std::strerror(error)), true);
}

template <class T>
bool number(std::string_view text, T& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

bool same_file(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

}  // namespace

FileCalls system_files() {
  return {.write = [](int fd, const void* bytes, std::size_t count) { return ::write(fd, bytes, count); },
          .truncate = [](int fd, off_t length) { return ::ftruncate(fd, length); },
          .sync = [](int fd) { return ::fdatasync(fd); },
          .open = [](const char* path, int flags, mode_t mode) { return ::open(path, flags, mode); }};
}

Result<std::shared_ptr<AppendFile>> AppendFile::open(const std::string& path, const FileCalls& calls) {
  const int fd = calls.open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return storage_failure("cannot open", path, errno);
  struct stat status{};
  if (::fstat(fd, &status) != 0) {
    const int error = errno;
    ::close(fd);
    return storage_failure("cannot examine", path, error);
  }
  return std::shared_ptr<AppendFile>(
      new AppendFile(path, fd, static_cast<std::uint64_t>(status.st_size), calls));
}

Result<std::shared_ptr<const HeldDirectory>> HeldDirectory::open(const std::string& path) {
  const int fd = ::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return storage_failure("cannot open", path, errno);
  return std::shared_ptr<const HeldDirectory>(new HeldDirectory(path, fd));
}

HeldDirectory::~HeldDirectory() { ::close(fd_); }

Result<void> HeldDirectory::in_place() const {
  struct stat ours{}, named{};
  if (::fstat(fd_, &ours) == 0 && ::stat(path_.c_str(), &named) == 0 && same_file(ours, named)) return {};
  return fail(
      Code::storage, Blame::admin,
      fmt::format("the data directory {} was deleted or moved, or is another one now: put it back, or "
                  "stop this process and start it on the one that is meant",
                  path_),
      true);
}

AppendFile::~AppendFile() { ::close(fd_); }

Result<void> AppendFile::append(std::string_view bytes) {
  if (broken()) return storage_failure("cannot append to", path_, EIO);
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = calls_.write(fd_, bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      const int error = n < 0 ? errno : ENOSPC;
      if (done > 0 && !take_off(done, size_)) residue_ = done;
      return storage_failure("cannot write", path_, error);
    }
    done += static_cast<std::size_t>(n);
  }
  size_ += done;
  return {};
}

void AppendFile::cut(std::uint64_t size) {
  if (size >= size_) return;
  if (!take_off(size_ - size, size)) residue_ = size_ - size;
  size_ = size;
}

// Cuts our last bytes off again, which leaves `size`; less where somebody truncated the file, which must not
// be filled up with zeros.
bool AppendFile::take_off(std::uint64_t bytes, std::uint64_t size) {
  struct stat now{};
  if (::fstat(fd_, &now) == 0) {
    const auto there = static_cast<std::uint64_t>(now.st_size);
    size = std::min(size, there - std::min(there, bytes));
  }
  return calls_.truncate(fd_, static_cast<off_t>(size)) == 0;
}

Result<void> AppendFile::sync() {
  const std::lock_guard lock(syncing_);
  if (unsynced_) return storage_failure("cannot sync", path_, EIO);
  if (calls_.sync(fd_) == 0) return {};
  unsynced_ = true;
  return storage_failure("cannot sync", path_, errno);
}

bool AppendFile::in_place() const {
  struct stat ours{}, named{};
  return ::fstat(fd_, &ours) == 0 && ::lstat(path_.c_str(), &named) == 0 && same_file(ours, named) &&
         static_cast<std::uint64_t>(ours.st_size) >= size_;
}

Result<void> sync_directory(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return storage_failure("cannot open", path, errno);
  const int rc = ::fsync(fd);
  const int error = errno;
  ::close(fd);
  if (rc != 0) return storage_failure("cannot sync", path, error);
  return {};
}

std::optional<SegmentName> SegmentName::parse(std::string_view file) {
  constexpr std::string_view kEnd = ".jsonl";
  if (!file.ends_with(kEnd)) return std::nullopt;
  const auto stem = file.substr(0, file.size() - kEnd.size());
  const auto first = stem.find('-');
  if (first == std::string_view::npos) return std::nullopt;
  const auto second = stem.find('-', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  SegmentName name;
  if (!number(stem.substr(0, first), name.start) ||
      !number(stem.substr(first + 1, second - first - 1), name.shard) ||
      !number(stem.substr(second + 1), name.segment))
    return std::nullopt;
  if (name.start < 0 || name.start > SegmentName::kLastStart || name.shard < 0 || name.segment < 1 ||
      name.file() != file)
    return std::nullopt;
  return name;
}

std::string chain_name(std::int64_t start, int shard) { return fmt::format("{:013}-{:02}", start, shard); }
std::string SegmentName::chain() const { return chain_name(start, shard); }
std::string SegmentName::file() const { return fmt::format("{}-{:05}.jsonl", chain(), segment); }
std::string SegmentName::payload() const { return fmt::format("{}-{:05}.payload.jsonl", chain(), segment); }

std::string journal_folder(const std::string& directory) { return directory + "/journal"; }

Result<std::vector<SegmentName>> list_segments(const std::string& folder) {
  std::vector<SegmentName> names;
  DIR* dir = ::opendir(folder.c_str());
  if (!dir) {
    if (errno == ENOENT) return names;
    return storage_failure("cannot list", folder, errno);
  }
  while (const dirent* entry = ::readdir(dir)) {
    if (auto name = SegmentName::parse(entry->d_name)) names.push_back(*name);
  }
  ::closedir(dir);
  std::ranges::sort(names);
  return names;
}

LineReader::LineReader(int fd, std::uint64_t offset) : fd_(fd), next_offset_(offset), line_offset_(offset) {}

LineReader::LineReader(LineReader&& other) noexcept { *this = std::move(other); }

LineReader& LineReader::operator=(LineReader&& other) noexcept {
  if (this == &other) return *this;
  if (fd_ >= 0) ::close(fd_);
  fd_ = std::exchange(other.fd_, -1);
  buffer_ = std::move(other.buffer_);
  begin_ = other.begin_;
  end_ = other.end_;
  scanned_ = other.scanned_;
  next_offset_ = other.next_offset_;
  line_offset_ = other.line_offset_;
  line_ = other.line_;
  failed_ = other.failed_;
  return *this;
}

LineReader::~LineReader() {
  if (fd_ >= 0) ::close(fd_);
}

Result<LineReader> LineReader::open(const std::string& path, std::uint64_t offset) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return storage_failure("cannot open", path, errno);
  if (::lseek(fd, static_cast<off_t>(offset), SEEK_SET) < 0) {
    const int error = errno;
    ::close(fd);
    return storage_failure("cannot seek in", path, error);
  }
  return LineReader(fd, offset);
}

bool LineReader::fill() {
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (buffer_.size() - end_ < kReadBytes / 2) buffer_.resize(std::max(kReadBytes, buffer_.size() * 2));
  for (;;) {
    const ssize_t n = ::read(fd_, buffer_.data() + end_, buffer_.size() - end_);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) failed_ = true;
    if (n <= 0) return false;
    end_ += static_cast<std::size_t>(n);
    return true;
  }
}

std::optional<std::string_view> LineReader::next() {
  line_offset_ = next_offset_;
  scanned_ = 0;
  for (;;) {
    const char* from = buffer_.data() + begin_ + scanned_;
    const auto* newline = static_cast<const char*>(std::memchr(from, '\n', end_ - begin_ - scanned_));
    if (newline) {
      const auto length = static_cast<std::size_t>(newline - (buffer_.data() + begin_));
      const std::string_view line(buffer_.data() + begin_, length);
      begin_ += length + 1;
      next_offset_ += length + 1;
      ++line_;
      return line;
    }
    scanned_ = end_ - begin_;
    if (!fill()) return std::nullopt;
  }
}

}  // namespace sallyport::store
