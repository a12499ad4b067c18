#include "sallyport/store/registry.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "meta.hpp"
#include "registry_rows.hpp"

namespace sallyport::store {
namespace {

constexpr std::size_t kSecretFileBytes = std::size_t{64} * 1024;

Failure no_value(const Credential& credential, std::string_view why) {
  return fail(Code::unavailable, Blame::admin, fmt::format("Credential {}: {}", credential.name, why));
}

Result<Secret> value_of_variable(const Credential& credential) {
  const char* value = std::getenv(credential.reference.c_str());
  if (value && *value) return Secret(value);
  return no_value(credential, fmt::format("the variable {} is not set in the gateway's environment",
                                          credential.reference));
}

bool is_same_file(const struct stat& info, const std::string& other) {
  struct stat that{};
  return ::stat(other.c_str(), &that) == 0 && that.st_dev == info.st_dev && that.st_ino == info.st_ino;
}

Result<Secret> value_of_file(const Credential& credential, const std::string& directory) {
  const std::string& path = credential.reference;
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0)
    return no_value(credential, fmt::format("cannot open {}: {}", path, std::strerror(errno)));
  struct stat info{};
  std::string text(kSecretFileBytes + 1, '\0');
  const bool readable = ::fstat(descriptor, &info) == 0 && S_ISREG(info.st_mode);
  const ssize_t n = readable ? ::read(descriptor, text.data(), text.size()) : -1;
  ::close(descriptor);
  if (!readable) return no_value(credential, path + " is not a regular file");
  if (is_same_file(info, directory + "/master.key") || is_same_file(info, directory + "/sallyport.db")) {
    return no_value(credential, path + " is the gateway's own file, which goes nowhere else");
  }
  if (n < 0) return no_value(credential, "cannot read " + path);
  if (static_cast<std::size_t>(n) > kSecretFileBytes)
    return no_value(credential, path + " is longer than 64 KiB");
  text.resize(static_cast<std::size_t>(n));
  // Editors and echo end a file with a line break; no credential does.
  while (text.ends_with('\n') || text.ends_with('\r')) text.pop_back();
  if (text.empty()) return no_value(credential, path + " is empty");
  return Secret(std::move(text));
}

}  // namespace

Registry::Registry(Database& database, Vault& vault, const Clock& clock)
    : database_(database), vault_(vault), clock_(clock) {}

Result<void> Registry::remove(const std::string& kind, const std::string& name) {
  return database_.transaction([&]() -> Result<void> {
    auto stored = load_documents(database_);
    if (!stored) return Failure(stored.error());
    const DocumentKey key(kind, name);
    if (!stored->contains(key)) {
      return client_error(Code::not_found, fmt::format("there is no {} {}", kind, name));
    }
    std::vector<std::string> users;
    for (const auto& [user, document] : *stored) {
      if (uses(document.document, key)) users.push_back(fmt::format("{} {}", user.first, user.second));
    }
    if (!users.empty()) {
      return client_error(Code::conflict, fmt::format("{} {} is used by {}: change or remove that first",
                                                      kind, name, fmt::join(users, ", ")));
    }
    if (auto gone = delete_document(database_, vault_, key, unix_millis(clock_.now())); !gone) return gone;
    if (auto next = next_generation(database_); !next) return Failure(next.error());
    return {};
  });
}

Result<std::vector<AnyDocument>> Registry::documents(const std::string& kind) const {
  auto stored = load_documents(database_, kind);
  if (!stored) return Failure(stored.error());
  std::vector<AnyDocument> out;
  for (auto& [key, document] : *stored) out.push_back(std::move(document.document));
  return out;
}

Result<std::optional<AnyDocument>> Registry::document(const std::string& kind,
                                                      const std::string& name) const {
  auto row = database_.prepare("SELECT json FROM documents WHERE kind = ? AND name = ?");
  if (!row) return Failure(row.error());
  auto found = row->bind(kind).bind(name).step();
  if (!found) return Failure(found.error());
  if (!*found) return std::nullopt;
  auto document = from_json(row->text(0));
  if (!document) return Failure(document.error());
  return std::move(*document);
}

Result<std::int64_t> Registry::generation() const { return read_generation(database_); }

Result<Secret> Registry::credential_value(const Credential& credential) const {
  switch (credential.from) {
    case Credential::From::value:
      return vault_.get(vault_name(credential.name));
    case Credential::From::env:
      return value_of_variable(credential);
    case Credential::From::file:
      break;
  }
  return value_of_file(credential, database_.directory());
}

}  // namespace sallyport::store
