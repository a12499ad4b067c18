/// Files of the journal that somebody deletes, moves or replaces while they are written.

#include <sys/stat.h>

#include <filesystem>

#include "store/journal_fixture.hpp"

namespace sallyport::store {
namespace {

namespace fs = std::filesystem;

/// How often a text stands in what one chain holds in its files.
int times(const TestFolder& folder, const std::string& text) {
  int n = 0;
  for (const std::string& name : folder.files()) {
    for (const std::string& line : lines_of(folder.file(name))) n += line.contains(text);
  }
  return n;
}

}  // namespace

TEST_CASE(
    "A segment that is deleted, moved, replaced or truncated under the journal is left at the next look") {
  struct Row {
    const char* what;
    void (*harm)(const std::string& path);
  };
  const Row rows[] = {{"deleted", [](const std::string& path) { fs::remove(path); }},
                      {"moved", [](const std::string& path) { fs::rename(path, path + ".old"); }},
                      {"replaced by a copy",
                       [](const std::string& path) {
                         fs::copy_file(path, path + ".copy");
                         fs::rename(path + ".copy", path);
                       }},
                      {"truncated", [](const std::string& path) { fs::resize_file(path, 0); }},
                      {"cut off", [](const std::string& path) { fs::resize_file(path, 100); }}};
  for (const Row& row : rows) {
    CAPTURE(row.what);
    JournalFixture f;
    auto journal = f.open();
    auto& writer = journal->writer(0);
    CHECK(f.call(writer, "before"));
    const std::string file = f.folder.files().front();
    row.harm(f.folder.file(file));
    CHECK(f.call(writer, "unseen"));

    journal->check_files();
    CHECK_FALSE(journal->state().healthy);
    CHECK(journal->state().problem.contains(file));
    CHECK(journal->state().problem.contains("put it back"));
    CHECK(writer.failing());
    CHECK(writer.pending());
    journal->check_files();
    CHECK(f.call(writer, "after"));
    CHECK(journal->state().healthy);
    journal->check_files();
    CHECK(journal->state().healthy);
    journal.reset();

    CHECK(times(f.folder, "\"call\":\"after\"") == 2);
    CHECK(times(f.folder, R"("note":"segment_missing","with":{"file":")" + file + R"(","last":5})") == 1);
    CHECK(times(f.folder, "\"note\":\"storage_recovered\"") == 1);
    CHECK_FALSE(f.verify().ok);
  }
}

TEST_CASE("A missing segment is what verify reports, before a start and after it") {
  JournalFixture f;
  auto journal = f.open();
  CHECK(f.call(journal->writer(0), "before"));
  const std::string file = f.folder.files().front();
  fs::remove(f.folder.file(file));
  CHECK(journal->checkpoint());
  CHECK(f.call(journal->writer(0), "after"));
  CHECK(reports(f.verify(), {file, "this segment is missing"}));
  journal.reset();
  CHECK(reports(f.verify(), {file, "this segment is missing"}));
  f.open().reset();
  CHECK(reports(f.verify(), {file, "this segment is missing"}));
  CHECK(f.count("\"type\":\"torn\"") == 0);
}

TEST_CASE("A segment that is put back under its name makes the chain whole again") {
  JournalFixture f;
  auto journal = f.open();
  CHECK(f.call(journal->writer(0), "before"));
  const std::string file = f.folder.file(f.folder.files().front());
  fs::rename(file, f.folder.path + "/aside");
  journal->check_files();
  CHECK(f.call(journal->writer(0), "after"));
  fs::rename(f.folder.path + "/aside", file);
  journal.reset();
  CHECK(f.verify().ok);
}

TEST_CASE(
    "Without its folder the journal makes no call, says so, and goes on when the folder is there again") {
  for (const bool put_back : {true, false}) {
    CAPTURE(put_back);
    JournalFixture f;
    auto journal = f.open();
    auto& writer = journal->writer(0);
    CHECK(f.call(writer, "before", 2));
    fs::rename(f.folder.path + "/journal", f.folder.path + "/aside");
    journal->check_files();
    CHECK_FALSE(f.intent(writer, "refused", 2));
    CHECK_FALSE(journal->checkpoint());
    CHECK_FALSE(journal->state().healthy);
    CHECK(journal->state().problem.contains("the folder " + f.folder.path + "/journal was deleted or moved"));
    CHECK_FALSE(fs::exists(f.folder.path + "/journal"));

    if (put_back) {
      fs::rename(f.folder.path + "/aside", f.folder.path + "/journal");
    } else {
      fs::create_directory(f.folder.path + "/journal");
    }
    CHECK(f.call(writer, "after", 2));
    CHECK(journal->checkpoint());
    CHECK(journal->state().healthy);
    journal.reset();
    CHECK(f.count("\"call\":\"refused\"") == 0);
    CHECK(f.count("\"intents_refused\":1") == 1);
    CHECK(f.verify().ok == put_back);
  }
}

TEST_CASE("A gateway whose data directory was moved leaves the journal of the next gateway there alone") {
  JournalFixture f;
  auto journal = f.open();
  auto& writer = journal->writer(0);
  CHECK(f.call(writer, "before", 2));
  const std::string moved = f.folder.path + ".moved";
  fs::rename(f.folder.path, moved);
  fs::create_directory(f.folder.path);
  journal->check_files();
  auto next = f.open();
  CHECK(f.call(next->writer(0), "of the next"));
  const auto files = f.folder.files();
  const auto checkpoints = read_text(f.folder.file("checkpoints.jsonl"));

  CHECK_FALSE(f.intent(writer, "refused", 2));
  CHECK_FALSE(journal->checkpoint());
  CHECK_FALSE(journal->state().healthy);
  CHECK(journal->state().problem.contains("the data directory " + f.folder.path + " was deleted or moved"));
  journal.reset();
  CHECK(f.folder.files() == files);
  CHECK(f.folder.files(true).size() == 1);
  CHECK(read_text(f.folder.file("checkpoints.jsonl")) == checkpoints);
  CHECK(fs::exists(f.folder.file(".reserve")));
  next.reset();
  CHECK(f.count("\"call\":\"of the next\"") == 2);
  CHECK(f.count("\"call\":\"refused\"") == 0);
  CHECK(f.verify().ok);
  fs::remove_all(moved);
}

TEST_CASE("A data directory that is put back is written to again") {
  JournalFixture f;
  auto journal = f.open();
  auto& writer = journal->writer(0);
  CHECK(f.call(writer, "before", 2));
  const std::string moved = f.folder.path + ".moved";
  fs::rename(f.folder.path, moved);
  fs::create_directories(f.folder.path + "/journal");
  journal->check_files();
  CHECK_FALSE(f.intent(writer, "refused", 2));
  CHECK(fs::is_empty(f.folder.path + "/journal"));
  fs::remove_all(f.folder.path);
  fs::rename(moved, f.folder.path);
  CHECK(f.call(writer, "after", 2));
  CHECK(journal->checkpoint());
  CHECK(journal->state().healthy);
  journal.reset();
  CHECK(f.count("\"call\":\"after\"") == 2);
  CHECK(f.verify().ok);
}

TEST_CASE("A write that fails because the folder is gone leaves its segment without waiting for a look") {
  JournalFixture f;
  auto journal = f.open();
  auto& writer = journal->writer(0);
  fs::rename(f.folder.path + "/journal", f.folder.path + "/aside");
  CHECK_FALSE(f.intent(writer, "refused", 2));
  CHECK_FALSE(f.intent(writer, "refused without a payload", 0));
  fs::rename(f.folder.path + "/aside", f.folder.path + "/journal");
  CHECK(f.call(writer, "after"));
  journal.reset();
  CHECK(f.verify().ok);
}

TEST_CASE("Payloads may be erased while the journal runs: the next one begins the file again") {
  JournalFixture f;
  auto journal = f.open();
  CHECK(f.call(journal->writer(0), "before", 2));
  fs::remove(f.folder.file(f.folder.files(true).front()));
  journal->check_files();
  CHECK(journal->state().healthy);
  CHECK(f.call(journal->writer(0), "after", 2));
  journal.reset();
  REQUIRE(f.folder.files(true).size() == 1);
  CHECK(lines_of(f.folder.file(f.folder.files(true).front())).size() == 2);
  CHECK(f.verify().ok);
}

TEST_CASE("Checkpoints whose file is gone go on in a new one, in which the gap is seen") {
  JournalFixture f;
  auto journal = f.open();
  CHECK(f.call(journal->writer(0), "a"));
  fs::remove(f.folder.file("checkpoints.jsonl"));
  CHECK(journal->checkpoint());
  CHECK(lines_of(f.folder.file("checkpoints.jsonl")).size() == 1);
  journal.reset();
  CHECK(reports(f.verify(), {"checkpoint 2 does not follow the one before it"}));
}

TEST_CASE("Checkpoints whose file was cut off within a line go on behind it, in which the gap is seen") {
  JournalFixture f;
  auto journal = f.open();
  CHECK(f.call(journal->writer(0), "a"));
  const std::string file = f.folder.file("checkpoints.jsonl");
  fs::resize_file(file, 10);
  CHECK(journal->checkpoint());
  REQUIRE(lines_of(file).size() == 2);
  CHECK(lines_of(file).front().size() == 10);
  CHECK(lines_of(file).back().starts_with(R"({"seq":2,)"));
  journal.reset();
  CHECK(reports(f.verify(), {"checkpoint 2 does not follow the one before it"}));
}

TEST_CASE("A write that fails in files that somebody truncated leaves them as short as they were") {
  JournalFixture f;
  auto journal = f.open();
  auto& writer = journal->writer(0);
  CHECK(f.intent(writer, "a", 2));
  const std::string segment = f.folder.file(f.folder.files().front());
  const std::string payloads = f.folder.file(f.folder.files(true).front());
  f.disk.write_error = ENOSPC;
  f.disk.room = fs::file_size(payloads) + 20;
  fs::resize_file(segment, 10);
  fs::resize_file(payloads, 0);
  CHECK_FALSE(f.intent(writer, "b", 2));
  CHECK(f.disk.room == 0);
  CHECK(fs::file_size(segment) == 10);
  CHECK(fs::file_size(payloads) == 0);
}

TEST_CASE("A start finds the open calls of a segment that is shorter than its checkpoint says") {
  JournalFixture f;
  auto journal = f.open();
  CHECK(f.call(journal->writer(0), "before"));
  CHECK(journal->checkpoint());
  const std::string file = f.folder.files().front();
  fs::resize_file(f.folder.file(file), 0);
  CHECK(f.intent(journal->writer(0), "open"));
  const std::string killed = f.folder.path + ".killed";
  fs::copy(f.folder.path, killed, fs::copy_options::recursive);
  journal.reset();
  fs::remove_all(f.folder.path);
  fs::rename(killed, f.folder.path);

  f.open().reset();
  CHECK(f.count(R"("type":"unknown","call":"open")") == 1);
  CHECK(f.count(R"("type":"unknown","call":"before")") == 0);
  CHECK(f.count(R"("type":"torn")") == 0);
  CHECK(reports(f.verify(), {file + ":1", "records were removed or reordered"}));
}

}  // namespace sallyport::store
