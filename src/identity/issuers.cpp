#include "sallyport/identity/issuers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>

#include "sallyport/core/characters.hpp"
#include "sallyport/core/limits.hpp"
#include "sallyport/identity/token_bounds.hpp"
#include "sallyport/json/list.hpp"
#include "sallyport/store/claim_path.hpp"
#include "sallyport/store/grounds.hpp"

namespace sallyport::identity {
namespace {

using Kind = policy::Principal::Kind;

Failure refused(std::string hint) {
  return Failure(Error{.code = Code::unauthenticated,
                       .blame = Blame::client,
                       .what = "the token is not accepted",
                       .hint = std::move(hint)});
}

std::optional<json::Value> claim_at(json::Value claims, const std::vector<std::string>& steps) {
  std::optional<json::Value> at = claims;
  for (const auto& step : steps) {
    if (!at) break;
    at = at->find(step);
  }
  return at;
}

/// A name that documents, records and terminals can hold.
bool is_name(std::string_view text) {
  if (text.empty() || text.size() > limits::kClaimBytes) return false;
  while (!text.empty()) {
    const Letter letter = letter_at(text);
    if (letter.bytes == 0 || !hidden_character(letter.code).empty()) return false;
    text.remove_prefix(letter.bytes);
  }
  return true;
}

/// A claim as rules read it: text, or how a number or a truth value is written.
std::optional<std::string> text_of(const json::Value& value) {
  std::optional<std::string> out;
  if (value.is(json::Kind::string)) out = value.string();
  if (value.is(json::Kind::number) || value.is(json::Kind::boolean)) out = std::string(value.raw());
  if (out && !is_name(*out)) out.reset();
  return out;
}

/// Entra ID and others leave a claim out that would be too long, and say so (OpenID Connect Core 5.6.2).
bool is_elsewhere(json::Value claims, const std::vector<std::string>& steps) {
  const auto names = claims.find("_claim_names");
  if (names && names->find(steps.front())) return true;
  const auto groups = claims.find("hasgroups");  // of Entra ID, where a token is short
  return groups && steps.front() == "groups";
}

/// The names in a claim: one, or a list of them.
Result<std::vector<std::string>> names_in(json::Value claims, const std::string& path,
                                          std::string_view what) {
  std::vector<std::string> out;
  if (path.empty()) return out;
  const auto steps = store::claim_steps(path);
  const auto claim = claim_at(claims, steps);
  if (!claim) {
    if (is_elsewhere(claims, steps))
      return refused(fmt::format("its {} are too many to stand in it: have the issuer send fewer", what));
    return out;
  }
  const auto take = [&](const json::Value& one) {
    auto text = one.string();
    if (!text || !is_name(*text) || out.size() == limits::kClaimTexts) return false;
    out.push_back(std::move(*text));
    return true;
  };
  const bool taken =
      claim->is(json::Kind::array) ? std::ranges::all_of(claim->elements(), take) : take(*claim);
  if (!taken)
    return refused(fmt::format("its {} are no list of at most {} names of at most {} bytes", what,
                               limits::kClaimTexts, limits::kClaimBytes));
  return out;
}

/// The name that a claim gives; nullopt where the token has no such claim.
Result<std::optional<std::string>> name_in(json::Value claims, const std::string& path) {
  if (path.empty()) return std::nullopt;
  auto steps = store::claim_steps(path);
  const auto claim = claim_at(claims, steps);
  if (!claim) return std::nullopt;
  auto text = claim->string();
  if (!text || !is_name(*text)) return refused(fmt::format("{} is no name", path));
  if (steps.back() != "email") return text;
  // An address that anybody could have typed in names nobody.
  steps.back() = "email_verified";
  const auto verified = claim_at(claims, steps);
  const bool sure = verified && (verified->boolean() == true || verified->string() == "true");
  if (!sure) return refused("its email is not verified: email_verified must be true");
  return text;
}

std::vector<std::string> words_in(const std::optional<json::Value>& value) {
  std::vector<std::string> out;
  if (!value) return out;
  if (value->is(json::Kind::array)) {
    for (const auto& one : value->elements())
      if (auto text = one.string()) out.push_back(std::move(*text));
    return out;
  }
  return words_of(value->string().value_or(""));
}

/// The scopes of a token: `scope` as text, `scp` as text or list.
std::vector<std::string> scopes_in(json::Value claims) {
  auto out = words_in(claims.find("scope"));
  for (auto& more : words_in(claims.find("scp"))) out.push_back(std::move(more));
  return out;
}

/// In order, each once: as everybody who compares principals expects them.
void sort_once(std::vector<std::string>& names) {
  std::ranges::sort(names);
  const auto repeated = std::ranges::unique(names);
  names.erase(repeated.begin(), repeated.end());
}

std::atomic<std::uint64_t> tables{0};

}  // namespace

TokenRules IssuerTable::rules_of(const store::Issuer& document) {
  TokenRules out{.issuer = document.issuer,
                 .algorithms = {},
                 .leeway = std::chrono::duration_cast<std::chrono::seconds>(document.leeway)};
  for (const auto& name : document.algorithms)
    if (const auto algorithm = algorithm_of(name)) out.algorithms.push_back(*algorithm);
  return out;
}

IssuerTable::IssuerTable(const std::vector<store::AnyDocument>& documents,
                         const std::map<std::string, IssuerParts>& parts,
                         std::shared_ptr<const Directory> directory, std::shared_ptr<OwnIssuer> own)
    : serial_(++tables), directory_(std::move(directory)), own_(std::move(own)) {
  const bool providers = std::ranges::any_of(documents, [](const auto& document) {
    const auto* issuer = std::get_if<store::Issuer>(&document);
    return issuer && !issuer->sign_in.client_id.empty();
  });
  people_ = own_ && (providers || own_->keeps_users());
  if (own_)
    by_url_.emplace(
        own_->url(),
        Issuer{.document = {.name = std::string(store::kLocalUsers), .issuer = own_->url()},
               .rules = {.issuer = own_->url(), .algorithms = {Algorithm::es256}, .types = {"at+jwt"}},
               .fingerprint = own_->url(),
               .keys = own_->keys(),
               .client_secret = nullptr,
               .sign_in_secret = nullptr,
               .own = own_});
  for (const auto& document : documents) {
    const auto* issuer = std::get_if<store::Issuer>(&document);
    if (!issuer) continue;
    const auto part = parts.find(issuer->name);
    const Issuer& entry =
        by_url_
            .emplace(issuer->issuer,
                     Issuer{.document = *issuer,
                            .rules = rules_of(*issuer),
                            .fingerprint = sha256_hex(store::to_json(document)),
                            .keys = part == parts.end() ? nullptr : part->second.keys,
                            .client_secret = part == parts.end() ? nullptr : part->second.client_secret,
                            .sign_in_secret = part == parts.end() ? nullptr : part->second.sign_in_secret})
            .first->second;
    if (!issuer->introspection.url.empty()) introspecting_ = &entry;
  }
  for (const auto& document : documents) {
    const auto* agent = std::get_if<store::Agent>(&document);
    const auto part = agent ? parts.find(directory_->own(Kind::agent, agent->name).name()) : parts.end();
    if (part == parts.end()) continue;
    std::vector<Algorithm> all;
    for (std::size_t i = 0; i < kAlgorithms; ++i) all.push_back(static_cast<Algorithm>(i));
    agents_.emplace(agent->name, Issuer{.document = {.name = part->first, .issuer = agent->name},
                                        .rules = {.issuer = agent->name, .algorithms = std::move(all)},
                                        .fingerprint = {},
                                        .keys = part->second.keys,
                                        .client_secret = nullptr});
  }
}

bool Issuer::has_ended(const VerifiedToken& token) const {
  if (!own) return false;
  const auto claims = token.claims.root();
  const auto grant = claims.find("grant");
  if (!grant || own->has_ended(grant->string().value_or(""))) return true;
  const auto above = claims.find("above");
  return above && std::ranges::any_of(json::texts_of(*above),
                                      [&](const std::string& ground) { return own->has_ended(ground); });
}

const Issuer* IssuerTable::find(std::string_view url) const {
  const auto found = by_url_.find(url);
  return found == by_url_.end() || !found->second.keys ? nullptr : &found->second;
}

const Issuer* IssuerTable::asserting(std::string_view url, std::string_view agent) const {
  const Issuer* const issuer = find(url);
  if (!issuer || std::ranges::find(issuer->document.id_jag, agent) == issuer->document.id_jag.end())
    return nullptr;
  return issuer;
}

bool IssuerTable::has_assertions() const {
  return std::ranges::any_of(by_url_,
                             [](const auto& entry) { return !entry.second.document.id_jag.empty(); });
}

const Issuer* IssuerTable::provider(std::string_view name) const {
  for (const auto& [url, issuer] : by_url_)
    if (issuer.document.name == name && !issuer.document.sign_in.client_id.empty()) return &issuer;
  return nullptr;
}

std::vector<const Issuer*> IssuerTable::providers() const {
  std::map<std::pair<bool, std::string>, const Issuer*> in_order;
  for (const auto& [url, issuer] : by_url_)
    if (!issuer.document.sign_in.client_id.empty())
      in_order.emplace(std::pair(!issuer.document.is_default, issuer.document.name), &issuer);
  std::vector<const Issuer*> out;
  for (const auto& [place, issuer] : in_order) out.push_back(issuer);
  return out;
}

std::vector<std::string> IssuerTable::teams_named(const Issuer& issuer, const VerifiedToken& token) {
  return names_in(token.claims.root(), issuer.document.teams, "teams").value_or(std::vector<std::string>());
}

Result<policy::Principal> IssuerTable::signed_in(const store::SignIn& sign_in) const {
  const auto identity = json::Document::parse(sign_in.identity);
  if (!identity) return Failure(identity.error());
  return signed_in(sign_in.issuer, sign_in.user, identity->root());
}

Result<policy::Principal> IssuerTable::signed_in(std::string_view issuer, std::string user,
                                                 json::Value identity) const {
  if (issuer.empty()) return directory_->agent(user);
  const auto text = [&](std::string_view name) {
    const auto member = identity.find(name);
    return member ? member->string().value_or("") : std::string();
  };
  const bool asserted = identity.find("asserted").has_value();
  const Issuer* const by = issuer == store::kLocalUsers ? nullptr
                           : asserted                   ? asserting(text("idp_issuer"), text("client_id"))
                                                        : provider(issuer);
  if (!by && issuer != store::kLocalUsers)
    return refused(asserted ? "its client may not bring assertions of its provider any more"
                            : "people do not sign in by its provider any more");
  // A document that names another provider now has other people.
  if (by && (text("idp_issuer") != by->document.issuer || issuer != by->document.name))
    return refused("its provider is another one now");
  auto out = by ? directory_->vouched(by->document, Kind::user, std::move(user)) : directory_->local(user);
  const auto add = [&](std::string_view name, std::vector<std::string>& to) {
    if (const auto list = identity.find(name))
      for (const auto& one : list->elements()) to.push_back(one.string().value_or(""));
  };
  add("teams", out.teams);
  sort_once(out.teams);
  add("roles", out.roles);
  if (const auto claims = identity.find("claims"))
    for (const auto& claim : claims->members()) out.claims[claim.key()] = claim.value.string().value_or("");
  return out;
}

Result<policy::Principal> IssuerTable::principal(const Issuer& issuer, const VerifiedToken& token) const {
  const store::Issuer& document = issuer.document;
  const auto claims = token.claims.root();
  if (issuer.own) {
    const auto text = [&](std::string_view name) {
      const auto claim = claims.find(name);
      return claim ? claim->string().value_or("") : std::string();
    };
    auto out = signed_in(text("idp"), text("sub"), claims);
    if (!out) return out;
    out->claims["client_id"] = text("client_id");
    out->scopes = words_of(text("scope"));
    if (const auto tools = claims.find("tools")) out->tools = json::texts_of(*tools);
    const auto actor = claim_at(claims, {"act", "sub"});
    if (actor) out->actor = actor->string().value_or("");
    // One of ours that acts for somebody else must not outlive its own end.
    std::vector<std::string> acting{out->actor};
    if (const auto above = claims.find("above"))
      std::ranges::move(json::texts_of(*above), std::back_inserter(acting));
    for (const auto& one : acting)
      if (const auto agent = store::agent_of_ground(one); !agent.empty())
        if (auto own = directory_->agent(agent); !own) return own;
    return out;
  }
  auto user = name_in(claims, document.user);
  if (!user) return Failure(user.error());
  auto agent = *user ? Result<std::optional<std::string>>(std::nullopt) : name_in(claims, document.agent);
  if (!agent) return Failure(agent.error());
  if (!*user && !*agent)
    return refused(fmt::format("it names nobody: it has no {}{}{}", document.user,
                               document.user.empty() || document.agent.empty() ? "" : " and no ",
                               document.agent));
  auto out =
      directory_->vouched(document, *user ? Kind::user : Kind::agent, std::move(*user ? **user : **agent));

  auto teams = names_in(claims, document.teams, "teams");
  if (!teams) return Failure(teams.error());
  auto roles = names_in(claims, document.roles, "roles");
  if (!roles) return Failure(roles.error());
  out.teams.insert(out.teams.end(), teams->begin(), teams->end());
  sort_once(out.teams);
  out.roles = std::move(*roles);
  out.scopes = scopes_in(claims);

  for (const std::string_view client : {"azp", "client_id"}) {
    const auto claim = claims.find(client);
    if (auto text = claim ? text_of(*claim) : std::nullopt) out.claims["client_id"] = std::move(*text);
  }
  for (const auto& [name, path] : document.claims) {
    const auto claim = claim_at(claims, store::claim_steps(path));
    if (!claim) continue;
    auto text = text_of(*claim);
    // A denial that reads it must not be missed.
    if (!text) return refused(fmt::format("{} is no text of at most {} bytes", path, limits::kClaimBytes));
    out.claims[name] = std::move(*text);
  }
  // RFC 8693 section 4.1: somebody acts for the subject.
  const auto actor = claim_at(claims, {"act", "sub"});
  if (actor) {
    const auto name = actor->string();
    if (!name || !is_name(*name)) return refused("its actor is no name");
    out.actor = *name;
  }
  return out;
}

bool IssuerTable::has_scopes(const Issuer& issuer, const VerifiedToken& token) {
  const auto& wanted = issuer.document.scopes;
  if (wanted.empty()) return true;
  const auto held = scopes_in(token.claims.root());
  return std::ranges::all_of(wanted,
                             [&](const auto& one) { return std::ranges::find(held, one) != held.end(); });
}

bool IssuerTable::empty() const {
  return std::ranges::none_of(
      by_url_, [&](const auto& entry) { return !entry.second.own || is_announced(entry.second); });
}

const Issuer* IssuerTable::agent(std::string_view name) const {
  const auto found = agents_.find(name);
  return found == agents_.end() ? nullptr : &found->second;
}

/// Whether clients are told to get their tokens there.
bool IssuerTable::is_announced(const Issuer& issuer) const {
  if (issuer.own) return gives_tokens();
  return !people_ || issuer.document.sign_in.client_id.empty();
}

std::vector<std::string> IssuerTable::urls() const {
  std::map<std::pair<int, std::string>, std::string> in_order;
  for (const auto& [url, issuer] : by_url_)
    if (is_announced(issuer))
      in_order.emplace(std::pair(issuer.document.is_default ? 0
                                 : issuer.own               ? 1
                                                            : 2,
                                 issuer.document.name),
                       url);
  std::vector<std::string> out;
  for (const auto& [place, url] : in_order) out.push_back(url);
  return out;
}

std::vector<std::string> IssuerTable::scopes() const {
  std::optional<std::vector<std::string>> common;
  for (const auto& [url, issuer] : by_url_) {
    const auto& wanted = issuer.document.scopes;
    if (!is_announced(issuer)) continue;
    if (issuer.document.is_default) return wanted;
    if (!common) {
      common = wanted;
    } else {
      std::erase_if(*common, [&](const auto& one) { return std::ranges::find(wanted, one) == wanted.end(); });
    }
  }
  return common.value_or(std::vector<std::string>());
}

}  // namespace sallyport::identity
