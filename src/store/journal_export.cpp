#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "sallyport/core/bytes.hpp"
#include "sallyport/core/files.hpp"
#include "sallyport/core/limits.hpp"
#include "sallyport/store/journal.hpp"

namespace sallyport::store {
namespace {

constexpr std::size_t kBlock = 512;
constexpr std::uint64_t kLargest = 077777777777;  // what a ustar size field holds

constexpr std::string_view kReadme =
    R"(This archive holds a journal of Sallyport: the record of what was attempted through it and what happened.

journal/<start>-<shard>-<segment>.jsonl   records, one JSON object per line; one chain per start and shard
journal/<...>.payload.jsonl               payloads and salts, where they were exported
journal/checkpoints.jsonl                 signed checkpoints
journal/public.pem, journal/public.hex    the Ed25519 key that the checkpoints are signed with

With the program:     unpack, then: sallyport audit verify --data DIRECTORY-OF-THIS-FILE --public-key journal/public.hex
Without it:
1. Every line's last member `prev` is the SHA-256 of the bytes of the line before it, without its newline, over the
   segments of a chain in order. The first line of a chain has 64 zeros. `seq` counts without gaps.
       head -n 1 FILE | tr -d '\n' | sha256sum        must stand as `prev` in line 2
2. A checkpoint's `sig` (base64url) is an Ed25519 signature (RFC 8032) over the bytes of its line before `,"sig":"`:
       openssl pkeyutl -verify -pubin -inkey journal/public.pem -rawin -in MESSAGE -sigfile SIGNATURE
   Its chains name file, offset behind the line, seq and SHA-256 of one line each; checkpoints follow each other by `prev`.
3. `args` of an intent and `result` of an outcome are SHA-256(salt, payload); both stand in the payload file under the
   same `call`. A payload that was erased leaves the chain whole.
Compare public.pem with a copy that you got by another way: whoever can exchange the key can forge all of this.
What follows the last checkpoint that you hold can be cut off without a trace; keep exported checkpoints elsewhere.
)";

class TarFile {
 public:
  explicit TarFile(int fd) : fd_(fd) {}

  Result<void> add_text(std::string_view name, std::string_view text) {
    if (auto done = add_header(name, text.size()); !done) return done;
    if (auto done = write(text); !done) return done;
    return pad(text.size());
  }

  /// What the file holds now; it may grow meanwhile.
  Result<void> add_file(const std::string& name, const std::string& path) {
    const int in = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (in < 0) return failure("cannot open " + path);
    auto done = copy(name, path, in);
    ::close(in);
    return done;
  }

  std::uint64_t written() const { return written_; }
  Result<void> finish() { return write(std::string(2 * kBlock, '\0')); }

  static Failure failure(const std::string& what) {
    return fail(Code::storage, Blame::admin, fmt::format("{}: {}", what, std::strerror(errno)));
  }

 private:
  Result<void> copy(const std::string& name, const std::string& path, int in) {
    struct stat status{};
    if (::fstat(in, &status) != 0) return failure("cannot examine " + path);
    const auto size = static_cast<std::uint64_t>(status.st_size);
    if (auto done = add_header(name, size); !done) return done;
    std::string buffer(limits::MiB, '\0');
    for (std::uint64_t left = size; left > 0;) {
      const ssize_t n = ::read(in, buffer.data(), std::min<std::uint64_t>(left, buffer.size()));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return failure("cannot read " + path);
      // A batch that was taken back meanwhile made the file shorter than it was.
      const std::size_t got =
          n > 0 ? static_cast<std::size_t>(n) : std::min<std::uint64_t>(left, buffer.size());
      if (n == 0) std::fill(buffer.begin(), buffer.end(), '\0');
      if (auto done = write(std::string_view(buffer).substr(0, got)); !done) return done;
      left -= got;
    }
    return pad(size);
  }

  // POSIX.1-1988 ustar: octal numbers, a checksum over the header with spaces in its place.
  Result<void> add_header(std::string_view name, std::uint64_t size) {
    if (name.size() > 100 || size > kLargest) {
      return fail(Code::too_large, Blame::us, fmt::format("{} does not fit into an archive", name));
    }
    std::array<char, kBlock> header{};
    const auto put = [&header](std::size_t at, std::string_view text) {
      std::ranges::copy(text, header.begin() + static_cast<std::ptrdiff_t>(at));
    };
    put(0, name);
    put(100, "0000600");
    put(108, "0000000");
    put(116, "0000000");
    put(124, fmt::format("{:011o}", size));
    put(136, "00000000000");
    put(148, "        ");
    put(156, "0");
    put(257, std::string_view("ustar\0"
                              "00",
                              8));
    unsigned sum = 0;
    for (const char c : header) sum += static_cast<unsigned char>(c);
    put(148, fmt::format("{:06o}", sum));
    header[154] = '\0';
    return write(std::string_view(header.data(), header.size()));
  }

  Result<void> pad(std::uint64_t size) { return write(std::string((kBlock - size % kBlock) % kBlock, '\0')); }

  Result<void> write(std::string_view bytes) {
    written_ += bytes.size();
    return write_all(fd_, bytes, "the archive");
  }

  const int fd_;
  std::uint64_t written_ = 0;
};

// SubjectPublicKeyInfo of an Ed25519 key (RFC 8410 §4): a fixed head, then the 32 bytes.
std::string pem(std::string_view public_key) {
  const std::string head = unhex("302a300506032b6570032100").value_or("");
  return fmt::format("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
                     base64(head + std::string(public_key)));
}

Result<void> fill(TarFile& tar, const std::string& folder, const std::string& public_key,
                  bool with_payloads) {
  const auto segments = list_segments(folder);
  if (!segments) return Failure(segments.error());
  if (auto done = tar.add_text("README.txt", kReadme); !done) return done;
  if (auto done = tar.add_text("journal/public.pem", pem(public_key)); !done) return done;
  if (auto done = tar.add_text("journal/public.hex", hex(public_key) + "\n"); !done) return done;
  // Checkpoints first: the segments, copied later, then hold everything that they name.
  std::vector<std::string> files{std::string(kCheckpointFile)};
  for (const SegmentName& segment : *segments) {
    files.push_back(segment.file());
    const std::string payload = segment.payload();
    if (with_payloads && ::access((folder + "/" + payload).c_str(), F_OK) == 0) files.push_back(payload);
  }
  for (const std::string& file : files) {
    if (auto done = tar.add_file("journal/" + file, folder + "/" + file); !done) return done;
  }
  return tar.finish();
}

}  // namespace

Result<std::uint64_t> export_journal(const std::string& directory, const std::string& public_key,
                                     const std::string& file, bool with_payloads) {
  std::uint64_t size = 0;
  const auto done = write_whole_file(file, 0600, [&](int fd) {
    TarFile tar(fd);
    auto filled = fill(tar, journal_folder(directory), public_key, with_payloads);
    size = tar.written();
    return filled;
  });
  if (!done) return Failure(done.error());
  return size;
}

}  // namespace sallyport::store
