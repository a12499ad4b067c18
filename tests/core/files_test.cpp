#include "sallyport/core/files.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <streambuf>
#include <thread>

using namespace sallyport;

namespace {

namespace fs = std::filesystem;

struct Folder {
  Folder() {
    std::string name = (fs::temp_directory_path() / "sallyport-files-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~Folder() { fs::remove_all(path); }
  std::string operator()(const std::string& name) const { return (path / name).string(); }
  std::size_t count() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(path), fs::directory_iterator()));
  }
  fs::path path;
};

std::string text_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

Result<void> put(const std::string& path, std::string_view text, unsigned mode = 0600) {
  return write_whole_file(path, mode, [&](int fd) { return write_all(fd, text, path); });
}

/// A stream that never ends, and counts what was taken of it.
struct Endless : std::streambuf {
  int_type underflow() override {
    taken += sizeof block;
    setg(block, block, block + sizeof block);
    return traits_type::to_int_type(block[0]);
  }
  char block[4096] = {};
  std::size_t taken = 0;
};

}  // namespace

TEST_CASE("a stream is read to its end, or not much further than its bound") {
  std::istringstream fits(std::string(100'000, 'x')), empty;
  CHECK(read_whole(fits, "stdin", 100'000).value().size() == 100'000);
  CHECK(read_whole(empty, "stdin", 10).value().empty());
  Endless endless;
  std::istream in(&endless);
  const auto read = read_whole(in, "stdin", 4 * 1024 * 1024);
  REQUIRE_FALSE(read);
  CHECK(read.error().code == Code::too_large);
  CHECK(read.error().hint.contains("stdin is longer than 4 MiB"));
  CHECK(endless.taken <= 4 * 1024 * 1024 + 8192);
}

TEST_CASE("a file is read by the same bound; what is absent or a folder is said so") {
  const Folder folder;
  std::ofstream(folder("a")) << "12345";
  CHECK(read_whole_file(folder("a"), 5).value() == "12345");
  CHECK(read_whole_file(folder("a"), 4).error().code == Code::too_large);
  CHECK(read_whole_file(folder("absent"), 5).error().hint == "cannot read " + folder("absent"));
  CHECK(read_whole_file(folder.path.string(), 5).error().code == Code::bad_request);
}

TEST_CASE("a file is written wholly, with its mode, in place of one that is there") {
  const Folder folder;
  std::ofstream(folder("a")) << "old";
  REQUIRE(put(folder("a"), "new"));
  CHECK(text_of(folder("a")) == "new");
  CHECK((fs::status(folder("a")).permissions() & fs::perms::all) ==
        (fs::perms::owner_read | fs::perms::owner_write));
  CHECK(folder.count() == 1);
}

TEST_CASE("what fails leaves the old file and nothing beside it") {
  const Folder folder;
  std::ofstream(folder("a")) << "old";
  const auto failed = write_whole_file(folder("a"), 0600, [&](int fd) -> Result<void> {
    CHECK(write_all(fd, "half", "a"));
    return fail(Code::storage, Blame::admin, "no more");
  });
  CHECK(failed.error().what == "no more");
  CHECK(text_of(folder("a")) == "old");
  CHECK(folder.count() == 1);
  CHECK(put(folder("absent/a"), "x").error().what.contains("No such file"));
  CHECK(put(folder.path.string(), "x").error().what.contains("Is a directory"));
}

TEST_CASE("a symbolic link stays one: the file behind it is replaced, or made") {
  const Folder folder;
  fs::create_directory(folder("deep"));
  std::ofstream(folder("deep/file")) << "old";
  fs::create_symlink("deep/file", folder("one"));
  fs::create_symlink("one", folder("two"));
  fs::create_symlink("deep/made", folder("dangling"));
  fs::create_symlink("circle", folder("circle"));
  REQUIRE(put(folder("two"), "new"));
  CHECK(fs::is_symlink(folder("one")));
  CHECK(fs::is_symlink(folder("two")));
  CHECK(text_of(folder("deep/file")) == "new");
  REQUIRE(put(folder("dangling"), "made"));
  CHECK(fs::is_symlink(folder("dangling")));
  CHECK(text_of(folder("deep/made")) == "made");
  CHECK_FALSE(put(folder("circle"), "x"));
}

TEST_CASE("a FIFO is written to, also behind a link, and stays one") {
  const Folder folder;
  REQUIRE(::mkfifo(folder("pipe").c_str(), 0600) == 0);
  fs::create_symlink("pipe", folder("link"));
  for (const char* name : {"pipe", "link"}) {
    std::string got;
    std::thread reader([&] { got = text_of(folder("pipe")); });
    CHECK(put(folder(name), "through"));
    reader.join();
    CHECK(got == "through");
    CHECK(fs::is_fifo(folder("pipe")));
    CHECK(folder.count() == 2);
  }
}

TEST_CASE("links and FIFOs of other users are not followed, and the refusal names path and owner") {
  if (::geteuid() != 0) {
    MESSAGE("not run: only root can make what belongs to another user");
    return;
  }
  constexpr uid_t kOther = 65534;
  const Folder folder;
  std::ofstream(folder("file")) << "old";
  REQUIRE(::mkfifo(folder("pipe").c_str(), 0666) == 0);
  fs::create_symlink("file", folder("link"));
  fs::create_symlink("absent", folder("dangling"));
  fs::create_symlink("link", folder("ours to theirs"));
  fs::create_symlink("pipe", folder("ours to a pipe"));
  fs::create_symlink("/dev/null", folder("device"));
  for (const char* name : {"pipe", "link", "dangling", "device"})
    REQUIRE(::lchown(folder(name).c_str(), kOther, kOther) == 0);
  const int reader = ::open(folder("pipe").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);

  struct Row {
    const char *name, *refused, *kind;
  };
  const Row rows[] = {{"pipe", "pipe", "FIFO"},           {"link", "link", "link"},
                      {"dangling", "dangling", "link"},   {"device", "device", "link"},
                      {"ours to theirs", "link", "link"}, {"ours to a pipe", "pipe", "FIFO"}};
  for (const Row& row : rows) {
    CAPTURE(row.name);
    const auto done = put(folder(row.name), "secret");
    REQUIRE_FALSE(done);
    CHECK(done.error().what.contains(folder(row.refused) + " is a "));
    CHECK(done.error().what.contains(std::string(row.kind) + " of another user (65534)"));
  }
  char got[16];
  CHECK(::read(reader, got, sizeof got) <= 0);
  ::close(reader);
  CHECK(text_of(folder("file")) == "old");
  CHECK(folder.count() == 7);
}

TEST_CASE("devices, and what standard output leads to, are written to whoever owns them") {
  CHECK(put("/dev/null", "x"));
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  if (::geteuid() == 0) REQUIRE(::fchown(ends[1], 65534, 65534) == 0);  // as under sudo
  const int output = ::dup(STDOUT_FILENO);
  ::dup2(ends[1], STDOUT_FILENO);
  const auto done = put("/dev/stdout", "through");
  ::dup2(output, STDOUT_FILENO);
  ::close(output);
  ::close(ends[1]);
  CHECK_MESSAGE(done, (done ? "" : done.error().what));
  char got[16];
  CHECK(::read(ends[0], got, sizeof got) == 7);
  ::close(ends[0]);
}

TEST_CASE("an unfinished file has no name that a killed process could leave") {
  const Folder folder;
  const int fd = ::open(folder.path.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
  if (fd < 0) {
    MESSAGE("not run: this file system has no files without a name");
    return;
  }
  ::close(fd);
  for (const char* before : {"", "old"}) {
    if (*before != '\0') std::ofstream(folder("a")) << before;
    const auto there = folder.count();
    REQUIRE(write_whole_file(folder("a"), 0640, [&](int out) {
      CHECK(folder.count() == there);
      return write_all(out, "new", "a");
    }));
    CHECK(text_of(folder("a")) == "new");
    CHECK(folder.count() == 1);
    fs::remove(folder("a"));
  }
}
