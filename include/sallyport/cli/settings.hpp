#pragma once
/// How the process runs: sallyport.yaml, overridden by SALLYPORT_... variables, overridden by flags.
/// docs/settings.md lists all.

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sallyport/core/error.hpp"
#include "sallyport/core/limits.hpp"
#include "sallyport/identity/certificate_names.hpp"
#include "sallyport/identity/login_options.hpp"
#include "sallyport/net/server.hpp"
#include "sallyport/store/journal.hpp"

namespace sallyport::cli {

struct ListenSettings {
  std::string address;  ///< HOST:PORT, [V6]:PORT or unix:/path; port 0 takes any free one
  std::string tls_cert{}, tls_key{};
  std::string client_ca{};  ///< whose certificates clients may show; empty: none is asked for
  bool client_required = false;
  std::optional<identity::CertificateNames> client_names{};  ///< nullopt: as CertificateNames begins
  std::optional<net::ListenerTls> tls() const;
};

struct LogSettings {
  bool json = false;
  std::string level = "info";
  bool access = false;
};

struct Settings {
  std::string data = "./sallyport-data";
  std::string environment = "default";
  ListenSettings listen{.address = "127.0.0.1:8080"};
  ListenSettings admin{.address = "127.0.0.1:8081"};
  std::string public_url{};  ///< empty: made of the listener's address
  std::vector<std::string> allowed_hosts{}, allowed_origins{};
  net::TrustedProxies trusted_proxies{};
  store::Durability durability = store::Durability::process;
  LogSettings log{};
  identity::LoginOptions login{};
  int shards = 0;  ///< 0: one per core
  std::chrono::milliseconds stop_grace = limits::kStopGrace;
  std::size_t bytes_in_flight = limits::kBytesInFlight;
};

/// One setting: its place in the file, its variable, and what makes a Settings member of its text.
struct Setting {
  const char* path;      ///< "log.level"
  const char* variable;  ///< "SALLYPORT_LOG_LEVEL"
  const char* flag;      ///< "--log-level", of `serve`
  bool list;             ///< several values: a sequence in the file, separated by commas in the variable
  bool file_path;        ///< relative to the file that names it
  const char* what;      ///< for --help
  /// Empty when it took the values, else what is wrong with them.
  std::string (*take)(Settings& settings, const std::vector<std::string>& values);
};
const std::vector<Setting>& all_settings();

/// What a layer of settings comes from. Values in the order in which they were given.
using FlagValues = std::vector<std::pair<std::string, std::vector<std::string>>>;  ///< by Setting::path
using Environment = std::function<const char*(const char* name)>;

/// Reads the file (`file` empty: SALLYPORT_CONFIG, else ./sallyport.yaml where that exists), then variables,
/// then flags, then checks what belongs together. Errors: bad_request with every problem, those of the file
/// as FILE:LINE:COLUMN.
Result<Settings> load_settings(const std::string& file, const Environment& environment,
                               const FlagValues& flags);

/// Takes settings from text. Problems are appended as "FILE:LINE:COLUMN: what".
void read_settings(std::string_view text, const std::string& file, Settings& settings,
                   std::vector<std::string>& problems);

/// "64MiB", "2GiB", "512KiB"; nullopt for anything else.
std::optional<std::size_t> parse_size(std::string_view text);

/// "10s", "500ms", "2m", "1h", "30d"; nullopt for anything else.
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);

}  // namespace sallyport::cli
