#include "sallyport/identity/keys.hpp"

#include <algorithm>

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

}  // namespace

std::shared_ptr<const KeyTable> KeyTable::build(const std::vector<store::ApiKey>& keys,
                                                const Directory& directory) {
  auto table = std::make_shared<KeyTable>();
  for (const auto& key : keys) {
    const auto digest = digest_of(key);
    if (key.revoked || key.id.empty() || !digest || directory.disabled(key.agent)) continue;
    auto principal =
        std::make_shared<policy::Principal>(directory.own(policy::Principal::Kind::agent, key.agent));
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

bool is_api_key(std::string_view text) { return text.starts_with(kPrefix); }

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

}  // namespace sallyport::identity
