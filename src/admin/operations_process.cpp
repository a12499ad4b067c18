/// Operations on the installation itself: vault.rotate, backup, checkpoint, status.

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "operation.hpp"
#include "sallyport/admin/journal_key.hpp"
#include "sallyport/core/clock.hpp"
#include "sallyport/core/crypto.hpp"

namespace sallyport::admin {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kRestore = R"(A backup of a Sallyport data directory.

  registry.db   documents, API keys (as digests), catalogues and the sealed vault; a consistent copy
  journal.pub   the public key that verifies the journal's checkpoints (hex)
  manifest.json when this was made, by which version, and the SHA-256 of each file
{with_key}
To restore, on a machine where no server runs:

  mkdir -m 700 sallyport-data
  cp registry.db sallyport-data/sallyport.db
  cp journal.pub sallyport-data/
  {bring_key}
  sallyport get servers --data sallyport-data
  sallyport serve --data sallyport-data

The journal is not in here: `sallyport audit export` writes it. `sallyport audit verify --public-key journal.pub`
checks an exported or restored one.
)";

Result<std::string> read_file(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(in), {}};
  if (!in.is_open() || in.bad()) return fail(Code::storage, Blame::us, "cannot read " + file);
  return bytes;
}

/// Creates it with mode 0600, refuses to overwrite, and does not return before it is on disk.
Result<void> write_private(const std::string& file, std::string_view bytes) {
  const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0)
    return fail(Code::storage, Blame::admin, fmt::format("cannot create {}: {}", file, std::strerror(errno)));
  bool ok = true;
  while (ok && !bytes.empty()) {
    const auto n = ::write(fd, bytes.data(), bytes.size());
    ok = n > 0;
    if (ok) bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  ok = ::fsync(fd) == 0 && ok;
  ok = ::close(fd) == 0 && ok;
  if (!ok) return fail(Code::storage, Blame::us, "cannot write " + file);
  return {};
}

Result<void> make_directory(const std::string& directory) {
  std::error_code problem;
  if (fs::exists(directory, problem) && !fs::is_empty(directory, problem)) {
    return client_error(Code::conflict,
                        directory + " exists and is not empty; name a new directory for the backup");
  }
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
    return client_error(Code::bad_request,
                        fmt::format("cannot create {}: {}", directory, std::strerror(errno)));
  }
  return {};
}

std::string replaced(std::string text, std::string_view mark, std::string_view by) {
  if (const auto at = text.find(mark); at != std::string::npos) text.replace(at, mark.size(), by);
  return text;
}

std::string restore_text(bool with_key) {
  auto text =
      replaced(std::string(kRestore), "{with_key}",
               with_key ? "  master.key    THE KEY THAT OPENS THE VAULT: keep this backup as you would keep "
                          "every secret in it\n"
                        : "");
  return replaced(std::move(text), "{bring_key}",
                  with_key ? "cp master.key sallyport-data/ && chmod 600 sallyport-data/master.key"
                           : "bring the master key: as sallyport-data/master.key (chmod 600) or in "
                             "SALLYPORT_MASTER_KEY; without it the vault stays shut");
}

}  // namespace

Result<nlohmann::json> rotate_vault(Context& context, const nlohmann::json& arguments) {
  Arguments input(arguments);
  const auto what = input.text("what");
  const auto ring = input.text_or("ring", "sealed-ids");
  if (const auto ok = input.check("vault.rotate"); !ok) return std::unexpected(ok.error());
  if (what == "master") {
    if (auto ok = context.vault.rotate_master_key(); !ok) return std::unexpected(std::move(ok.error()));
    return nlohmann::json{{"rotated", "master"}};
  }
  if (what == "ring") {
    if (auto ok = context.vault.rotate_ring(ring); !ok) return std::unexpected(std::move(ok.error()));
    return nlohmann::json{{"rotated", "ring"},
                          {"ring", ring},
                          {"in_force", context.live.reload ? "from the next start" : "now"}};
  }
  return client_error(Code::bad_request, "vault.rotate: \"what\" is master or ring");
}

Result<nlohmann::json> write_backup(Context& context, const nlohmann::json& arguments) {
  Arguments input(arguments);
  const auto directory = input.text("directory");
  const bool with_key = input.flag("with_master_key");
  if (const auto ok = input.check("backup"); !ok) return std::unexpected(ok.error());
  if (!directory.starts_with('/')) {
    return client_error(Code::bad_request,
                        "backup: \"directory\" must be an absolute path on the server's machine");
  }
  const auto& data = context.database.directory();
  std::string master;
  if (with_key) {
    auto read = read_file(data + "/master.key");
    if (!read) {
      return client_error(Code::bad_request,
                          "--with-master-key: there is no master.key file in the data directory; the "
                          "key comes from SALLYPORT_MASTER_KEY, keep that safe yourself");
    }
    master = std::move(*read);
  }
  auto signing = journal_signing_key(context.vault, data);
  if (!signing) return std::unexpected(std::move(signing.error()));
  if (auto ok = make_directory(directory); !ok) return std::unexpected(std::move(ok.error()));

  const auto database = directory + "/registry.db";
  if (auto ok = context.database.backup_to(database); !ok) return std::unexpected(std::move(ok.error()));
  auto copy = read_file(database);
  if (!copy) return std::unexpected(std::move(copy.error()));
  auto public_key = read_file(journal_public_key_file(data));
  if (!public_key) return std::unexpected(std::move(public_key.error()));

  nlohmann::json manifest{
      {"version", SALLYPORT_VERSION},
      {"made", rfc3339(system_clock().now())},
      {"master_key", with_key},
      {"files", {{"registry.db", sha256_hex(*copy)}, {"journal.pub", sha256_hex(*public_key)}}}};
  std::vector<std::pair<std::string, std::string>> files{{"journal.pub", *public_key},
                                                         {"README.txt", restore_text(with_key)},
                                                         {"manifest.json", manifest.dump(2) + "\n"}};
  if (with_key) files.emplace_back("master.key", std::move(master));
  auto names = nlohmann::json::array({"registry.db"});
  for (const auto& [name, bytes] : files) {
    if (auto ok = write_private(directory + "/" + name, bytes); !ok)
      return std::unexpected(std::move(ok.error()));
    names.push_back(name);
  }
  return nlohmann::json{{"directory", directory}, {"files", std::move(names)}, {"bytes", copy->size()}};
}

Result<nlohmann::json> write_checkpoint(Context& context, const nlohmann::json& arguments) {
  if (const auto ok = Arguments(arguments).check("checkpoint"); !ok) return std::unexpected(ok.error());
  if (!context.live.checkpoint) return nlohmann::json{{"written", false}};
  if (auto ok = context.live.checkpoint(); !ok) return std::unexpected(std::move(ok.error()));
  return nlohmann::json{{"written", true}};
}

Result<nlohmann::json> show_status(Context& context, const nlohmann::json& arguments) {
  if (const auto ok = Arguments(arguments).check("status"); !ok) return std::unexpected(ok.error());
  const auto documents = context.registry.documents();
  if (!documents) return std::unexpected(documents.error());
  const auto generation = context.registry.generation();
  if (!generation) return std::unexpected(generation.error());
  nlohmann::json counts = nlohmann::json::object();
  for (const auto& document : *documents) {
    auto& count = counts[std::string(store::kind_of(document))];
    count = count.is_null() ? 1 : count.get<int>() + 1;
  }
  nlohmann::json out{{"version", SALLYPORT_VERSION},
                     {"data", context.database.directory()},
                     {"generation", *generation},
                     {"documents", std::move(counts)},
                     {"running", static_cast<bool>(context.live.status)}};
  if (context.live.status) {
    auto live = nlohmann::json::parse(context.live.status(), nullptr, false);
    if (live.is_object()) out["server"] = std::move(live);
  }
  return out;
}

}  // namespace sallyport::admin
