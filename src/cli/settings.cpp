#include "sallyport/cli/settings.hpp"

#include <algorithm>
#include <charconv>
#include <filesystem>

#include <fmt/format.h>

#include "sallyport/core/bytes.hpp"
#include "sallyport/core/files.hpp"
#include "sallyport/core/limits.hpp"
#include "sallyport/net/egress.hpp"
#include "sallyport/store/documents.hpp"

namespace sallyport::cli {
namespace {

using Values = std::vector<std::string>;

constexpr std::size_t kSettingsBytes = limits::MiB;

/// The port of HOST:PORT or [V6]:PORT; nullopt when the text has no such form.
std::optional<int> port_of(std::string_view address) {
  const auto colon = address.rfind(':');
  if (colon == std::string_view::npos || colon == 0 || colon + 1 == address.size()) return std::nullopt;
  const auto host = address.substr(0, colon);
  const bool bracketed = host.starts_with('[') && host.ends_with(']');
  if (!bracketed && host.find_first_of(":[]/ ") != std::string_view::npos) return std::nullopt;
  int port = -1;
  const auto* end = address.data() + address.size();
  const auto [at, problem] = std::from_chars(address.data() + colon + 1, end, port);
  if (problem != std::errc() || at != end || port < 0 || port > 65535) return std::nullopt;
  return port;
}

std::string take_address(std::string& into, const std::string& value) {
  const bool local = value.starts_with("unix:/");
  if (!local && !port_of(value)) return "must be HOST:PORT, [IPV6]:PORT or unix:/path, like 127.0.0.1:8080";
  into = value;
  return {};
}

std::string take_text(std::string& into, const std::string& value) {
  if (value.empty()) return "must not be empty";
  if (value.find_first_of("\r\n") != std::string::npos) return "must be one line";
  into = value;
  return {};
}

std::string take_bool(bool& into, const std::string& value) {
  if (value != "true" && value != "false") return "must be true or false";
  into = value == "true";
  return {};
}

std::string take_word(std::string& into, const std::string& value,
                      std::initializer_list<std::string_view> words) {
  if (std::ranges::find(words, value) == words.end())
    return fmt::format("must be one of: {}", fmt::join(words, ", "));
  into = value;
  return {};
}

std::string take_public_url(Settings& s, const Values& v) {
  const auto url = net::parse_url(v[0]);
  if (!url || url->path != "/") return "must be like https://mcp.example.com, without a path";
  // As clients write it, who compare it byte by byte with what they are told.
  s.public_url = url->scheme + "://" + url->host_header();
  return {};
}

std::string take_hosts(Settings& s, const Values& v) {
  for (const auto& host : v) {
    if (host.empty() || host.find_first_of(":/@ \r\n") != std::string::npos) {
      return "must be host names without scheme and port: mcp.example.com";
    }
  }
  s.allowed_hosts = v;
  return {};
}

std::string take_origins(Settings& s, const Values& v) {
  for (const auto& origin : v) {
    const auto url = net::parse_url(origin);
    if (!url || url->path != "/" || origin.ends_with('/')) {
      return "must be origins, scheme and host without a path: https://app.example.com";
    }
  }
  s.allowed_origins = v;
  return {};
}

std::string take_proxies(Settings& s, const Values& v) {
  auto proxies = net::TrustedProxies::of(v);
  if (!proxies) return proxies.error().hint;
  s.trusted_proxies = std::move(*proxies);
  return {};
}

std::string take_durability(Settings& s, const Values& v) {
  std::string word;
  auto problem = take_word(word, v[0], {"process", "disk"});
  s.durability = word == "disk" ? store::Durability::disk : store::Durability::process;
  return problem;
}

std::string take_log_format(Settings& s, const Values& v) {
  std::string word;
  auto problem = take_word(word, v[0], {"text", "json"});
  s.log.json = word == "json";
  return problem;
}

std::string take_shards(Settings& s, const Values& v) {
  int number = -1;
  const auto* end = v[0].data() + v[0].size();
  const auto [at, problem] = std::from_chars(v[0].data(), end, number);
  // 64 is far beyond the cores on which one process makes sense; it keeps a typing error from starting 10000
  // threads.
  if (problem != std::errc() || at != end || number < 0 || number > 64)
    return "must be a number from 0 (one per core) to 64";
  s.shards = number;
  return {};
}

std::string take_grace(Settings& s, const Values& v) {
  const auto time = parse_duration(v[0]);
  if (!time || *time > std::chrono::hours(1)) return "must be a time like 10s or 500ms, at most 1h";
  s.stop_grace = *time;
  return {};
}

std::string take_bytes_in_flight(Settings& s, const Values& v) {
  const auto size = parse_size(v[0]);
  // Two bodies of the largest size have room at least.
  if (!size || *size < 64 * limits::MiB) return "must be a size like 256MiB or 2GiB, at least 64MiB";
  s.bytes_in_flight = *size;
  return {};
}

std::string take_names(Settings& s, const Values& v) {
  s.listen.client_names = identity::CertificateNames::parse(v[0]);
  if (s.listen.client_names) return {};
  return "must be subject_cn, san_uri, san_dns or san_email, and may go on with a pattern whose * is the "
         "name of "
         "an agent, like san_uri:spiffe://example.com/agent/*";
}

/// Applies one setting from one source; the problem is complete but for its place.
std::string take(const Setting& setting, Settings& settings, const Values& values) {
  if (!setting.list && values.size() != 1) return fmt::format("{} takes one value", setting.path);
  const auto problem = setting.take(settings, values);
  return problem.empty() ? std::string() : fmt::format("{} {}", setting.path, problem);
}

Values split(std::string_view text) {
  Values out;
  while (!text.empty()) {
    const auto comma = text.find(',');
    if (const auto part = trim(text.substr(0, comma)); !part.empty()) out.emplace_back(part);
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
  }
  return out;
}

void check_together(const Settings& settings, Values& problems) {
  const auto pair = [&](const char* name, const ListenSettings& listen) {
    if (listen.tls_cert.empty() != listen.tls_key.empty()) {
      problems.push_back(fmt::format(
          "{}: a certificate and a key belong together: set {}.tls.cert and {}.tls.key", name, name, name));
    }
  };
  pair("listen", settings.listen);
  pair("admin", settings.admin);
  const auto& listen = settings.listen;
  if (!listen.client_ca.empty() && listen.tls_cert.empty())
    problems.emplace_back(
        "listen.tls.client_certificates: only a TLS listener can ask for them: set listen.tls.cert and "
        "listen.tls.key");
  if (listen.client_ca.empty() && (listen.client_required || listen.client_names))
    problems.emplace_back(
        "listen.tls.client_certificates.ca is missing: whose certificates are clients to show?");
}

}  // namespace

std::optional<net::ListenerTls> ListenSettings::tls() const {
  if (tls_cert.empty()) return std::nullopt;
  return net::ListenerTls{.cert_file = tls_cert,
                          .key_file = tls_key,
                          .client_ca_file = client_ca,
                          .client_required = client_required};
}

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) {
  std::int64_t number = 0;
  const auto* end = text.data() + text.size();
  const auto [at, problem] = std::from_chars(text.data(), end, number);
  if (problem != std::errc() || number < 0) return std::nullopt;
  const std::string_view unit(at, static_cast<std::size_t>(end - at));
  constexpr std::pair<std::string_view, std::int64_t> kUnits[] = {
      {"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}};
  for (const auto& [name, millis] : kUnits) {
    if (unit == name && number <= INT64_MAX / 1'000'000 / millis)
      return std::chrono::milliseconds(number * millis);
  }
  return std::nullopt;
}

std::optional<std::size_t> parse_size(std::string_view text) {
  std::size_t number = 0;
  const auto* end = text.data() + text.size();
  const auto [at, problem] = std::from_chars(text.data(), end, number);
  if (problem != std::errc()) return std::nullopt;
  const std::string_view unit(at, static_cast<std::size_t>(end - at));
  constexpr std::pair<std::string_view, std::size_t> kUnits[] = {
      {"KiB", limits::KiB}, {"MiB", limits::MiB}, {"GiB", 1024 * limits::MiB}};
  for (const auto& [name, bytes] : kUnits) {
    if (unit == name && number <= SIZE_MAX / bytes) return number * bytes;
  }
  return std::nullopt;
}

const std::vector<Setting>& all_settings() {
  static const std::vector<Setting> settings{
      {"data", "SALLYPORT_DATA", "--data", false, true, "data directory",
       [](Settings& s, const Values& v) { return take_text(s.data, v[0]); }},
      {"environment", "SALLYPORT_ENVIRONMENT", "--environment", false, false,
       "name of this installation: in records, and what documents call `environments`",
       [](Settings& s, const Values& v) {
         // As documents write it: another spelling would switch off, without a word, what holds there.
         if (auto wrong = store::name_problem(v[0]); !wrong.empty()) return wrong;
         return take_text(s.environment, v[0]);
       }},
      {"listen.address", "SALLYPORT_LISTEN", "--listen", false, false, "public listener, HOST:PORT",
       [](Settings& s, const Values& v) { return take_address(s.listen.address, v[0]); }},
      {"listen.tls.cert", "SALLYPORT_LISTEN_TLS_CERT", "--listen-tls-cert", false, true,
       "its certificate chain (PEM)",
       [](Settings& s, const Values& v) { return take_text(s.listen.tls_cert, v[0]); }},
      {"listen.tls.key", "SALLYPORT_LISTEN_TLS_KEY", "--listen-tls-key", false, true, "its private key (PEM)",
       [](Settings& s, const Values& v) { return take_text(s.listen.tls_key, v[0]); }},
      {"listen.tls.client_certificates.ca", "SALLYPORT_LISTEN_TLS_CLIENT_CA", "--listen-tls-client-ca", false,
       true, "authorities whose certificates clients may show (PEM)",
       [](Settings& s, const Values& v) { return take_text(s.listen.client_ca, v[0]); }},
      {"listen.tls.client_certificates.required", "SALLYPORT_LISTEN_TLS_CLIENT_REQUIRED",
       "--listen-tls-client-required", false, false, "whether every client has to (true or false)",
       [](Settings& s, const Values& v) { return take_bool(s.listen.client_required, v[0]); }},
      {"listen.tls.client_certificates.principal", "SALLYPORT_LISTEN_TLS_CLIENT_PRINCIPAL",
       "--listen-tls-client-principal", false, false, "where in it the agent's name stands", take_names},
      {"admin.address", "SALLYPORT_ADMIN_LISTEN", "--admin-listen", false, false, "admin listener, HOST:PORT",
       [](Settings& s, const Values& v) { return take_address(s.admin.address, v[0]); }},
      {"admin.tls.cert", "SALLYPORT_ADMIN_TLS_CERT", "--admin-tls-cert", false, true,
       "its certificate chain (PEM)",
       [](Settings& s, const Values& v) { return take_text(s.admin.tls_cert, v[0]); }},
      {"admin.tls.key", "SALLYPORT_ADMIN_TLS_KEY", "--admin-tls-key", false, true, "its private key (PEM)",
       [](Settings& s, const Values& v) { return take_text(s.admin.tls_key, v[0]); }},
      {"public_url", "SALLYPORT_PUBLIC_URL", "--public-url", false, false,
       "what clients reach this server as", take_public_url},
      {"allowed_hosts", "SALLYPORT_ALLOWED_HOSTS", "--allowed-host", true, false,
       "further Host values to answer to", take_hosts},
      {"allowed_origins", "SALLYPORT_ALLOWED_ORIGINS", "--allowed-origin", true, false,
       "browser origins that may call (CORS)", take_origins},
      {"trusted_proxies", "SALLYPORT_TRUSTED_PROXIES", "--trusted-proxy", true, false,
       "proxies whose X-Forwarded-For is believed, ADDRESS[/BITS] or unix", take_proxies},
      {"journal.durability", "SALLYPORT_JOURNAL_DURABILITY", "--durability", false, false, "process or disk",
       take_durability},
      {"log.format", "SALLYPORT_LOG_FORMAT", "--log-format", false, false, "text or json", take_log_format},
      {"log.level", "SALLYPORT_LOG_LEVEL", "--log-level", false, false, "debug, info, warn or error",
       [](Settings& s, const Values& v) {
         return take_word(s.log.level, v[0], {"debug", "info", "warn", "error"});
       }},
      {"log.access", "SALLYPORT_LOG_ACCESS", "--access-log", false, false,
       "a line for every request (true or false)",
       [](Settings& s, const Values& v) { return take_bool(s.log.access, v[0]); }},
      {"login.registration", "SALLYPORT_LOGIN_REGISTRATION", "--login-registration", false, false,
       "whether OAuth clients may register themselves (true or false)",
       [](Settings& s, const Values& v) { return take_bool(s.login.registration, v[0]); }},
      {"login.private_clients", "SALLYPORT_LOGIN_PRIVATE_CLIENTS", "--login-private-clients", false, false,
       "whether documents of OAuth clients are fetched from private addresses (true or false)",
       [](Settings& s, const Values& v) { return take_bool(s.login.private_clients, v[0]); }},
      {"shards", "SALLYPORT_SHARDS", "--shards", false, false, "threads that serve; 0: one per core",
       take_shards},
      {"stop_grace", "SALLYPORT_STOP_GRACE", "--stop-grace", false, false,
       "how long calls may end when it stops", take_grace},
      {"bytes_in_flight", "SALLYPORT_BYTES_IN_FLIGHT", "--bytes-in-flight", false, false,
       "how much all bodies under way may take together", take_bytes_in_flight},
  };
  return settings;
}

Result<Settings> load_settings(const std::string& file, const Environment& environment,
                               const FlagValues& flags) {
  Settings settings;
  Values problems;
  std::string path = file;
  if (path.empty()) {
    if (const char* named = environment("SALLYPORT_CONFIG"); named && *named) path = named;
  }
  std::error_code ignored;
  if (path.empty() && std::filesystem::exists("sallyport.yaml", ignored)) path = "sallyport.yaml";
  if (!path.empty()) {
    const auto text = read_whole_file(path, kSettingsBytes);
    if (!text) {
      return client_error(Code::bad_request, fmt::format("the settings file: {}", text.error().hint));
    }
    read_settings(*text, path, settings, problems);
  }
  for (const auto& setting : all_settings()) {
    const char* value = environment(setting.variable);
    if (!value) continue;
    auto problem = take(setting, settings, setting.list ? split(value) : Values{value});
    if (!problem.empty()) problems.push_back(fmt::format("{}: {}", setting.variable, problem));
  }
  for (const auto& [name, values] : flags) {
    for (const auto& setting : all_settings()) {
      if (name != setting.path) continue;
      auto problem = take(setting, settings, values);
      if (!problem.empty()) problems.push_back(fmt::format("{}: {}", setting.flag, problem));
    }
  }
  check_together(settings, problems);
  if (problems.empty()) return settings;
  return client_error(Code::bad_request, fmt::format("{}", fmt::join(problems, "\n")));
}

}  // namespace sallyport::cli
