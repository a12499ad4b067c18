#include "sallyport/admin/journal_key.hpp"

#include <filesystem>
#include <fstream>

#include <fmt/format.h>

#include "sallyport/core/bytes.hpp"
#include "sallyport/core/files.hpp"
#include "sallyport/core/limits.hpp"

namespace sallyport::admin {
namespace {

constexpr const char* kName = "journal/signing-key";
constexpr std::size_t kKeyFileBytes = 4 * limits::KiB;  // 64 digits stand in it

std::string content_of(const std::string& file) {
  return read_whole_file(file, kKeyFileBytes).value_or(std::string());
}

}  // namespace

std::string journal_public_key_file(const std::string& data_directory) {
  return data_directory + "/journal.pub";
}

Result<SigningKey> journal_signing_key(store::Vault& vault, const std::string& data_directory) {
  SigningKey key;
  if (auto stored = vault.get(kName)) {
    auto read = signing_key_from(stored->reveal());
    if (!read) return std::unexpected(std::move(read.error()));
    key = std::move(*read);
  } else if (stored.error().code == Code::not_found) {
    key = make_signing_key();
    if (auto kept = vault.put(kName, key.private_key); !kept) return std::unexpected(std::move(kept.error()));
  } else {
    return std::unexpected(std::move(stored.error()));
  }
  const auto file = journal_public_key_file(data_directory);
  const auto line = hex(key.public_key) + "\n";
  if (content_of(file) != line) {
    std::ofstream out(file, std::ios::binary | std::ios::trunc);
    out << line;
    out.close();
    if (!out) return fail(Code::storage, Blame::us, "cannot write " + file);
  }
  return key;
}

Result<std::string> read_public_key(const std::string& file) {
  std::error_code ignored;
  if (!std::filesystem::exists(file, ignored)) {
    return client_error(Code::not_found,
                        fmt::format("there is no public key at {}; it appears when the server first "
                                    "starts, or name a copy with --public-key FILE",
                                    file));
  }
  auto raw = unhex(std::string(trim(content_of(file).substr(0, 64))));
  if (!raw || raw->size() != 32) {
    return client_error(Code::bad_request,
                        fmt::format("{} does not hold a public key (64 hex digits)", file));
  }
  return *raw;
}

}  // namespace sallyport::admin
