#include "sallyport/identity/keys.hpp"

#include <algorithm>
#include <map>

#include "sallyport/core/bytes.hpp"

namespace sallyport::identity {
namespace {

constexpr std::string_view kPrefix = "sp_";
constexpr std::size_t kKeyBytes = 256;  // several times what we issue; longer texts are not worth a digest

Failure refuse() { return client_error(Code::unauthenticated, "The credential is not valid."); }

/// The id in `sp_<id>_<secret>`; empty when the text has another form.
std::string_view id_of(std::string_view text) {
  if (text.size() > kKeyBytes || !text.starts_with(kPrefix)) return {};
  text.remove_prefix(kPrefix.size());
  const auto end = text.find('_');
  if (end == std::string_view::npos || end + 1 == text.size()) return {};
  return text.substr(0, end);
}

std::optional<Digest> digest_of(const store::ApiKey& key) {
  const auto bytes = unhex(key.hash);
  Digest digest;
  if (!bytes || bytes->size() != digest.size()) return std::nullopt;
  std::ranges::transform(*bytes, digest.begin(), [](char c) { return static_cast<unsigned char>(c); });
  return digest;
}

/// What documents say of principals. Borrows them.
class Directory {
 public:
  explicit Directory(const std::vector<store::AnyDocument>& documents) {
    for (const auto& document : documents) {
      if (const auto* agent = std::get_if<store::Agent>(&document)) agents_.emplace(agent->name, agent);
      if (const auto* team = std::get_if<store::Team>(&document))
        for (const auto& member : team->members) teams_of_[member].push_back(team->name);
    }
  }
  bool disabled(std::string_view agent) const {
    const auto found = agents_.find(agent);
    return found != agents_.end() && found->second->disabled;
  }
  policy::Principal principal(policy::Principal::Kind kind, std::string_view subject) const {
    policy::Principal out{.kind = kind, .issuer = "", .subject = std::string(subject)};
    const auto agent = agents_.find(subject);
    if (kind == policy::Principal::Kind::agent && agent != agents_.end()) {
      out.roles = agent->second->roles;
      out.claims = agent->second->claims;
    }
    if (const auto teams = teams_of_.find(out.name()); teams != teams_of_.end()) {
      out.teams = teams->second;
      std::ranges::sort(out.teams);
      const auto repeated = std::ranges::unique(out.teams);
      out.teams.erase(repeated.begin(), repeated.end());
    }
    return out;
  }

 private:
  std::map<std::string_view, const store::Agent*> agents_;
  std::map<std::string, std::vector<std::string>, std::less<>> teams_of_;  // by member
};

}  // namespace

std::shared_ptr<const KeyTable> KeyTable::build(const std::vector<store::ApiKey>& keys,
                                                const std::vector<store::AnyDocument>& documents) {
  const Directory directory(documents);
  auto table = std::make_shared<KeyTable>();
  for (const auto& key : keys) {
    const auto digest = digest_of(key);
    if (key.revoked || key.id.empty() || !digest || directory.disabled(key.agent)) continue;
    auto principal =
        std::make_shared<policy::Principal>(directory.principal(policy::Principal::Kind::agent, key.agent));
    principal->key_id = key.id;
    table->by_id_.try_emplace(key.id,
                              Entry{.key = key, .principal = std::move(principal), .digest = *digest});
  }
  return table;
}

Result<const KeyTable::Entry*> KeyTable::check(std::string_view text, SystemTime now) const {
  const auto id = id_of(text);
  if (id.empty()) return refuse();
  const auto found = by_id_.find(id);
  // An unknown id takes as long as a wrong secret, so that ids cannot be found out by timing.
  static constexpr Digest kNobody{};
  const Digest& expected = found == by_id_.end() ? kNobody : found->second.digest;
  const bool same = equal_secret(view(sha256(text)), view(expected));
  if (!same || found == by_id_.end()) return refuse();
  const Entry& entry = found->second;
  if (entry.key.expires && unix_millis(now) >= *entry.key.expires) return refuse();
  return &entry;
}

const KeyTable::Entry* KeyTable::find(std::string_view id, SystemTime now) const {
  const auto found = by_id_.find(id);
  if (found == by_id_.end()) return nullptr;
  const Entry& entry = found->second;
  return entry.key.expires && unix_millis(now) >= *entry.key.expires ? nullptr : &entry;
}

Result<std::optional<std::string_view>> bearer_token(std::optional<std::string_view> authorization) {
  constexpr std::string_view kScheme = "bearer";
  if (!authorization) return std::nullopt;
  const auto space = authorization->find(' ');
  if (!equal_ignoring_case(authorization->substr(0, space), kScheme) || space == std::string_view::npos)
    return client_error(Code::unauthenticated, "Authorization must be: Bearer TOKEN.");
  auto token = *authorization;
  token.remove_prefix(std::min(token.find_first_not_of(' ', space), token.size()));
  const auto in_token = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("-._~+/").find(c) != std::string_view::npos;
  };
  const auto padding = std::ranges::find_if_not(token, in_token);
  if (padding == token.begin() || std::any_of(padding, token.end(), [](char c) { return c != '='; }))
    return client_error(Code::unauthenticated, "The bearer token has characters that no token has.");
  return token;
}

Result<policy::Principal> principal_of(std::string_view name,
                                       const std::vector<store::AnyDocument>& documents) {
  if (name == "anonymous") return policy::Principal();
  const bool agent = name.starts_with("agent:");
  if ((!agent && !name.starts_with("user:")) || name.find(':') + 1 == name.size())
    return client_error(Code::bad_request, "a principal is agent:NAME, user:NAME or anonymous");
  return Directory(documents).principal(
      agent ? policy::Principal::Kind::agent : policy::Principal::Kind::user,
      name.substr(name.find(':') + 1));
}

}  // namespace sallyport::identity
