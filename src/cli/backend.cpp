#include "backend.hpp"

#include <chrono>
#include <filesystem>
#include <thread>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <fmt/format.h>
#include <httplib.h>
#include <nlohmann/json.hpp>

#include "sallyport/admin/operations.hpp"
#include "sallyport/core/clock.hpp"
#include "sallyport/store/database.hpp"
#include "sallyport/store/registry.hpp"
#include "sallyport/store/vault.hpp"

namespace sallyport::cli {
namespace {

// An operation waits for the server's database, `server test` for an upstream: longer than any of their own
// deadlines.
constexpr time_t kAnswerSeconds = 150;

/// The codes by their names, as the server's error bodies carry them.
Code code_of(std::string_view name) {
  for (int i = 0; i <= static_cast<int>(Code::internal); ++i) {
    if (name_of(static_cast<Code>(i)) == name) return static_cast<Code>(i);
  }
  return Code::internal;
}

class RemoteBackend final : public Backend {
 public:
  explicit RemoteBackend(const std::string& data) : socket_(data), client_(socket_.text(), 80) {
    client_.set_address_family(AF_UNIX);
    client_.set_read_timeout(kAnswerSeconds);
    client_.set_write_timeout(kAnswerSeconds);
  }

  bool running() const override { return true; }

  Result<nlohmann::json> run(const std::string& operation, const nlohmann::json& arguments) override {
    const auto body = arguments.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    const auto answer = client_.Post("/api/op/" + operation, httplib::Headers{{"Host", "localhost"}}, body,
                                     "application/json");
    if (!answer) {
      return fail(Code::unavailable, Blame::us,
                  fmt::format("the server did not answer on {}: {}", socket_.text(),
                              httplib::to_string(answer.error())));
    }
    auto json = nlohmann::json::parse(answer->body, nullptr, false);
    if (answer->status == 200 && !json.is_discarded()) return json;
    return std::unexpected(read_error(answer->status, json));
  }

 private:
  static Error read_error(int status, const nlohmann::json& json) {
    Error error{.code = Code::internal, .what = fmt::format("the server answered with status {}", status)};
    if (!json.is_object() || !json.contains("error") || !json["error"].is_object()) return error;
    const auto& inner = json["error"];
    if (inner.contains("code") && inner["code"].is_string())
      error.code = code_of(inner["code"].get<std::string>());
    if (inner.contains("message") && inner["message"].is_string())
      error.what = inner["message"].get<std::string>();
    error.hint = error.what;
    return error;
  }

  SocketPath socket_;
  httplib::Client client_;
};

class LocalBackend final : public Backend {
 public:
  static Result<std::unique_ptr<Backend>> open(const std::string& data, const std::string& environment) {
    auto database = store::Database::open(data, store::Database::Open::offline);
    if (!database) return std::unexpected(std::move(database.error()));
    auto vault = store::Vault::open(**database);
    if (!vault) return std::unexpected(std::move(vault.error()));
    return std::unique_ptr<Backend>(new LocalBackend(std::move(*database), std::move(*vault), environment));
  }

  bool running() const override { return false; }

  Result<nlohmann::json> run(const std::string& operation, const nlohmann::json& arguments) override {
    return operations_.run(operation, arguments, fmt::format("uid:{}", ::geteuid()));
  }

 private:
  LocalBackend(std::unique_ptr<store::Database> database, std::unique_ptr<store::Vault> vault,
               const std::string& environment)
      : database_(std::move(database)),
        vault_(std::move(vault)),
        registry_(*database_, *vault_, system_clock()),
        operations_(*database_, *vault_, registry_, {.environment = environment}) {}

  std::unique_ptr<store::Database> database_;
  std::unique_ptr<store::Vault> vault_;
  store::Registry registry_;
  admin::Operations operations_;
};

bool somebody_listens(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return false;
  path.copy(address.sun_path, path.size());
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  const bool connected = ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  ::close(fd);
  return connected;
}

}  // namespace

SocketPath::SocketPath(const std::string& data) : text_(data + "/admin.sock") {
  if (text_.size() < sizeof(sockaddr_un::sun_path)) return;
  directory_ = ::open(data.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (directory_ >= 0) text_ = fmt::format("/proc/self/fd/{}/admin.sock", directory_);
}

SocketPath::~SocketPath() {
  if (directory_ >= 0) ::close(directory_);
}

Result<std::unique_ptr<Backend>> Backend::open(const std::string& data, Wants wants,
                                               const std::string& environment) {
  std::error_code ignored;
  if (wants == Wants::existing && !std::filesystem::is_directory(data, ignored)) {
    return client_error(
        Code::not_found,
        fmt::format("there is no data directory {}; name it with --data DIR, or make one with "
                    "`sallyport apply`, `sallyport key create` or `sallyport serve`",
                    data));
  }
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  while (true) {
    if (somebody_listens(SocketPath(data).text())) return std::make_unique<RemoteBackend>(data);
    auto local = LocalBackend::open(data, environment);
    if (local || local.error().code != Code::conflict || std::chrono::steady_clock::now() > until)
      return local;
    // A server that starts holds the lock before it listens; another command holds it for a moment.
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

}  // namespace sallyport::cli
