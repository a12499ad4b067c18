#pragma once
/// A data directory of a test's own, and a registry on it.

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "sallyport/core/clock.hpp"
#include "sallyport/store/database.hpp"
#include "sallyport/store/fault.hpp"
#include "sallyport/store/registry.hpp"
#include "sallyport/store/vault.hpp"
#include "store/test_clock.hpp"

namespace sallyport::store {

/// Removed with everything in it at the end.
class DataDirectory {
 public:
  DataDirectory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "sallyport-store-XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    root_ = pattern;
  }
  ~DataDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(root_, ignored);
  }
  DataDirectory(const DataDirectory&) = delete;
  DataDirectory& operator=(const DataDirectory&) = delete;

  std::string path() const { return (root_ / "data").string(); }
  std::string file(const std::string& name) const { return (root_ / "data" / name).string(); }
  std::string beside(const std::string& name) const { return (root_ / name).string(); }

  /// Every byte of every file below the directory.
  std::string all_bytes() const {
    std::string out;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root_)) {
      if (entry.is_regular_file()) out += bytes_of(entry.path().string());
    }
    return out;
  }
  static std::string bytes_of(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

 private:
  std::filesystem::path root_;
};

/// Database, vault and registry of one start.
struct OpenRegistry {
  explicit OpenRegistry(const std::string& directory, Database::Open how = Database::Open::offline) {
    auto opened = Database::open(directory, how);
    REQUIRE_MESSAGE(opened.has_value(), (opened ? "" : opened.error().what));
    database = std::move(*opened);
    auto unlocked = Vault::open(*database);
    REQUIRE_MESSAGE(unlocked.has_value(), (unlocked ? "" : unlocked.error().what));
    vault = std::move(*unlocked);
    registry = std::make_unique<Registry>(*database, *vault, clock);
  }

  /// Reads and applies; the error's text, or "" when it went through.
  std::string apply(const std::string& yaml, ApplyOptions options = {}) {
    auto documents = read_documents(yaml, "test.yaml");
    if (!documents) return documents.error().front().text();
    if (options.source.empty()) options.source = yaml;
    auto applied = registry->apply(std::move(*documents), options);
    if (!applied) return applied.error().what;
    changes = std::move(*applied);
    return "";
  }

  TestClock clock;
  std::unique_ptr<Database> database;
  std::unique_ptr<Vault> vault;
  std::unique_ptr<Registry> registry;
  std::vector<Change> changes;
};

/// Sets the fault hook for a scope.
class Fault {
 public:
  explicit Fault(std::function<Result<void>(std::string_view)> hook) { fault_for_test() = std::move(hook); }
  ~Fault() { fault_for_test() = nullptr; }
  Fault(const Fault&) = delete;
  Fault& operator=(const Fault&) = delete;
};

/// Sets an environment variable for a scope.
class Variable {
 public:
  Variable(const char* name, const std::string& value) : name_(name) { ::setenv(name, value.c_str(), 1); }
  ~Variable() { ::unsetenv(name_); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
};

}  // namespace sallyport::store
