#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>

#include <sys/wait.h>
#include <unistd.h>
#include <thread>

#include <chrono>
#include <cstdlib>
#include <functional>
#include <thread>

#include "sallyport/core/bytes.hpp"
#include "sallyport/core/crypto.hpp"
#include "sallyport/store/journal_line.hpp"
#include "store/journal_fixture.hpp"

namespace sallyport::store {
namespace {

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

}  // namespace

TEST_CASE("verify finds what was changed, removed or reordered, and says where") {
  using Lines = std::vector<std::string>;
  struct Row {
    const char* why;
    std::function<void(Lines&)> tamper;
    std::vector<std::string> says;
  };
  const Row rows[] = {
      {"a changed record",
       [](Lines& l) { l[3] = replaced(l[3], "github", "gitlab"); },
       {":4: record 4 was changed", ":5"}},
      {"a removed record", [](Lines& l) { l.erase(l.begin() + 3); }, {":4: record 5 stands where record 4"}},
      {"two records reordered",
       [](Lines& l) { std::swap(l[3], l[4]); },
       {":4: record 5 stands where record 4"}},
      {"a record twice",
       [](Lines& l) { l.insert(l.begin() + 4, l[3]); },
       {":5: record 4 stands where record 5"}},
      {"a line that is no record", [](Lines& l) { l[3] = "{}"; }, {":4: not a record"}},
      {"the last record changed",
       [](Lines& l) { l.back() = replaced(l.back(), "stop", "step"); },
       {"record 12", "checkpoint"}},
      {"the last records removed",
       [](Lines& l) { l.resize(l.size() - 2); },
       {"records 11 to 12 are missing at the end"}},
      {"the beginning removed", [](Lines& l) { l.erase(l.begin()); }, {":1: record 2 stands where record 1"}},
  };
  for (const Row& row : rows) {
    CAPTURE(row.why);
    JournalFixture f;
    {
      auto journal = f.open();
      for (int i = 0; i < 5; ++i) CHECK(f.call(journal->writer(0), "call-" + std::to_string(i)));
    }
    const std::string name = f.folder.files().front();
    auto lines = lines_of(f.folder.file(name));
    REQUIRE(lines.size() == 12);
    row.tamper(lines);
    write_lines(f.folder.file(name), lines);
    auto says = row.says;
    says.push_back(name);
    CHECK(reports(f.verify(), says));
  }
}

TEST_CASE("verify finds a removed segment, a removed chain and records behind a seal") {
  JournalFixture f;
  f.segment_bytes = 1000;
  for (int start = 0; start < 2; ++start) {
    auto journal = f.open();
    for (int i = 0; i < 6; ++i)
      CHECK(f.call(journal->writer(0), std::to_string(start) + "-" + std::to_string(i)));
  }
  CHECK(f.verify().ok);
  const auto files = f.folder.files();

  SUBCASE("a segment in the middle") {
    std::filesystem::remove(f.folder.file(files[1]));
    CHECK(reports(f.verify(), {files[1], "segment is missing"}));
  }
  SUBCASE("the first segment") {
    std::filesystem::remove(f.folder.file(files[0]));
    CHECK(reports(f.verify(), {files[0], "segment is missing"}));
  }
  SUBCASE("all but a segment with the largest number there is") {
    const std::string chain = files[0].substr(0, files[0].rfind('-'));
    std::filesystem::copy(f.folder.file(files[0]), f.folder.file(chain + "-2147483647.jsonl"));
    const auto report = f.verify();
    CHECK(reports(report, {"segment is missing, and 21474836", "before " + chain + "-2147483647.jsonl"}));
    CHECK(report.problems.size() < 100);
  }
  SUBCASE("nothing: a file of a year that clocks do not reach is none of the journal's") {
    std::filesystem::copy(f.folder.file(files[0]), f.folder.file("9223372036854775807-00-00001.jsonl"));
    CHECK(f.verify().ok);
    CHECK(f.open() != nullptr);
  }
  SUBCASE("nothing, but no start can follow the last one that a file may be of") {
    const std::string planted = "253402300799999-00-00001.jsonl";
    std::filesystem::copy(f.folder.file(files[0]), f.folder.file(planted));
    const auto before = f.folder.files();
    const auto refused = f.try_open();
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().what.find("253402300799999-... is of a start after which") != std::string::npos);
    CHECK(f.folder.files() == before);
    std::filesystem::remove(f.folder.file(planted));
    CHECK(f.open() != nullptr);
  }
  SUBCASE("a whole chain") {
    const std::string chain = files[0].substr(0, files[0].rfind('-'));
    for (const auto& file : files) {
      if (file.starts_with(chain)) std::filesystem::remove(f.folder.file(file));
    }
    CHECK(reports(f.verify(), {chain, "whole chain is missing"}));
  }
  SUBCASE("a well-formed record behind the seal") {
    const std::string chain = files[0].substr(0, files[0].rfind('-'));
    std::string last;
    for (const auto& file : files) {
      if (file.starts_with(chain)) last = file;
    }
    auto lines = lines_of(f.folder.file(last));
    ChainHead head{.seq = 14, .hash = sha256(lines.back())};
    std::string line;
    begin_line(line, head, f.clock.millis, "note");
    end_line(line, 0, head);
    line.pop_back();
    lines.push_back(line);
    write_lines(f.folder.file(last), lines);
    CHECK(reports(f.verify(), {last, "sealed this chain"}));
  }
}

TEST_CASE("a start that ended before its first record was whole leaves a journal that verifies") {
  for (const char* left : {"", "{\"seq\":1,"}) {
    CAPTURE(left);
    JournalFixture f;
    std::filesystem::create_directories(f.folder.path + "/journal");
    const SegmentName ended{.start = f.clock.millis - 1000, .shard = 0, .segment = 1};
    write_text(f.folder.file(ended.file()), left);
    {
      auto journal = f.open();
      CHECK(f.call(journal->writer(0), "after"));
    }
    const VerifyReport report = f.verify();
    CHECK(fmt::format("{}", fmt::join(report.problems, "; ")) == "");
    CHECK(report.chains == 2);
    CHECK(report.torn_tails == (*left ? 1 : 0));
  }
}

TEST_CASE("verify holds the journal against a checkpoint that was exported") {
  JournalFixture f;
  std::string exported;
  {
    auto journal = f.open();
    CHECK(f.call(journal->writer(0), "kept"));
    REQUIRE(journal->checkpoint());
    const auto& cut = f.folder.file("checkpoints.jsonl");
    auto checkpoints = lines_of(cut);
    CHECK(f.call(journal->writer(0), "hidden"));
    REQUIRE(journal->checkpoint());
    exported = lines_of(cut).back();
    journal.reset();
    write_lines(cut, checkpoints);  // back to before "hidden", and its records with it
    auto lines = lines_of(f.folder.file(f.folder.files().front()));
    lines.resize(3);
    write_lines(f.folder.file(f.folder.files().front()), lines);
  }
  CHECK(f.verify().ok);
  const auto report = f.verify(exported);
  CHECK(reports(report, {"checkpoints.jsonl", "lacks checkpoint 3"}));
  CHECK(reports(report, {"records 4 to 5 are missing at the end"}));
  write_text(f.folder.path + "/kept.json", exported + "\n");
  CHECK(reports(f.verify(f.folder.path + "/kept.json"), {"lacks checkpoint 3"}));
}

TEST_CASE("verify finds a changed, removed or forged checkpoint") {
  JournalFixture f;
  for (int start = 0; start < 2; ++start) {
    auto journal = f.open();
    CHECK(f.call(journal->writer(0), "c" + std::to_string(start)));
  }
  const std::string file = f.folder.file("checkpoints.jsonl");
  auto lines = lines_of(file);
  REQUIRE(lines.size() == 4);
  SUBCASE("changed") {
    lines[1] = replaced(lines[1], "\"offset\":", "\"offset\":1");
    write_lines(file, lines);
    CHECK(reports(f.verify(), {"checkpoints.jsonl:2", "not a checkpoint signed"}));
  }
  SUBCASE("removed") {
    lines.erase(lines.begin() + 1);
    write_lines(file, lines);
    CHECK(reports(f.verify(), {"checkpoints.jsonl:2", "does not follow"}));
  }
  SUBCASE("signed by another key") {
    f.key = make_signing_key();
    CHECK_FALSE(f.verify().ok);
  }
  SUBCASE("all of them gone") {
    std::filesystem::remove(file);
    CHECK_FALSE(f.verify().ok);
  }
}

TEST_CASE("a payload may be erased, but not changed") {
  JournalFixture f;
  {
    auto journal = f.open();
    for (int i = 0; i < 3; ++i) CHECK(f.call(journal->writer(0), "c" + std::to_string(i), 2));
  }
  const std::string name = f.folder.files(true).front();
  auto lines = lines_of(f.folder.file(name));
  REQUIRE(lines.size() == 6);
  SUBCASE("one erased") {
    lines.erase(lines.begin() + 2);
    write_lines(f.folder.file(name), lines);
    CHECK(f.verify().ok);
  }
  SUBCASE("all erased") {
    std::filesystem::remove(f.folder.file(name));
    CHECK(f.verify().ok);
  }
  SUBCASE("changed") {
    lines[2] = replaced(lines[2], "title", "titel");
    write_lines(f.folder.file(name), lines);
    CHECK(reports(f.verify(), {name + ":3", "payload was changed"}));
  }
}

TEST_CASE("an exported journal unpacks with tar and verifies where it lies") {
  JournalFixture f;
  f.segment_bytes = 1500;
  {
    auto journal = f.open();
    for (int i = 0; i < 10; ++i) CHECK(f.call(journal->writer(0), "c" + std::to_string(i), 2));
  }
  for (const bool payloads : {false, true}) {
    CAPTURE(payloads);
    TestFolder out;
    const std::string tar = out.path + "/journal.tar";
    REQUIRE(export_journal(f.folder.path, f.key.public_key, tar, payloads));
    struct stat status{};
    REQUIRE(::stat(tar.c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0600);
    REQUIRE(std::system(("tar -C " + out.path + " -xf " + tar).c_str()) == 0);
    CHECK(read_text(out.path + "/README.txt").find("SHA-256") != std::string::npos);
    CHECK(read_text(out.path + "/journal/public.hex") == hex(f.key.public_key) + "\n");
    CHECK(out.files().size() == f.folder.files().size());
    CHECK(out.files(true).empty() == !payloads);
    const auto report = verify_journal(out.path, f.key.public_key);
    REQUIRE(report);
    CHECK(report->ok);
    CHECK(report->records == 22);
  }
}

TEST_CASE("an export goes through a FIFO, and to where a link leads, and replaces neither") {
  JournalFixture f;
  CHECK(f.call(f.open()->writer(0), "c"));
  TestFolder out;
  const std::string plain = out.path + "/plain.tar", pipe = out.path + "/pipe", link = out.path + "/link";
  REQUIRE(export_journal(f.folder.path, f.key.public_key, plain, false));
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  std::string got;
  std::thread reader([&] { got = read_text(pipe); });
  const auto exported = export_journal(f.folder.path, f.key.public_key, pipe, false);
  reader.join();
  CHECK(exported);
  CHECK(got == read_text(plain));
  CHECK(std::filesystem::is_fifo(pipe));

  write_text(out.path + "/behind.tar", "old");
  std::filesystem::create_symlink("behind.tar", link);
  REQUIRE(export_journal(f.folder.path, f.key.public_key, link, false));
  CHECK(std::filesystem::is_symlink(link));
  CHECK(read_text(out.path + "/behind.tar") == read_text(plain));
}

// A journal of a million records that a killed server left, without a checkpoint to begin at: the worst case.
// Sanitized builds are many times slower and get a tenth of it: there the time only catches what is not
// linear.
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr int kHalf = 50'000;
constexpr double kSeconds = 20;
#else
constexpr int kHalf = 500'000;
constexpr double kSeconds = 2;
#endif
#endif
TEST_CASE("a journal of a million records opens in under two seconds") {
  JournalFixture f;
  {
    auto journal = f.open();
  }
  std::string prev(64, '0');
  const std::int64_t start = f.clock.millis + 10;
  for (int segment = 1; segment <= 2; ++segment) {
    std::string text;
    text.reserve(100'000'000);
    for (int i = 1; i <= kHalf; ++i) {
      const std::string n = std::to_string((segment - 1) * kHalf + i), call = std::to_string(i / 2);
      const std::size_t begin = text.size();
      text.append(R"({"seq":)").append(n).append(R"(,"t":1800000000011,"type":")");
      text.append(i % 2 == 0 ? "intent" : "outcome").append(R"(","call":"c)").append(call);
      text.append(R"(","target":"s/t","status":"ok","prev":")").append(prev).append("\"}\n");
      prev = sha256_hex(std::string_view(text).substr(begin, text.size() - begin - 1));
    }
    write_text(f.folder.file(SegmentName{.start = start, .shard = 0, .segment = segment}.file()), text);
  }
  const auto began = std::chrono::steady_clock::now();
  auto journal = f.open();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  CAPTURE(took.count());
  CHECK(took.count() < kSeconds);
  // Every intent but the last has its outcome behind it.
  CHECK(f.count("\"type\":\"unknown\"") == 1);
}

TEST_CASE("what a checkpoint covers is not read again at the next start") {
  JournalFixture f;
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    auto journal = Journal::open({.directory = f.folder.path}, f.key, f.clock);
    if (!journal) ::_exit(1);
    auto& writer = (*journal)->writer(0);
    for (int i = 0; i < 100; ++i) writer.outcome({.call = "c", .status = "ok"});
    writer.intent({.call = "open"}, [](Result<void>) {});
    writer.commit();
    if (!(*journal)->checkpoint()) ::_exit(1);
    writer.intent({.call = "later"}, [](Result<void>) {});
    writer.commit();
    ::_exit(0);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(status == 0);
  const std::string file = f.folder.file(f.folder.files().front());
  auto text = read_text(file);
  const auto covered = text.find("\"call\":\"later\"");
  for (std::size_t i = 0; i < covered - 200; ++i) text[i] = 'x';
  write_text(file, text);
  {
    auto journal = f.open();
  }
  CHECK(f.count("\"type\":\"unknown\",\"call\":\"open\"") == 1);
  CHECK(f.count("\"type\":\"unknown\",\"call\":\"later\"") == 1);
  CHECK(f.count("\"type\":\"torn\"") == 0);
}

}  // namespace sallyport::store
