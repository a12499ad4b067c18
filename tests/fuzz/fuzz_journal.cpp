/// A journal that somebody has had their hands on: lines, checkpoints, whole files. Nothing crashes; what is
/// read of a line stands in it; a line keeps what it says in another place of its chain; a checkpoint written
/// again says the same. Input: one byte that chooses the reader, then the bytes; of files those of the
/// segment, its payloads and the checkpoints, with a line "--" between them.

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <source_location>
#include <string>

#include "sallyport/core/bytes.hpp"
#include "sallyport/store/journal.hpp"
#include "sallyport/store/journal_checkpoint.hpp"
#include "sallyport/store/journal_line.hpp"

using namespace sallyport;
using namespace sallyport::store;

namespace {

void must(bool holds, std::source_location where = std::source_location::current()) {
  if (holds) return;
  std::fprintf(stderr, "line %u does not hold\n", static_cast<unsigned>(where.line()));
  std::abort();
}

bool inside(std::string_view part, std::string_view whole) {
  return part.empty() ||
         (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

const SigningKey& key() {
  static const SigningKey one = *signing_key_from(std::string(32, 'k'));
  return one;
}

void read_line(const std::string& text) {
  if (const auto name = SegmentName::parse(text)) must(name->file() == text);
  const auto line = parse_line(text);
  if (!line) return;
  must(inside(line->type, text) && line->prev.size() == 64);
  for (const char* member : {"call", "target", "args", "prev", "seq", "type", "t"})
    must(inside(line->member(member), text));
  std::string again;
  ChainHead head{.seq = 6};
  repeat_line(again, body_of(text + "\n"), head);
  must(head.seq == 7 && again.ends_with("\n"));
  const auto moved = parse_line(std::string_view(again).substr(0, again.size() - 1));
  must(moved && moved->seq == 7 && moved->type == line->type && moved->millis == line->millis);
}

/// What stands before the signature is signed here: strangers cannot, but a damaged key could have.
void read_checkpoint(const std::string& text) {
  const auto signed_line = text + R"(,"sig":")" + base64url(sign(key(), text)) + "\"}";
  const auto checkpoint = decode_checkpoint(signed_line, key().public_key);
  must(!decode_checkpoint(text, key().public_key).has_value());
  if (!checkpoint) return;
  const auto again = decode_checkpoint(encode_checkpoint(*checkpoint, key()), key().public_key);
  if (!again) return;
  must(again->chains.size() == checkpoint->chains.size() && again->prev == checkpoint->prev);
  for (std::size_t i = 0; i < again->chains.size(); ++i)
    must(again->chains[i].head == checkpoint->chains[i].head &&
         again->chains[i].open.size() == checkpoint->chains[i].open.size());
}

/// A data directory in memory, the same one for every input. A fuzzer ends without destructors, so what
/// processes before this one left goes now.
const std::string& directory() {
  static const std::string one = [] {
    namespace fs = std::filesystem;
    const fs::path base = fs::exists("/dev/shm") ? "/dev/shm" : "/tmp";
    const std::string prefix = "sallyport-fuzz-";
    for (const auto& entry : fs::directory_iterator(base)) {
      const std::string name = entry.path().filename();
      if (name.starts_with(prefix) && !fs::exists("/proc/" + name.substr(prefix.size())))
        fs::remove_all(entry.path());
    }
    const std::string name = base / (prefix + std::to_string(::getpid()));
    fs::create_directories(journal_folder(name));
    return name;
  }();
  return one;
}

void write_file(const std::string& name, std::string_view bytes) {
  const int fd =
      ::open((journal_folder(directory()) + "/" + name).c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (fd < 0 || ::write(fd, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) std::abort();
  ::close(fd);
}

std::string_view take_file(std::string_view& text) {
  constexpr std::string_view kBetween = "--\n";
  const auto end = std::min(text.find(kBetween), text.size());
  const auto file = text.substr(0, end);
  text.remove_prefix(std::min(end + kBetween.size(), text.size()));
  return file;
}

/// Every line that is a record, as a chain without a fault.
std::string chained(std::string_view text) {
  std::string out;
  ChainHead head;
  while (!text.empty()) {
    const auto line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (parse_line(line)) repeat_line(out, body_of(std::string(line) + "\n"), head);
  }
  return out;
}

void read_files(std::string_view rest, bool mended) {
  const SegmentName name{.start = 1700000000000, .shard = 0, .segment = 1};
  const auto segment = take_file(rest), payload = take_file(rest);
  write_file(name.file(), mended ? chained(segment) : std::string(segment));
  write_file(name.payload(), payload);
  std::string checkpoints;
  for (std::string_view left = rest; !left.empty();) {
    const auto line = left.substr(0, left.find('\n'));
    left.remove_prefix(std::min(line.size() + 1, left.size()));
    checkpoints +=
        std::string(line) + (mended ? R"(,"sig":")" + base64url(sign(key(), line)) + "\"}" : "") + "\n";
  }
  write_file(std::string(kCheckpointFile), checkpoints);
  const auto report = verify_journal(directory(), key().public_key);
  must(report && report->ok == report->problems.empty());
  static const FileCalls calls = system_files();
  const auto log = CheckpointLog::open(journal_folder(directory()), key().public_key, calls);
  must(log.has_value());
  const auto recovered = recover_journal(journal_folder(directory()), log->last());
  must(recovered && recovered->last_start == name.start);
  std::size_t lines = 0;
  must(read_journal(directory(), 0, [&](std::string_view) { return ++lines < 1000; }).has_value());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 4) {
    case 0:
      read_line(text);
      break;
    case 1:
      read_checkpoint(text);
      break;
    default:
      read_files(text, data[0] % 4 == 3);
  }
  return 0;
}
