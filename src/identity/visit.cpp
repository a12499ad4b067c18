#include "visit.hpp"

#include <fmt/format.h>

#include <charconv>
#include <vector>

#include "sallyport/core/bytes.hpp"
#include "sallyport/core/crypto.hpp"
#include "sallyport/json/document.hpp"

namespace sallyport::identity {
namespace {

constexpr std::string_view kVisit = "oauth-visit", kCode = "oauth-code", kRefresh = "oauth-refresh";
constexpr std::size_t kLongId = 64;

/// Members of an object that we made ourselves.
class Members {
 public:
  explicit Members(json::Document document) : document_(std::move(document)) {}
  std::string text(std::string_view name) const {
    const auto member = document_.root().find(name);
    return member ? member->string().value_or("") : "";
  }
  std::int64_t number(std::string_view name) const {
    const auto member = document_.root().find(name);
    return member ? member->integer().value_or(0) : 0;
  }

 private:
  json::Document document_;
};

std::optional<Members> opened(const Sealer& sealer, std::string_view purpose, const std::string& bound,
                              std::string_view text) {
  auto plain = sealer.open(purpose, bound, text);
  if (!plain) return std::nullopt;
  auto document = json::Document::parse(std::move(*plain));
  if (!document) return std::nullopt;
  return Members(std::move(*document));
}

}  // namespace

std::string sealed_visit(const Sealer& sealer, const Visit& visit) {
  return sealer.seal(
      kVisit, "",
      fmt::format(R"({{"nonce":{},"sign_in":{}}})", json::quote(visit.nonce), json::quote(visit.sign_in)));
}

Visit opened_visit(const Sealer& sealer, std::string_view cookie) {
  const auto members = opened(sealer, kVisit, "", cookie);
  if (!members) return {};
  return {.nonce = members->text("nonce"), .sign_in = members->text("sign_in")};
}

std::string_view cookie_of(const net::Request& request, std::string_view name) {
  std::string_view found;
  for (const auto& line : request.headers.lines) {
    if (!equal_ignoring_case(line.name, "cookie")) continue;
    for (std::string_view rest = line.value; !rest.empty();) {
      const auto pair = rest.substr(0, rest.find(';'));
      rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
      const auto word = trim(pair);
      if (!word.starts_with(name) || word.size() <= name.size() || word[name.size()] != '=') continue;
      if (!found.empty()) return {};
      found = word.substr(name.size() + 1);
    }
  }
  return found;
}

std::string sealed_code(const Sealer& sealer, const AuthorizationCode& code) {
  const auto& grant = code.grant;
  return sealer.seal(
      kCode, grant.client,
      fmt::format(
          R"({{"grant":{},"sign_in":{},"name":{},"resource":{},"scope":{},"challenge":{},"redirect":{},"until":{}}})",
          json::quote(grant.id), json::quote(code.sign_in), json::quote(grant.client_name),
          json::quote(grant.resource), json::quote(grant.scope), json::quote(code.challenge),
          json::quote(code.redirect), code.until));
}

std::optional<AuthorizationCode> opened_code(const Sealer& sealer, std::string_view text,
                                             const std::string& client) {
  const std::string key = client_key(client);
  const auto members = opened(sealer, kCode, key, text);
  if (!members) return std::nullopt;
  return AuthorizationCode{.grant = {.id = members->text("grant"),
                                     .user = {},
                                     .issuer = {},
                                     .client = key,
                                     .client_name = members->text("name"),
                                     .resource = members->text("resource"),
                                     .scope = members->text("scope")},
                           .sign_in = members->text("sign_in"),
                           .challenge = members->text("challenge"),
                           .redirect = members->text("redirect"),
                           .until = members->number("until")};
}

std::string sealed_refresh(const Sealer& sealer, const RefreshToken& token, const std::string& client) {
  return sealer.seal(kRefresh, client_key(client),
                     fmt::format(R"({{"grant":{},"serial":{}}})", json::quote(token.grant), token.serial));
}

std::optional<RefreshToken> opened_refresh(const Sealer& sealer, std::string_view text,
                                           const std::string& client) {
  const auto members = opened(sealer, kRefresh, client_key(client), text);
  if (!members) return std::nullopt;
  return RefreshToken{.grant = members->text("grant"), .serial = members->number("serial")};
}

std::string client_key(const std::string& id) { return id.size() <= kLongId ? id : sha256_hex(id); }

}  // namespace sallyport::identity
