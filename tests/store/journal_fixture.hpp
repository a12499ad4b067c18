#pragma once
/// What the journal's tests share: a folder that goes away, a clock that is set, disks that fail when told
/// to.

#include <doctest/doctest.h>
#include <stdlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "sallyport/core/clock.hpp"
#include "sallyport/store/journal.hpp"
#include "store/test_clock.hpp"

namespace sallyport::store {

class TestFolder {
 public:
  TestFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "sallyport-journal-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~TestFolder() { std::filesystem::remove_all(path); }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;

  std::string file(const std::string& name) const { return path + "/journal/" + name; }
  /// Names of the segments (payload false) or payload files, sorted.
  std::vector<std::string> files(bool payload = false) const {
    std::vector<std::string> out;
    for (const auto& entry : std::filesystem::directory_iterator(path + "/journal")) {
      const std::string name = entry.path().filename();
      const bool is_payload = name.ends_with(".payload.jsonl");
      if (name.ends_with(".jsonl") && name != "checkpoints.jsonl" && is_payload == payload)
        out.push_back(name);
    }
    std::ranges::sort(out);
    return out;
  }
  std::string path;
};

inline std::string read_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
inline void write_text(const std::string& path, std::string_view text) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
}
inline std::vector<std::string> lines_of(const std::string& path) {
  std::vector<std::string> out;
  std::ifstream in(path, std::ios::binary);
  for (std::string line; std::getline(in, line);) out.push_back(line);
  return out;
}
inline void write_lines(const std::string& path, const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  write_text(path, text);
}

/// A disk that refuses on request.
struct TestDisk {
  int write_error = 0;          ///< errno of every write while not 0
  std::size_t room = SIZE_MAX;  ///< bytes that still go in before write_error begins
  int truncate_error = 0;
  int sync_error = 0;
  int open_error = 0;

  FileCalls calls() {
    FileCalls real = system_files();
    return {.write = [this, write = real.write](int fd, const void* bytes, std::size_t count) -> ssize_t {
              if (write_error == 0) return write(fd, bytes, count);
              if (room == 0) {
                errno = write_error;
                return -1;
              }
              const std::size_t part = std::min(room, count);
              room -= part;
              return write(fd, bytes, part);
            },
            .truncate =
                [this, truncate = real.truncate](int fd, off_t length) {
                  if (truncate_error == 0) return truncate(fd, length);
                  errno = truncate_error;
                  return -1;
                },
            .sync =
                [this, sync = real.sync](int fd) {
                  if (sync_error == 0) return sync(fd);
                  errno = sync_error;
                  return -1;
                },
            .open =
                [this, open = real.open](const char* path, int flags, mode_t mode) {
                  if (open_error == 0) return open(path, flags, mode);
                  errno = open_error;
                  return -1;
                }};
  }
};

struct JournalFixture {
  TestFolder folder;
  TestClock clock;
  TestDisk disk;
  SigningKey key = make_signing_key();
  int shards = 1;
  std::size_t segment_bytes = 0;

  Result<std::unique_ptr<Journal>> try_open() {
    return Journal::open({.directory = folder.path,
                          .shards = shards,
                          .post = {},
                          .segment_bytes = segment_bytes,
                          .files = disk.calls()},
                         key, clock);
  }
  std::unique_ptr<Journal> open() {
    auto journal = try_open();
    if (!journal) FAIL(journal.error().what);
    return std::move(*journal);
  }
  /// One call with its outcome, committed. False when the intent was refused.
  bool call(JournalWriter& writer, const std::string& id, int capture = 1) {
    bool ok = intent(writer, id, capture);
    if (!ok) return false;
    outcome(writer, id, capture);
    writer.commit();
    return true;
  }
  bool intent(JournalWriter& writer, const std::string& id, int capture = 1) {
    bool called = false, ok = false;
    writer.intent({.call = id,
                   .principal = "agent:bot",
                   .endpoint = "/mcp",
                   .method = "tools/call",
                   .target = "github/create_issue",
                   .rule = "payments-tools#1",
                   .arguments = R"({"title":"a \"quoted\" one"})",
                   .capture = capture,
                   .client = "127.0.0.1:5000"},
                  [&](Result<void> result) {
                    called = true;
                    ok = result.has_value();
                    if (!result) CHECK(result.error().code == Code::storage);
                  });
    writer.commit();
    CHECK(called);
    return ok;
  }
  void outcome(JournalWriter& writer, const std::string& id, int capture = 1) {
    writer.outcome({.call = id,
                    .status = "ok",
                    .micros = 1200,
                    .result = R"({"content":[]})",
                    .bytes = 14,
                    .capture = capture});
  }
  VerifyReport verify(const std::string& exported = {}) {
    auto report = verify_journal(folder.path, key.public_key, exported);
    if (!report) FAIL(report.error().what);
    return *report;
  }
  std::vector<std::string> read(std::int64_t from = 0) {
    std::vector<std::string> out;
    auto done = read_journal(folder.path, from, [&](std::string_view line) {
      out.emplace_back(line);
      return true;
    });
    if (!done) FAIL(done.error().what);
    return out;
  }
  int count(const std::string& text) {
    int n = 0;
    for (const std::string& line : read()) n += line.find(text) != std::string::npos;
    return n;
  }
};

/// Whether some problem has all of these texts.
inline bool reports(const VerifyReport& report, std::vector<std::string> texts) {
  return !report.ok && std::ranges::any_of(report.problems, [&](const std::string& problem) {
    return std::ranges::all_of(
        texts, [&](const std::string& text) { return problem.find(text) != std::string::npos; });
  });
}

}  // namespace sallyport::store
