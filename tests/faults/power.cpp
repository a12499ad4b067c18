#include "power.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <vector>

namespace sallyport::faults {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kBlock = 4096;

struct Entry {
  char kind;  ///< 'f' file, 'd' directory
  ino_t inode;
  std::string name;
};

std::string read_file(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

class PowerCut {
 public:
  PowerCut(std::string keep, Unsynced unsynced, Dice& dice)
      : keep_(std::move(keep)), unsynced_(unsynced), dice_(dice) {}

  void run(const fs::path& root) {
    find_files(root);
    const fs::path fresh = root.string() + ".after";
    struct stat info{};
    ::stat(root.c_str(), &info);
    directory(info.st_ino, fresh);
    fs::remove_all(root);
    fs::rename(fresh, root);
    // What is there now stays; under new inodes.
    fs::remove_all(keep_);
    fs::create_directory(keep_);
    remember(root);
  }

 private:
  void find_files(const fs::path& folder) {
    struct stat info{};
    ::stat(folder.c_str(), &info);
    auto& names = present_[info.st_ino];
    for (const auto& entry : fs::directory_iterator(folder)) {
      struct stat each{};
      if (::lstat(entry.path().c_str(), &each) != 0) continue;
      if (S_ISDIR(each.st_mode)) {
        names.push_back({'d', each.st_ino, entry.path().filename()});
        find_files(entry.path());
      } else if (S_ISREG(each.st_mode)) {
        names.push_back({'f', each.st_ino, entry.path().filename()});
        bytes_[each.st_ino] = read_file(entry.path());
      }
    }
  }

  void remember(const fs::path& folder) {
    struct stat info{};
    ::stat(folder.c_str(), &info);
    std::ofstream names(keep_ + "/d" + std::to_string(info.st_ino));
    for (const auto& entry : fs::directory_iterator(folder)) {
      struct stat each{};
      ::stat(entry.path().c_str(), &each);
      names << (entry.is_directory() ? 'd' : 'f') << ' ' << each.st_ino << ' '
            << entry.path().filename().string() << '\n';
      if (entry.is_directory()) {
        remember(entry.path());
      } else {
        fs::copy_file(entry.path(), keep_ + "/f" + std::to_string(each.st_ino));
      }
    }
  }

  std::vector<Entry> names_of(ino_t inode) {
    if (unsynced_ == Unsynced::some && dice_.one_in(2)) return present_[inode];
    std::vector<Entry> out;
    std::ifstream in(keep_ + "/d" + std::to_string(inode));
    Entry entry;
    while (in >> entry.kind >> entry.inode && std::getline(in >> std::ws, entry.name)) {
      if (entry.kind != 'o') out.push_back(entry);
    }
    std::ranges::sort(out, {}, &Entry::name);
    return out;
  }

  void directory(ino_t inode, const fs::path& to) {
    fs::create_directory(to);
    fs::permissions(to, fs::perms::owner_all);
    for (const auto& entry : names_of(inode)) {
      if (entry.kind == 'd') {
        directory(entry.inode, to / entry.name);
        continue;
      }
      const std::string kept = read_file(keep_ + "/f" + std::to_string(entry.inode));
      std::ofstream(to / entry.name, std::ios::binary) << mixed(kept, bytes_[entry.inode]);
      fs::permissions(to / entry.name, fs::perms::owner_read | fs::perms::owner_write);
    }
  }

  std::string mixed(const std::string& kept, const std::string& present) {
    if (unsynced_ == Unsynced::lost || present.empty() || kept == present) return kept;
    // The new length may be there before the new bytes are.
    std::string out = kept;
    const bool longer = present.size() > kept.size();
    if (longer && dice_.one_in(2)) out.resize(present.size());
    for (std::size_t at = 0; at < std::min(out.size(), present.size()); at += kBlock) {
      const std::size_t size = std::min({kBlock, out.size() - at, present.size() - at});
      if (dice_.one_in(2)) out.replace(at, size, present, at, size);
    }
    // Or the file grew in order and was cut off anywhere.
    if (longer && out.size() == kept.size() && present.starts_with(kept)) {
      const auto more = static_cast<int>(std::min<std::size_t>(present.size() - kept.size(), 1'000'000));
      out = present.substr(0, kept.size() + static_cast<std::size_t>(dice_.between(0, more)));
    }
    return out;
  }

  const std::string keep_;
  const Unsynced unsynced_;
  Dice& dice_;
  std::map<ino_t, std::vector<Entry>> present_;
  std::map<ino_t, std::string> bytes_;
};

}  // namespace

void cut_power(const std::string& root, const std::string& keep, Unsynced unsynced, Dice& dice) {
  PowerCut(keep, unsynced, dice).run(root);
}

}  // namespace sallyport::faults
