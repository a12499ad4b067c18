#include "master_key.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "data_directory.hpp"
#include "sallyport/core/bytes.hpp"
#include "sallyport/core/crypto.hpp"

namespace sallyport::store {
namespace {

constexpr std::size_t kKeyBytes = 32;

std::optional<Secret> decode(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.remove_suffix(1);
  auto bytes = unbase64(text);
  if (!bytes || bytes->size() != kKeyBytes) return std::nullopt;
  return Secret(std::move(*bytes));
}

Failure unusable(const std::string& path, std::string_view why) {
  return fail(Code::unavailable, Blame::admin, fmt::format("the vault's master key {} {}", path, why));
}

Result<std::optional<Secret>> read_key(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (descriptor < 0) {
    if (errno == ENOENT) return std::nullopt;
    return unusable(path, fmt::format("cannot be opened: {}", std::strerror(errno)));
  }
  struct stat info{};
  char text[128];
  const bool known = ::fstat(descriptor, &info) == 0;
  const ssize_t n = ::read(descriptor, text, sizeof text);
  ::close(descriptor);
  if (!known || !S_ISREG(info.st_mode)) return unusable(path, "is not a regular file");
  if (info.st_uid != ::geteuid() && info.st_uid != 0) return unusable(path, "belongs to another user");
  if ((info.st_mode & 077) != 0) {
    return unusable(
        path,
        fmt::format("is open to other users: run chmod 600 {}, and rotate it if they could read it", path));
  }
  auto key = n > 0 ? decode({text, static_cast<std::size_t>(n)}) : std::nullopt;
  ::explicit_bzero(text, sizeof text);
  if (!key) return unusable(path, "does not hold base64 of 32 bytes: restore it from a backup");
  return key;
}

Result<Secret> write_key(const std::string& path) {
  Secret key(random_bytes(kKeyBytes));
  if (auto written = write_private_file(path, base64(key.reveal()) + "\n"); !written)
    return Failure(written.error());
  return key;
}

}  // namespace

std::string fingerprint_of(const Secret& master) {
  return hex(view(hmac_sha256(master.reveal(), "sallyport master key"))).substr(0, 16);
}

Result<std::optional<Secret>> master_from_environment(const char* variable) {
  const char* text = std::getenv(variable);
  if (!text || !*text) return std::nullopt;
  auto key = decode(text);
  if (!key) {
    return fail(Code::unavailable, Blame::admin,
                fmt::format("{} is not base64 of 32 bytes: make one with openssl rand -base64 32", variable));
  }
  return key;
}

MasterKeyFile::MasterKeyFile(const std::string& directory)
    : path_(directory + "/master.key"), next_(path_ + ".next") {}

Result<std::optional<Secret>> MasterKeyFile::read() const { return read_key(path_); }
Result<std::optional<Secret>> MasterKeyFile::read_next() const { return read_key(next_); }
Result<Secret> MasterKeyFile::create() const { return write_key(path_); }
Result<Secret> MasterKeyFile::create_next() const { return write_key(next_); }
Result<void> MasterKeyFile::adopt_next() const { return rename_durably(next_, path_); }
void MasterKeyFile::discard_next() const { ::unlink(next_.c_str()); }

}  // namespace sallyport::store
