#include <fmt/ranges.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <semaphore>
#include <set>
#include <thread>

#include "store/journal_fixture.hpp"

namespace sallyport::store {

TEST_CASE("F03 a disk that refuses fails intents closed, says why, and recovers by itself") {
  struct Row {
    const char* why;
    int error;
    std::size_t room;  ///< what goes in before the error: short writes
  };
  const Row rows[] = {{"full at once", ENOSPC, 0},
                      {"full in the middle of a record", ENOSPC, 100},
                      {"full in the middle of the payloads", ENOSPC, 20},
                      {"full after the payloads", ENOSPC, 130},
                      {"an I/O error", EIO, 0},
                      {"an I/O error in the middle", EIO, 333},
                      {"mounted read-only", EROFS, 0}};
  for (const Row& row : rows) {
    CAPTURE(row.why);
    JournalFixture f;
    auto journal = f.open();
    auto& writer = journal->writer(0);
    CHECK(f.intent(writer, "acting"));
    const std::string file = f.folder.file(f.folder.files().front());
    const std::string before = read_text(file);

    f.disk.write_error = row.error;
    f.disk.room = row.room;
    f.outcome(writer, "acting");
    CHECK_FALSE(f.intent(writer, "refused"));
    CHECK(read_text(file) == before);
    CHECK_FALSE(journal->state().healthy);
    CHECK(journal->state().problem.find(std::strerror(row.error)) != std::string::npos);
    CHECK(writer.pending());
    CHECK_FALSE(f.intent(writer, "refused too"));

    f.disk.write_error = 0;
    CHECK(f.intent(writer, "accepted"));
    f.outcome(writer, "accepted");
    writer.commit();
    CHECK(journal->state().healthy);
    journal.reset();
    CHECK(f.count("refused too") == 0);
    CHECK(f.count("\"call\":\"refused\"") == 0);
    CHECK(f.count("\"type\":\"outcome\",\"call\":\"acting\"") == 1);
    CHECK(f.count("\"intents_refused\":2,\"records_lost\":0") == 1);
    const auto report = f.verify();
    CHECK(report.ok);
    CHECK(report.open_intents == 0);
  }
}

TEST_CASE("F03 bytes that cannot be cut off again are named, and the chain goes on in a new segment") {
  JournalFixture f;
  auto journal = f.open();
  auto& writer = journal->writer(0);
  f.disk.write_error = EIO;
  f.disk.room = 150;
  f.disk.truncate_error = EIO;
  CHECK_FALSE(f.intent(writer, "refused", 0));
  f.disk = {};
  CHECK(f.call(writer, "accepted", 0));
  journal.reset();
  CHECK(f.folder.files().size() == 2);
  CHECK(f.count("\"type\":\"torn\"") == 1);
  auto report = f.verify();
  CHECK(report.ok);
  CHECK(report.torn_tails == 1);
  {
    auto again = f.open();
  }
  CHECK(f.count("\"type\":\"torn\"") == 1);
  CHECK(f.verify().ok);
}

TEST_CASE("F03 what was refused is no record, also where whole lines of it could not be cut off again") {
  for (const bool killed : {false, true}) {
    CAPTURE(killed);
    JournalFixture f;
    auto journal = f.open();
    auto& writer = journal->writer(0);
    CHECK(f.intent(writer, "acting", 0));
    f.outcome(writer, "acting", 0);
    int refused = 0;
    const auto count = [&](const Result<void>& done) { refused += !done; };
    writer.intent({.call = "refused", .target = "a/b", .capture = 0}, count);
    const std::string long_name(4000, 'b');
    writer.intent({.call = "refused too", .target = long_name, .capture = 0}, count);
    f.disk.write_error = EIO;
    f.disk.room = 1500;  // half of the last
    f.disk.truncate_error = EIO;
    writer.commit();
    f.disk = {};
    CHECK(refused == 2);
    CHECK(f.call(writer, "accepted", 0));
    CHECK(f.intent(writer, "open", 0));
    const auto files = f.folder.files();
    REQUIRE(files.size() == 2);
    CHECK(read_text(f.folder.file(files[0])).find("\"call\":\"refused\"") != std::string::npos);
    if (killed) {
      const TestFolder kept;
      const std::string ours = f.folder.path + "/journal", copy = kept.path + "/journal";
      std::filesystem::copy(ours, copy, std::filesystem::copy_options::recursive);
      journal.reset();
      std::filesystem::remove_all(ours);
      std::filesystem::rename(copy, ours);
    }
    journal.reset();
    for (int start = 0; start < 2; ++start) {
      auto again = f.open();
    }
    CHECK(f.count("\"type\":\"torn\"") == 1);
    CHECK(f.count("\"type\":\"unknown\"") == 1);
    CHECK(f.count("\"type\":\"unknown\",\"call\":\"open\"") == 1);
    const auto report = f.verify();
    CHECK(fmt::format("{}", fmt::join(report.problems, "; ")) == "");
    CHECK(report.torn_tails == 1);
  }
}

TEST_CASE("F04 outcomes that cannot be written are kept up to a bound, and what is lost is counted") {
  JournalFixture f;
  auto journal = f.open();
  auto& writer = journal->writer(0);
  f.disk.write_error = ENOSPC;
  f.disk.room = 0;
  const std::string code(1000, 'x');
  for (int round = 0; round < 100; ++round) {
    for (int i = 0; i < 100; ++i)
      writer.outcome({.call = "c", .status = "error", .code = code, .capture = 0});
    writer.commit();
  }
  f.disk = {};
  writer.commit();
  journal.reset();
  const int kept = f.count("\"type\":\"outcome\"");
  CHECK(kept > 1000);
  CHECK(kept < 5000);
  CHECK(f.count("\"records_lost\":" + std::to_string(10000 - kept)) == 1);
  CHECK(f.verify().ok);
}

TEST_CASE("F03 a new segment that cannot be created does not stop the journal") {
  JournalFixture f;
  f.segment_bytes = 500;
  auto journal = f.open();
  f.disk.open_error = ENFILE;
  for (int i = 0; i < 10; ++i) CHECK(f.call(journal->writer(0), "c" + std::to_string(i), 0));
  CHECK(f.folder.files().size() == 1);
  f.disk.open_error = 0;
  CHECK(f.call(journal->writer(0), "last", 0));
  CHECK(f.folder.files().size() == 2);
  journal.reset();
  CHECK(f.verify().ok);
}

TEST_CASE("F03 a checkpoint that cannot be written makes the journal unhealthy until one can") {
  JournalFixture f;
  auto journal = f.open();
  CHECK(f.call(journal->writer(0), "c"));
  f.disk.write_error = ENOSPC;
  f.disk.room = 0;
  CHECK_FALSE(journal->checkpoint());
  CHECK_FALSE(journal->state().healthy);
  f.disk = {};
  CHECK(journal->checkpoint());
  CHECK(journal->state().healthy);
  journal.reset();
  CHECK(f.verify().ok);
}

TEST_CASE("F03 checkpoints of which parts could not be cut off again are named by the next one") {
  for (const int failures : {1, 2, 3}) {
    CAPTURE(failures);
    JournalFixture f;
    auto journal = f.open();
    CHECK(f.call(journal->writer(0), "c"));
    for (int i = 0; i < failures; ++i) {
      f.disk.write_error = EIO;
      f.disk.room = i == 1 ? 1 : 100;  // the second leaves its newline alone
      f.disk.truncate_error = EIO;
      CHECK_FALSE(journal->checkpoint());
    }
    f.disk = {};
    CHECK(journal->checkpoint());
    CHECK(journal->state().healthy);
    journal.reset();
    const auto report = f.verify();
    CHECK(fmt::format("{}", fmt::join(report.problems, "; ")) == "");
    CHECK(report.torn_tails == 1);
  }
}

TEST_CASE("F03 a disk that fails again while the residue of the first failure is being named") {
  for (const std::size_t room : {0U, 50U, 400U}) {
    CAPTURE(room);
    JournalFixture f;
    auto journal = f.open();
    auto& writer = journal->writer(0);
    const auto fail_with = [&](std::size_t bytes) {
      f.disk.write_error = EIO;
      f.disk.room = bytes;
      f.disk.truncate_error = EIO;
    };
    int refused = 0;
    const auto count = [&](const Result<void>& done) { refused += !done; };
    writer.intent({.call = "refused", .target = "a/b", .capture = 0}, count);
    writer.intent({.call = "refused too", .target = std::string(4000, 'b'), .capture = 0}, count);
    fail_with(1500);
    writer.commit();
    fail_with(room);
    writer.commit();
    f.disk = {};
    CHECK(refused == 2);
    CHECK(f.call(writer, "accepted", 0));
    CHECK(f.intent(writer, "open", 0));
    journal.reset();
    std::filesystem::remove(f.folder.file("checkpoints.jsonl"));
    auto again = f.open();
    again.reset();
    CHECK(f.count("\"type\":\"unknown\"") <= 1);
    const auto report = f.verify();
    CHECK(fmt::format("{}", fmt::join(report.problems, "; ")) == "");
  }
}

TEST_CASE("whether the journal is well is told at once, also while a checkpoint waits for the disk") {
  JournalFixture f;
  std::binary_semaphore reached(0), go(0);
  std::atomic<bool> slow = false;
  FileCalls calls = f.disk.calls();
  calls.sync = [&, sync = calls.sync](int fd) {
    if (slow.exchange(false)) {
      reached.release();
      go.acquire();
    }
    return sync(fd);
  };
  auto journal = Journal::open({.directory = f.folder.path, .post = {}, .files = calls}, f.key, f.clock);
  REQUIRE(journal);
  CHECK(f.call((*journal)->writer(0), "c"));
  slow = true;
  std::thread checkpoint([&] { CHECK((*journal)->checkpoint()); });
  reached.acquire();
  CHECK((*journal)->state().healthy);
  CHECK(f.call((*journal)->writer(0), "d"));
  go.release();
  checkpoint.join();
}

TEST_CASE("a checkpoint names nothing of which a segment before it is not synced") {
  JournalFixture f;
  std::set<std::string> synced;
  FileCalls calls = f.disk.calls();
  calls.sync = [&, sync = calls.sync](int fd) {
    synced.insert(std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(fd)).filename());
    return sync(fd);
  };
  auto journal = Journal::open({.directory = f.folder.path, .post = {}, .segment_bytes = 500, .files = calls},
                               f.key, f.clock);
  REQUIRE(journal);
  for (int i = 0; i < 6; ++i) CHECK(f.call((*journal)->writer(0), "c" + std::to_string(i), 0));
  const auto files = f.folder.files();
  REQUIRE(files.size() > 3);
  CHECK((*journal)->checkpoint());
  for (const std::string& file : files) {
    CAPTURE(file);
    CHECK(synced.contains(file));
  }
}

namespace {

/// Runs posted work on the test's own thread, as a shard would.
class TestShard {
 public:
  bool post(std::move_only_function<void()> work) {
    const std::lock_guard lock(mutex_);
    if (refuse > 0) {
      --refuse;
      return false;
    }
    queue_.push_back(std::move(work));
    wake_.notify_one();
    return true;
  }
  void run_one() {
    std::unique_lock lock(mutex_);
    REQUIRE(wake_.wait_for(lock, std::chrono::seconds(20), [this] { return !queue_.empty(); }));
    auto work = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    work();
  }
  int refuse = 0;  ///< posts that find the mailbox full

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::move_only_function<void()>> queue_;
};

}  // namespace

TEST_CASE("F02 with durability disk an intent is acknowledged on its shard after its sync") {
  JournalFixture f;
  TestShard shards[2];
  std::atomic<int> syncs{0};
  auto files = f.disk.calls();
  files.sync = [&syncs, sync = files.sync](int fd) {
    ++syncs;
    return sync(fd);
  };
  auto journal =
      Journal::open({.directory = f.folder.path,
                     .durability = Durability::disk,
                     .shards = 2,
                     .post = [&](int shard, auto work) { return shards[shard].post(std::move(work)); },
                     .files = files},
                    f.key, f.clock);
  REQUIRE(journal);
  const int before = syncs;
  const auto self = std::this_thread::get_id();
  for (int shard = 0; shard < 2; ++shard) {
    shards[shard].refuse = shard;  // a full mailbox is tried again
    auto& writer = (*journal)->writer(shard);
    bool acknowledged = false;
    writer.intent({.call = "c" + std::to_string(shard)}, [&](Result<void> result) {
      CHECK(result);
      CHECK(std::this_thread::get_id() == self);
      CHECK(syncs > before);
      acknowledged = true;
    });
    writer.commit();
    CHECK_FALSE(acknowledged);
    shards[shard].run_one();
    CHECK(acknowledged);
    writer.outcome({.call = "c" + std::to_string(shard), .status = "ok"});
    writer.commit();
  }
  journal->reset();
  CHECK(f.verify().ok);
  CHECK(f.verify().open_intents == 0);
}

TEST_CASE("F02 an outcome, for which nobody waits, is synced a moment later all the same") {
  JournalFixture f;
  TestShard shard;
  std::counting_semaphore<> synced(0);
  auto files = f.disk.calls();
  files.sync = [&synced, sync = files.sync](int fd) {
    const int done = sync(fd);
    synced.release();
    return done;
  };
  auto journal = Journal::open({.directory = f.folder.path,
                                .durability = Durability::disk,
                                .shards = 1,
                                .post = [&](int, auto work) { return shard.post(std::move(work)); },
                                .files = files},
                               f.key, f.clock);
  REQUIRE(journal);
  auto& writer = (*journal)->writer(0);
  writer.intent({.call = "c"}, [](Result<void> result) { CHECK(result); });
  writer.commit();
  shard.run_one();
  while (synced.try_acquire()) {
  }
  writer.outcome({.call = "c", .status = "ok"});
  writer.commit();
  CHECK(synced.try_acquire_for(std::chrono::seconds(10)));
}

TEST_CASE("F02 an intent that comes when the disk has room again is synced in the segment that it fills") {
  JournalFixture f;
  TestShard shard;
  std::mutex mutex;
  std::set<std::string> synced;
  auto files = f.disk.calls();
  files.sync = [&, sync = files.sync](int fd) {
    const auto path = std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(fd));
    const std::lock_guard lock(mutex);
    synced.insert(path.filename());
    return sync(fd);
  };
  auto journal = Journal::open({.directory = f.folder.path,
                                .durability = Durability::disk,
                                .post = [&](int, auto work) { return shard.post(std::move(work)); },
                                .segment_bytes = 1000,
                                .files = files},
                               f.key, f.clock);
  REQUIRE(journal);
  auto& writer = (*journal)->writer(0);
  const std::string long_target(2000, 'x');
  bool accepted = false;
  f.disk.write_error = ENOSPC;
  f.disk.room = 0;
  writer.intent({.call = "refused"}, [](Result<void> result) { CHECK_FALSE(result); });
  writer.commit();
  f.disk.write_error = 0;
  {
    const std::lock_guard lock(mutex);
    synced.clear();
  }
  writer.intent({.call = "fills", .target = long_target}, [&](Result<void> result) { accepted = !!result; });
  writer.commit();
  shard.run_one();
  CHECK(accepted);
  const std::string segment = f.folder.files().front();
  CHECK(read_text(f.folder.file(segment)).contains("\"call\":\"fills\""));
  {
    const std::lock_guard lock(mutex);
    CHECK(synced.contains(segment));
  }
  writer.intent({.call = "behind"}, [](Result<void>) {});
  writer.commit();
  shard.run_one();
  journal->reset();
  CHECK(f.folder.files().size() == 2);
  CHECK(f.count("\"intents_refused\":1") == 1);
  CHECK(f.verify().ok);
}

TEST_CASE("F02 a sync that fails refuses its intents, closes them in the record and leaves the segment") {
  JournalFixture f;
  TestShard shard;
  auto journal = Journal::open({.directory = f.folder.path,
                                .durability = Durability::disk,
                                .post = [&](int, auto work) { return shard.post(std::move(work)); },
                                .files = f.disk.calls()},
                               f.key, f.clock);
  REQUIRE(journal);
  auto& writer = (*journal)->writer(0);
  const auto intent = [&](const char* call) {
    bool ok = false;
    writer.intent({.call = call}, [&](Result<void> result) { ok = result.has_value(); });
    writer.commit();
    shard.run_one();
    return ok;
  };
  f.disk.sync_error = EIO;
  CHECK_FALSE(intent("refused"));
  CHECK_FALSE((*journal)->state().healthy);
  f.disk.sync_error = 0;
  CHECK(intent("accepted"));
  CHECK((*journal)->state().healthy);
  journal->reset();
  CHECK(f.folder.files().size() == 2);
  CHECK(f.count("\"type\":\"outcome\",\"call\":\"refused\",\"status\":\"error\",\"code\":\"storage\"") == 1);
  CHECK(f.verify().ok);
  CHECK(f.verify().open_intents == 1);
}

TEST_CASE("F02 what was written while a sync failed is not acknowledged by the next sync of the same file") {
  JournalFixture f;
  TestShard shard;
  std::atomic<bool> hold{false};
  std::binary_semaphore entered(0), go(0);
  auto files = f.disk.calls();
  files.sync = [&, sync = files.sync](int fd) {
    if (!hold.exchange(false)) return sync(fd);
    entered.release();
    go.acquire();
    errno = EIO;
    return -1;
  };
  auto journal = Journal::open({.directory = f.folder.path,
                                .durability = Durability::disk,
                                .post = [&](int, auto work) { return shard.post(std::move(work)); },
                                .files = files},
                               f.key, f.clock);
  REQUIRE(journal);
  auto& writer = (*journal)->writer(0);
  std::vector<bool> taken;
  const auto intent = [&](const char* call) {
    writer.intent({.call = call}, [&](Result<void> result) { taken.push_back(result.has_value()); });
    writer.commit();
  };
  hold = true;
  intent("first");
  entered.acquire();
  intent("second");
  go.release();
  shard.run_one();
  shard.run_one();
  CHECK(taken == std::vector<bool>{false, false});
  intent("third");
  shard.run_one();
  CHECK(taken.back());
  CHECK((*journal)->state().healthy);
  journal->reset();
  CHECK(f.count("\"status\":\"error\",\"code\":\"storage\"") == 2);
  CHECK(f.verify().ok);
}

TEST_CASE("F02 a segment that a checkpoint could not sync is left, also where nobody calls") {
  JournalFixture f;
  TestShard shard;
  auto journal = Journal::open({.directory = f.folder.path,
                                .durability = Durability::disk,
                                .post = [&](int, auto work) { return shard.post(std::move(work)); },
                                .files = f.disk.calls()},
                               f.key, f.clock);
  REQUIRE(journal);
  auto& writer = (*journal)->writer(0);
  writer.intent({.call = "c"}, [](Result<void> result) { CHECK(result); });
  writer.commit();
  shard.run_one();
  f.disk.sync_error = EIO;
  CHECK_FALSE((*journal)->checkpoint());
  f.disk.sync_error = 0;
  CHECK_FALSE((*journal)->checkpoint());
  CHECK_FALSE((*journal)->state().healthy);
  shard.run_one();
  writer.intent({.call = "d"}, [](Result<void> result) { CHECK(result); });
  writer.commit();
  shard.run_one();
  CHECK((*journal)->checkpoint());
  CHECK((*journal)->state().healthy);
  journal->reset();
  CHECK(f.folder.files().size() == 2);
  CHECK(f.verify().ok);
}

TEST_CASE("durability disk without a way back to the shards is refused at start") {
  JournalFixture f;
  const auto journal =
      Journal::open({.directory = f.folder.path, .durability = Durability::disk}, f.key, f.clock);
  REQUIRE_FALSE(journal);
  CHECK(journal.error().code == Code::bad_request);
}

}  // namespace sallyport::store
