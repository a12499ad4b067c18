#include "document_check.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "sallyport/core/bytes.hpp"
#include "sallyport/core/limits.hpp"
#include "sallyport/store/claim_path.hpp"
#include "sallyport/store/definition_hash.hpp"
#include "sallyport/store/documents.hpp"

namespace sallyport::store::check {
namespace {

constexpr std::size_t kProseBytes = 16 * 1024;
constexpr std::size_t kLineBytes = 4096;
constexpr std::size_t kUrlBytes = 2048;
constexpr std::size_t kNameBytes = 63;
constexpr std::size_t kPatternBytes = 512;
constexpr std::size_t kArgumentBytes = 32 * 1024;

bool is_lower_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool is_alnum(char c) { return is_lower_or_digit(c) || (c >= 'A' && c <= 'Z'); }
bool is_exported(char c) { return is_alnum(c) || c == '_' || c == '-'; }
bool is_token(char c) {  // RFC 9110 section 5.6.2
  return is_alnum(c) || std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}
bool has_line_break(std::string_view text) { return text.find_first_of("\r\n") != std::string_view::npos; }
bool has_blank(std::string_view text) { return text.find_first_of(" \t\r\n") != std::string_view::npos; }

/// Headers that frame a message, route it or belong to the protocols spoken here.
constexpr std::array<std::string_view, 19> kOwnHeaders = {"accept",
                                                          "accept-encoding",
                                                          "connection",
                                                          "content-encoding",
                                                          "content-length",
                                                          "content-type",
                                                          "expect",
                                                          "forwarded",
                                                          "host",
                                                          "http2-settings",
                                                          "keep-alive",
                                                          "last-event-id",
                                                          "proxy-authorization",
                                                          "proxy-connection",
                                                          "te",
                                                          "trailer",
                                                          "transfer-encoding",
                                                          "upgrade",
                                                          "via"};
constexpr std::array<std::string_view, 4> kOwnHeaderPrefixes = {"mcp-", "x-forwarded-", "sec-", "sallyport-"};
constexpr std::array<std::string_view, 5> kSecretHeaders = {"authorization", "cookie", "x-api-key", "api-key",
                                                            "x-goog-api-key"};

/// Variables that make a loader, a shell or a language run-time execute or read something else than the
/// command (N39).
constexpr std::array<std::string_view, 42> kLoaderVariables = {"BASHOPTS",
                                                               "BASH_ENV",
                                                               "CDPATH",
                                                               "CLASSPATH",
                                                               "DOTNET_STARTUP_HOOKS",
                                                               "ENV",
                                                               "GCONV_PATH",
                                                               "GETCONF_DIR",
                                                               "GIO_EXTRA_MODULES",
                                                               "GLIBC_TUNABLES",
                                                               "GLOBIGNORE",
                                                               "GODEBUG",
                                                               "HOSTALIASES",
                                                               "IFS",
                                                               "JAVA_OPTS",
                                                               "JAVA_TOOL_OPTIONS",
                                                               "JDK_JAVA_OPTIONS",
                                                               "LOCALDOMAIN",
                                                               "LOCPATH",
                                                               "LUA_INIT",
                                                               "MALLOC_TRACE",
                                                               "NODE_EXTRA_CA_CERTS",
                                                               "NODE_OPTIONS",
                                                               "NODE_PATH",
                                                               "OPENSSL_CONF",
                                                               "OPENSSL_ENGINES",
                                                               "OPENSSL_MODULES",
                                                               "PERL5DB",
                                                               "PERL5LIB",
                                                               "PERL5OPT",
                                                               "PHPRC",
                                                               "PHP_INI_SCAN_DIR",
                                                               "PROMPT_COMMAND",
                                                               "PS4",
                                                               "PYTHONHOME",
                                                               "PYTHONINSPECT",
                                                               "PYTHONPATH",
                                                               "PYTHONSTARTUP",
                                                               "RUBYLIB",
                                                               "RUBYOPT",
                                                               "SHELLOPTS",
                                                               "_JAVA_OPTIONS"};
constexpr std::array<std::string_view, 7> kLoaderPrefixes = {"LD_",      "DYLD_",    "BASH_FUNC_", "COR_",
                                                             "CORECLR_", "LUA_INIT", "SALLYPORT_"};

bool starts_with_any(std::string_view text, const auto& prefixes) {
  return std::ranges::any_of(prefixes, [&](std::string_view prefix) { return text.starts_with(prefix); });
}

std::string variable_name(std::string_view text) {
  const bool good = !text.empty() && text.size() <= 256 && !(text[0] >= '0' && text[0] <= '9') &&
                    std::ranges::all_of(text, [](char c) { return is_alnum(c) || c == '_'; });
  return good ? "" : "is not a variable's name: letters, digits and _";
}

std::string token(std::string_view text) {
  const bool good = !text.empty() && text.size() <= 128 && std::ranges::all_of(text, is_token);
  return good ? "" : "is not a header's name";
}

std::string reserved_header(std::string_view text) {
  const std::string folded = lower(text);
  const bool own = std::ranges::find(kOwnHeaders, folded) != kOwnHeaders.end() ||
                   starts_with_any(folded, kOwnHeaderPrefixes);
  return own ? "is a header that the gateway sets itself: remove it" : "";
}

/// "kind:rest" with one of the kinds and a rest without blanks.
bool is_reference(std::string_view text, std::initializer_list<std::string_view> kinds) {
  const auto colon = text.find(':');
  if (colon == std::string_view::npos || colon + 1 == text.size() || text.size() > kPatternBytes)
    return false;
  return std::ranges::find(kinds, text.substr(0, colon)) != kinds.end() && !has_blank(text);
}

}  // namespace

std::string name(std::string_view text) {
  const bool good = !text.empty() && text.size() <= kNameBytes && text[0] != '-' &&
                    std::ranges::all_of(text, [](char c) { return is_lower_or_digit(c) || c == '-'; });
  return good ? "" : "must be 1 to 63 of a-z, 0-9 and -, and not begin with -";
}

std::string any(std::string_view text) { return text.size() <= kProseBytes ? "" : "is longer than 16 KiB"; }

std::string line(std::string_view text) {
  if (text.empty()) return "is empty";
  if (text.size() > kLineBytes) return "is longer than 4 KiB";
  return has_line_break(text) ? "must be one line" : "";
}

std::string url(std::string_view text) {
  std::string_view rest = text;
  if (rest.starts_with("https://")) {
    rest.remove_prefix(8);
  } else if (rest.starts_with("http://")) {
    rest.remove_prefix(7);
  } else {
    return "must begin with https:// or http://";
  }
  if (text.size() > kUrlBytes) return "is longer than 2048 bytes";
  if (!std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7f; })) {
    return "has a blank or a byte outside ASCII in it: percent-encode it";
  }
  if (text.find_first_of("\\<>\"`{}|^") != std::string_view::npos)
    return "has a byte in it that URLs percent-encode";
  if (text.find('#') != std::string_view::npos) return "must not have a fragment (#...)";
  const std::string_view authority = rest.substr(0, rest.find_first_of("/?"));
  if (authority.find('@') != std::string_view::npos) {
    return "must not carry a user name or password: use a Credential";
  }
  if (authority.empty() || authority[0] == ':') return "names no host";
  return "";
}

std::string path(std::string_view text) { return line(text); }

std::string command(std::string_view text) {
  if (const std::string wrong = line(text); !wrong.empty()) return wrong;
  return trim(text).empty() ? "is empty" : "";
}

std::string argument(std::string_view text) {
  return text.size() <= kArgumentBytes ? "" : "is longer than 32 KiB";
}

std::string variable(std::string_view text) {
  if (std::string wrong = variable_name(text); !wrong.empty()) return wrong;
  return text.starts_with("SALLYPORT_MASTER_KEY") ? "is the vault's master key, which goes nowhere else" : "";
}

std::string child_variable(std::string_view text) {
  if (std::string wrong = variable_name(text); !wrong.empty()) return wrong;
  const bool loader = std::ranges::find(kLoaderVariables, text) != kLoaderVariables.end() ||
                      starts_with_any(text, kLoaderPrefixes);
  return loader ? "is refused: it would change what the command runs or how the gateway works" : "";
}

std::string header(std::string_view text) {
  if (std::string wrong = token(text); !wrong.empty()) return wrong;
  return reserved_header(text);
}

std::string fixed_header(std::string_view text) {
  if (std::string wrong = header(text); !wrong.empty()) return wrong;
  const bool secret = std::ranges::find(kSecretHeaders, lower(text)) != kSecretHeaders.end();
  return secret ? "carries a secret: use a Credential with \"header\"" : "";
}

std::string header_value(std::string_view text) {
  if (text.size() > kLineBytes) return "is longer than 4 KiB";
  if (has_line_break(text)) return "must be one line";
  return trim(text).size() == text.size() ? "" : "begins or ends with a blank";
}

std::string scheme(std::string_view text) {
  if (text.empty()) return "";
  const bool good = text.size() <= 64 && std::ranges::all_of(text, is_token);
  return good ? "" : "must be one word, such as Bearer, or \"\" for none";
}

std::string glob(std::string_view text) {
  if (text.empty()) return "is empty";
  return text.size() <= kPatternBytes ? "" : "is longer than 512 bytes";
}

std::string brings(std::string_view text) {
  if (std::string wrong = glob(text); !wrong.empty()) return wrong;
  constexpr std::array<std::string_view, 4> kFields{"custom_host", "private_host", "api_key",
                                                    "forward_headers"};
  const auto slash = text.rfind('/');
  const std::string_view field = text.substr(slash == std::string_view::npos ? 0 : slash + 1);
  if (field.find_first_of("*?") != std::string_view::npos ||
      std::ranges::find(kFields, field) != kFields.end())
    return "";
  return fmt::format("must be PROVIDER/FIELD, with one of {} as FIELD", fmt::join(kFields, ", "));
}

std::string model(std::string_view text) {
  const bool good = !text.empty() && text.size() <= 256 && std::ranges::all_of(text, [](char c) {
    return c > 0x20 && c < 0x7f && c != '*' && c != '?';
  });
  return good ? "" : "must be 1 to 256 visible ASCII characters, without * and ?";
}

std::string exact(std::string_view text) {
  if (text.find_first_of("*?") != std::string_view::npos) return "is a pattern: name each exactly";
  return glob(text);
}

std::string target(std::string_view text) {
  if (std::string wrong = glob(text); !wrong.empty()) return wrong;
  const bool can_match = text.find('/') != std::string_view::npos || text.find('*') != std::string_view::npos;
  return can_match ? "" : "never matches: write it as SERVER/NAME";
}

std::string subject(std::string_view text) {
  if (text == "*" || text == "anonymous" ||
      is_reference(text, {"team", "agent", "user", "role", "environment"}))
    return "";
  if (text.starts_with("claim:")) {
    const auto equals = text.find('=');
    if (equals != std::string_view::npos && equals + 1 < text.size() && text.size() <= kPatternBytes &&
        claim(text.substr(6, equals - 6)).empty())
      return "";
    return "must be claim:NAME=PATTERN";
  }
  return "must be team:NAME, agent:NAME, user:NAME, role:NAME, claim:NAME=PATTERN, environment:NAME, "
         "anonymous or "
         "\"*\"";
}

std::string owner(std::string_view text) {
  return is_reference(text, {"team", "agent", "user"}) ? "" : "must be team:NAME, user:NAME or agent:NAME";
}

std::string role(std::string_view text) {
  const bool good = !text.empty() && text.size() <= 128 && !has_blank(text) &&
                    text.find_first_of("*?") == std::string_view::npos;
  return good ? "" : "must be one word of at most 128 bytes, without * and ?";
}

std::string claim(std::string_view text) {
  const bool good =
      !text.empty() && text.size() <= 128 && !has_blank(text) && text.find('=') == std::string_view::npos;
  return good ? "" : "must be one word of at most 128 bytes, without =";
}

std::string principal_path(std::string_view text) {
  if (text == "principal.name" || text == "principal.subject" || text == "principal.issuer") return "";
  constexpr std::string_view kClaims = "principal.claims.";
  if (text.starts_with(kClaims) && claim(text.substr(kClaims.size())).empty()) return "";
  return "must be principal.name, principal.subject, principal.issuer or principal.claims.NAME";
}

std::string claim_path(std::string_view text) {
  return claim_steps(text).empty() ? "must be claims.NAME, claims.NAME.NAME or claims[\"NAME\"]" : "";
}

std::string scope(std::string_view text) {
  const bool good = !text.empty() && text.size() <= 128 && std::ranges::all_of(text, [](char c) {
    return c > 0x20 && c < 0x7f && c != '"' && c != '\\';
  });
  return good ? "" : "must be one word of visible ASCII, without \" and \\";
}

std::string algorithm(std::string_view text) {
  constexpr std::array<std::string_view, 9> kAlgorithms = {"RS256", "RS384", "RS512", "PS256", "PS384",
                                                           "PS512", "ES256", "ES384", "ES512"};
  if (std::ranges::find(kAlgorithms, text) != kAlgorithms.end()) return "";
  return fmt::format("must be one of {}", fmt::join(kAlgorithms, ", "));
}

std::string issuer_url(std::string_view text) {
  if (std::string wrong = url(text); !wrong.empty()) return wrong;
  return text.find('?') == std::string_view::npos ? "" : "must not have a query (?...)";
}

std::string argument_name(std::string_view text) {
  return text.empty() || text.size() > 128 ? "must be 1 to 128 bytes" : "";
}

std::string expression(std::string_view text) {
  if (trim(text).empty()) return "is empty: leave it out for a rule that always holds";
  return text.size() <= limits::kExpressionBytes ? "" : "is longer than 8 KiB";
}

std::string member(std::string_view text) {
  if (is_reference(text, {"agent", "user"})) return "";
  return "must be user:NAME or agent:NAME";
}

std::string exported_name(std::string_view text) {
  const bool good = !text.empty() && text.size() <= 64 && std::ranges::all_of(text, is_exported);
  return good ? "" : "must be 1 to 64 of A-Z, a-z, 0-9, _ and -";
}

std::string prefix(std::string_view text) {
  const bool good = text.size() <= 32 && std::ranges::all_of(text, is_exported);
  return good ? "" : "must be at most 32 of A-Z, a-z, 0-9, _ and -";
}

std::string hash_prefix(std::string_view text) {
  return names_version(text) ? "" : "must be 32 to 64 hex digits, as `sallyport lock -` shows them";
}

}  // namespace sallyport::store::check

namespace sallyport::store {

std::string name_problem(std::string_view text) { return check::name(text); }

}  // namespace sallyport::store
