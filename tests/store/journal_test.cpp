#include "sallyport/store/journal.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sallyport/json/document.hpp"
#include "sallyport/store/journal_calls.hpp"
#include "sallyport/store/journal_line.hpp"
#include "store/journal_fixture.hpp"

namespace sallyport::store {

TEST_CASE("a call leaves an intent and an outcome that JSON readers understand and verify accepts") {
  JournalFixture f;
  {
    auto journal = f.open();
    CHECK(f.call(journal->writer(0), "call-1"));
    CHECK_FALSE(journal->writer(0).pending());
    CHECK(journal->state().healthy);
    CHECK(journal->state().records == 3);
  }
  const auto lines = f.read();
  REQUIRE(lines.size() == 4);
  const char* types[] = {"start", "intent", "outcome", "stop"};
  for (std::size_t i = 0; i < lines.size(); ++i) {
    auto document = json::Document::parse(lines[i]);
    REQUIRE(document);
    CHECK(document->root().find("type")->string() == types[i]);
    CHECK(document->root().find("seq")->integer() == static_cast<std::int64_t>(i + 1));
    CHECK(document->root().find("prev")->string() ==
          (i == 0 ? std::string(64, '0') : sha256_hex(lines[i - 1])));
  }
  const auto intent = parse_line(lines[1]);
  REQUIRE(intent);
  CHECK(intent->member("call") == "call-1");
  CHECK(intent->member("target") == "github/create_issue");
  CHECK(intent->member("args").size() == 64);
  CHECK(intent->member("key").empty());
  const auto report = f.verify();
  CHECK(report.ok);
  CHECK(report.records == 4);
  CHECK(report.chains == 1);
  CHECK(report.checkpoints == 2);
  CHECK(report.open_intents == 0);
}

TEST_CASE("what is kept of arguments follows capture, and the chain holds no payload") {
  struct Row {
    const char* why;
    int capture;
    bool digest, salt, payload;
  };
  const Row rows[] = {{"none keeps nothing", 0, false, false, false},
                      {"digest keeps salt beside", 1, true, true, false},
                      {"full keeps the bytes beside", 2, true, true, true}};
  for (const Row& row : rows) {
    CAPTURE(row.why);
    JournalFixture f;
    {
      auto journal = f.open();
      CHECK(f.call(journal->writer(0), "c", row.capture));
    }
    const std::string chain = read_text(f.folder.file(f.folder.files().front()));
    const auto payloads = f.folder.files(true);
    const std::string beside = payloads.empty() ? "" : read_text(f.folder.file(payloads.front()));
    CHECK((chain.find("\"args\":") != std::string::npos) == row.digest);
    CHECK((beside.find("\"salt\":") != std::string::npos) == row.salt);
    CHECK((beside.find("quoted") != std::string::npos) == row.payload);
    CHECK(chain.find("quoted") == std::string::npos);
    CHECK(chain.find("salt") == std::string::npos);
    CHECK(f.verify().ok);
  }
}

TEST_CASE("texts from outside cannot break out of their record") {
  JournalFixture f;
  {
    auto journal = f.open();
    auto& writer = journal->writer(0);
    writer.refusal({.call = "c\"\n{\"seq\":1}",
                    .target = "\xff\xfe",
                    .reason = "denied",
                    .client = "a\\b",
                    .status = 403});
    writer.note("re\"load", "\"generation\":7");
    writer.note("bad", "not json \n}");
    writer.commit();
  }
  for (const std::string& line : f.read()) CHECK(json::Document::parse(line).has_value());
  CHECK(f.count("\"with\":{\"generation\":7}") == 1);
  CHECK(f.verify().ok);
}

TEST_CASE("a chain goes on over segments") {
  JournalFixture f;
  f.segment_bytes = 2000;
  {
    auto journal = f.open();
    for (int i = 0; i < 40; ++i) CHECK(f.call(journal->writer(0), "call-" + std::to_string(i), 2));
  }
  CHECK(f.folder.files().size() > 5);
  const auto report = f.verify();
  CHECK(report.ok);
  CHECK(report.records == 82);
  CHECK(report.chains == 1);
}

TEST_CASE("records of all shards and starts are read in time order, from a time on") {
  JournalFixture f;
  f.shards = 3;
  for (int start = 0; start < 2; ++start) {
    auto journal = f.open();
    for (int i = 0; i < 9; ++i) {
      f.clock.millis += 10;
      CHECK(f.call(journal->writer(i % 3), std::to_string(start) + "-" + std::to_string(i)));
    }
  }
  std::int64_t last = 0;
  for (const std::string& line : f.read()) {
    const auto record = parse_line(line);
    REQUIRE(record);
    CHECK(record->millis >= last);
    last = record->millis;
  }
  CHECK(f.count("\"type\":\"intent\"") == 18);
  for (const std::string& line : f.read(last)) CHECK(parse_line(line)->millis == last);
  int seen = 0;
  CHECK(read_journal(f.folder.path, 0, [&](std::string_view) { return ++seen < 5; }));
  CHECK(seen == 5);
  CHECK(f.verify().chains == 6);
}

TEST_CASE("R1 a callback may record and commit again") {
  JournalFixture f;
  auto journal = f.open();
  auto& writer = journal->writer(0);
  int order = 0;
  writer.intent({.call = "a"}, [&](Result<void> result) {
    CHECK(result);
    CHECK(order++ == 0);
    writer.outcome({.call = "a", .status = "ok"});
    writer.intent({.call = "b"}, [&](Result<void> again) {
      CHECK(again);
      CHECK(order++ == 1);
    });
    writer.commit();
  });
  CHECK(order == 0);
  writer.commit();
  CHECK(order == 2);
  CHECK(f.verify().open_intents == 1);
}

TEST_CASE("F01 an intent whose process was killed before the outcome becomes unknown at the next start") {
  JournalFixture f;
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    auto journal = Journal::open({.directory = f.folder.path}, f.key, f.clock);
    if (!journal) ::_exit(1);
    auto& writer = (*journal)->writer(0);
    const auto go = [](Result<void>) {};
    writer.intent({.call = "done", .target = "s/done"}, go);
    writer.outcome({.call = "done", .status = "ok"});
    writer.intent({.call = "before", .target = "s/before"}, go);
    writer.commit();
    if (!(*journal)->checkpoint()) ::_exit(1);
    writer.intent({.call = "after", .target = "s/after"}, go);
    writer.commit();
    writer.outcome({.call = "before", .status = "ok"});  // never committed
    ::_exit(0);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WEXITSTATUS(status) == 0);
  CHECK(f.verify().open_intents == 2);
  for (int start = 0; start < 3; ++start) {
    auto journal = f.open();  // a second and third start find nothing new
    CHECK(f.count("\"type\":\"unknown\"") == 2);
    CHECK(f.count("\"type\":\"unknown\",\"call\":\"before\",\"target\":\"s/before\"") == 1);
    CHECK(f.count("\"type\":\"unknown\",\"call\":\"after\",\"target\":\"s/after\"") == 1);
  }
  const auto report = f.verify();
  CHECK(report.ok);
  CHECK(report.open_intents == 0);
}

TEST_CASE("F02 a torn tail stays where it is, is recorded, and verify knows it") {
  JournalFixture f;
  {
    auto journal = f.open();
    CHECK(f.call(journal->writer(0), "c"));
  }
  const std::string torn = f.folder.file(f.folder.files().front());
  const std::string before = read_text(torn) + R"({"seq":5,"t":18000000)" + std::string(300, '\0');
  write_text(torn, before);
  CHECK(f.verify().torn_tails == 1);
  {
    auto journal = f.open();
  }
  CHECK(read_text(torn) == before);
  CHECK(f.count("\"type\":\"torn\"") == 1);
  auto report = f.verify();
  CHECK(report.ok);
  CHECK(report.torn_tails == 1);

  write_text(torn, before + "x");  // not the bytes that the record names
  CHECK(
      reports(f.verify(), {std::filesystem::path(torn).filename().string() + ":5", "no torn record names"}));
}

TEST_CASE("F02 an outcome behind bytes that a power cut lost counts for nothing: its call is unknown") {
  JournalFixture f;
  {
    auto journal = f.open();
    auto& writer = journal->writer(0);
    CHECK(f.intent(writer, "acting"));
    writer.note("lost", "");
    f.outcome(writer, "acting");
    writer.commit();
  }
  // The disk had not yet written the block of the note, nor the checkpoint of the stop.
  const std::string file = f.folder.file(f.folder.files().front());
  std::vector<std::string> lines = lines_of(file);
  REQUIRE(lines.size() == 5);
  lines[2].assign(lines[2].size(), '\0');
  lines.pop_back();
  write_lines(file, lines);
  std::filesystem::remove(f.folder.file("checkpoints.jsonl"));
  {
    auto again = f.open();
  }
  CHECK(f.count(R"("type":"torn")") == 1);
  CHECK(f.count(R"("type":"unknown","call":"acting")") == 1);
  const auto report = f.verify();
  CHECK(fmt::format("{}", fmt::join(report.problems, "; ")) == "");
  CHECK(report.torn_tails == 1);
  CHECK(report.open_intents == 0);

  // Not the bytes that the record names.
  lines[3].back() = ' ';
  write_lines(file, lines);
  CHECK(reports(f.verify(), {":3: not a record"}));
}

TEST_CASE("F02 no two lines that a lost block has made one count as a record") {
  // Unsynced, and the power goes: any block of the tail may be zeros, with its neighbours whole.
  constexpr std::size_t kBlock = 512;
  std::string whole;
  for (std::size_t block = 0;; ++block) {
    CAPTURE(block);
    JournalFixture f;
    {
      auto journal = f.open();
      for (int i = 0; i < 12; ++i) CHECK(f.call(journal->writer(0), "call-" + std::to_string(i), 0));
    }
    const std::string file = f.folder.file(f.folder.files().front());
    const std::string checkpoints = f.folder.file("checkpoints.jsonl");
    whole = read_text(file);
    // The first block has a checkpoint behind it.
    if ((block + 2) * kBlock >= whole.size()) break;
    whole.replace((block + 1) * kBlock, kBlock, kBlock, '\0');
    write_text(file, whole);
    auto lines = lines_of(checkpoints);
    lines.resize(1);
    write_lines(checkpoints, lines);
    {
      auto again = f.open();
    }
    CHECK(fmt::format("{}", fmt::join(f.verify().problems, "; ")) == "");
  }
}

TEST_CASE("F02 segments behind bytes that a power cut lost are named with them") {
  JournalFixture f;
  f.segment_bytes = 1000;
  {
    auto journal = f.open();
    for (int i = 0; i < 6; ++i) CHECK(f.call(journal->writer(0), "call-" + std::to_string(i)));
  }
  const auto files = f.folder.files();
  REQUIRE(files.size() > 2);
  std::vector<std::string> lines = lines_of(f.folder.file(files.front()));
  lines.back().assign(lines.back().size(), '\0');
  write_lines(f.folder.file(files.front()), lines);
  std::filesystem::remove(f.folder.file("checkpoints.jsonl"));
  {
    auto again = f.open();
  }
  CHECK(f.count(R"("type":"torn")") == static_cast<int>(files.size()));
  CHECK(fmt::format("{}", fmt::join(f.verify().problems, "; ")) == "");

  write_text(f.folder.file(files[1]), read_text(f.folder.file(files[1])) + "{}\n");
  CHECK(reports(f.verify(), {files[1], "no torn record names"}));
}

TEST_CASE("F02 a payload that a power cut garbled counts as erased") {
  JournalFixture f;
  {
    auto journal = f.open();
    for (int i = 0; i < 3; ++i) CHECK(f.call(journal->writer(0), "call-" + std::to_string(i), 2));
  }
  const std::string file = f.folder.file(f.folder.files(true).front());
  std::vector<std::string> lines = lines_of(file);
  REQUIRE(lines.size() == 6);
  lines[2].assign(lines[2].size(), '\0');
  write_lines(file, lines);
  const auto report = f.verify();
  CHECK(report.ok);
  CHECK(report.garbled_payloads == 1);
}

TEST_CASE("F02 an unfinished checkpoint is named by the next one") {
  JournalFixture f;
  {
    auto journal = f.open();
  }
  const std::string file = f.folder.file("checkpoints.jsonl");
  write_text(file, read_text(file) + R"({"seq":3,"t":1800)");
  {
    auto journal = f.open();
  }
  const auto report = f.verify();
  CHECK(report.ok);
  CHECK(report.torn_tails == 1);
  CHECK(report.checkpoints == 4);
}

TEST_CASE(
    "F02 a checkpoint that a power cut garbled is named by the next one, which goes on from the one before") {
  for (const bool torn : {false, true}) {
    CAPTURE(torn);
    JournalFixture f;
    {
      auto journal = f.open();
      CHECK(f.call(journal->writer(0), "call-1"));
    }
    const std::string file = f.folder.file("checkpoints.jsonl");
    auto lines = lines_of(file);
    REQUIRE(lines.size() == 2);
    // A newline of other blocks' bytes may stand among them.
    lines[1].replace(lines[1].size() / 2, lines[1].size() / 4, lines[1].size() / 4, '\0');
    lines[1][lines[1].size() / 2] = '\n';
    write_text(file, lines[0] + "\n" + lines[1] + "\n" + (torn ? "{\"seq\"" : ""));
    for (int start = 0; start < 2; ++start) {
      auto journal = f.open();
    }
    const auto report = f.verify();
    CHECK(fmt::format("{}", fmt::join(report.problems, "; ")) == "");
    CHECK(report.torn_tails == 1);
    CHECK(report.checkpoints == 5);
    CHECK(f.count("checkpoint_distrusted") == 1);

    std::string changed = read_text(file);
    changed[changed.find('\0')] = 'x';
    write_text(file, changed);
    CHECK(reports(f.verify(), {"checkpoints.jsonl:2", "not a checkpoint signed"}));
  }
}

TEST_CASE("F02 the first checkpoint of all, garbled, is named by the next one") {
  JournalFixture f;
  {
    auto journal = f.open();
    CHECK(f.call(journal->writer(0), "call-1"));
  }
  const std::string file = f.folder.file("checkpoints.jsonl");
  auto lines = lines_of(file);
  lines.resize(1);
  lines[0].replace(10, 20, 20, '\0');
  write_lines(file, lines);
  for (int start = 0; start < 2; ++start) {
    auto journal = f.open();
  }
  const auto report = f.verify();
  CHECK(fmt::format("{}", fmt::join(report.problems, "; ")) == "");
  CHECK(report.checkpoints == 4);
}

TEST_CASE("refusals before authentication are written ten times a second and reason, then counted") {
  JournalFixture f;
  auto journal = f.open();
  auto& writer = journal->writer(0);
  const auto refuse = [&](const char* reason, bool before) {
    writer.refusal({.call = "x", .reason = reason, .status = 401, .before_authentication = before});
  };
  for (int i = 0; i < 500; ++i) refuse("unauthenticated", true);
  for (int i = 0; i < 3; ++i) refuse("forbidden", true);
  for (int i = 0; i < 20; ++i) refuse("denied", false);
  writer.commit();
  CHECK(f.count("\"reason\":\"unauthenticated\"") == 10);
  CHECK(f.count("\"reason\":\"forbidden\"") == 3);
  CHECK(f.count("\"reason\":\"denied\"") == 20);
  f.clock.millis += 1000;
  writer.commit();  // nobody else has to come for that
  CHECK(f.count("\"type\":\"refusals\",\"reason\":\"unauthenticated\",\"count\":490") == 1);
  refuse("unauthenticated", true);
  writer.commit();
  CHECK(f.count("\"type\":\"refusals\",\"reason\":\"unauthenticated\",\"count\":490") == 1);
  for (int i = 0; i < 12; ++i) refuse("unauthenticated", true);
  journal.reset();  // what is counted when the program stops is written
  CHECK(f.count("\"type\":\"refusals\",\"reason\":\"unauthenticated\",\"count\":3") == 1);
  CHECK(f.verify().ok);
}

TEST_CASE("what clients make up does not fill the journal") {
  JournalFixture f;
  auto journal = f.open();
  auto& writer = journal->writer(0);
  const std::string endless(1'000'000, 'x');
  writer.refusal(
      {.call = "r", .endpoint = "/mcp/" + endless, .method = endless, .target = endless, .status = 404});
  writer.intent({.call = "i", .method = endless, .target = endless, .capture = 0}, {});
  writer.outcome({.call = "i", .status = "ok", .capture = 0});
  writer.commit();
  journal.reset();
  for (const std::string& line : f.read()) CHECK(line.size() < 6000);
  CHECK(f.count("x... (1000000 bytes)") == 2);
  CHECK(f.count("x... (1000005 bytes)") == 1);
  CHECK(f.verify().open_intents == 0);
}

TEST_CASE("the table of open calls finds every call whatever was removed before") {
  OpenCalls calls;
  const auto name = [](int i) { return "call-" + std::to_string(i); };
  for (int i = 0; i < 1000; ++i) calls.add(name(i), "t", static_cast<std::uint64_t>(i), i);
  for (int i = 0; i < 1000; i += 2) CHECK(calls.remove(name(i)));
  for (int i = 0; i < 1000; ++i) CHECK(calls.remove(name(i)) == (i % 2 == 1));
  CHECK(calls.size() == 0);
  CHECK_FALSE(OpenCalls().remove("x"));
}

TEST_CASE("an idle journal does not fill its checkpoints") {
  JournalFixture f;
  auto journal = f.open();
  for (int i = 0; i < 10; ++i) CHECK(journal->checkpoint());
  CHECK(lines_of(f.folder.file("checkpoints.jsonl")).size() == 1);
  CHECK(f.call(journal->writer(0), "c"));
  CHECK(journal->checkpoint());
  CHECK(lines_of(f.folder.file("checkpoints.jsonl")).size() == 2);
}

}  // namespace sallyport::store
