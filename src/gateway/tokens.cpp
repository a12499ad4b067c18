#include "tokens.hpp"

#include <algorithm>
#include <cstring>

#include <spdlog/spdlog.h>

#include "call.hpp"
#include "sallyport/core/bytes.hpp"
#include "sallyport/core/limits.hpp"
#include "sallyport/identity/introspection.hpp"
#include "sallyport/identity/verification.hpp"

namespace sallyport::gateway {
namespace {

constexpr std::string_view kInactive = "The token is not accepted: its issuer does not stand by it.";

/// The error as the client may see it: what is wrong with its own token, which only it can mend.
Failure refused(const Error& error) {
  return client_error(Code::unauthenticated, "The token is not accepted: " + error.hint + ".");
}

/// A token that has just been found good, by which set of keys.
struct Verified {
  std::shared_ptr<const GoodToken> token;
  std::uint64_t version = 0;
};

/// Asks the issuer, once for all who show the token now; what it says is then in the cache. Errors:
/// unavailable, limited.
Task<Result<void>> ask(Call& call, const identity::Issuer& issuer, std::string_view text,
                       const Digest& digest, bool known, const Clock& clock) {
  TokenCache& cache = call.here.tokens;
  if (!cache.begin_question(digest, known))
    co_return fail(Code::limited, Blame::us, "too many questions about tokens are under way", true);
  static const Secret kNone;
  auto verdict = co_await identity::introspect(*call.here.client, issuer.document,
                                               issuer.client_secret ? *issuer.client_secret : kNone, text,
                                               clock.now(), nullptr);
  if (!verdict) {
    if (cache.may_tell(clock.steady())) spdlog::warn("{}", verdict.error().what);
    cache.end_question(digest);
    co_return Failure(verdict.error());
  }
  if (*verdict) {
    cache.keep(digest, std::make_shared<const GoodToken>(std::move(**verdict), issuer.fingerprint), 0);
  } else {
    cache.keep(digest, nullptr, 0).refused_until = clock.now() + limits::kRefusalKept;
  }
  cache.end_question(digest);
  co_return Result<void>();
}

/// Of a token that says nothing itself.
Task<Result<Verified>> asked(Call& call, std::string_view text, const Digest& digest, bool known,
                             const Clock& clock) {
  const auto table = call.snapshot->issuers;
  const identity::Issuer* const issuer = table->introspecting();
  if (!issuer)
    co_return client_error(Code::unauthenticated,
                           "The token is not accepted: it is neither a JWT nor a key.");
  TokenCache& cache = call.here.tokens;
  if (cache.is_asked(digest)) {
    co_await cache.answered(digest);
  } else if (auto done = co_await ask(call, *issuer, text, digest, known, clock); !done) {
    co_return Failure(done.error());
  }
  const TokenCache::Entry* const entry = cache.find(digest);
  if (entry && entry->token) co_return Verified{.token = entry->token};
  if (entry && clock.now() < entry->refused_until)
    co_return client_error(Code::unauthenticated, std::string(kInactive));
  Failure out = fail(Code::unavailable, Blame::upstream, "nobody was told what the issuer says", true);
  out.error().hint = "The issuer of this token cannot be asked about it now.";
  co_return out;
}

/// Verified from scratch.
Task<Result<Verified>> verify(Call& call, std::string_view text, const Digest& digest, bool known,
                              const Clock& clock) {
  if (std::ranges::count(text, '.') != 2) co_return co_await asked(call, text, digest, known, clock);
  auto jws = identity::read_jws(text);
  if (!jws) co_return refused(jws.error());
  const auto iss = jws->payload.root().find("iss");
  const auto table = call.snapshot->issuers;
  const identity::Issuer* const issuer = table->find(iss ? iss->string().value_or("") : "");
  if (!issuer)
    co_return client_error(Code::unauthenticated, "The token is not accepted: its issuer is not known here.");
  auto verified = co_await identity::verify_by_issuer(call.here.shard, *issuer, issuer->rules,
                                                      std::move(*jws), text, clock);
  if (!verified && verified.error().code == Code::unauthenticated) co_return refused(verified.error());
  if (!verified) co_return Failure(verified.error());
  if (issuer->has_ended(verified->token))
    co_return client_error(Code::unauthenticated,
                           "The token is not accepted: what it stands on has been revoked.");
  const auto grant = issuer->own ? verified->token.claims.root().find("grant") : std::nullopt;
  std::string id = grant ? grant->string().value_or("") : "";
  co_return Verified{.token = std::make_shared<const GoodToken>(std::move(verified->token),
                                                                issuer->fingerprint, std::move(id)),
                     .version = verified->version};
}

}  // namespace

Standing standing_of(const Snapshot& snapshot, const GoodToken& token, SystemTime now) {
  if (now >= token.verified.expires) return {};
  const identity::Issuer* const issuer = snapshot.issuers->find(token.verified.issuer);
  if (!issuer || issuer->fingerprint != token.fingerprint) return {};
  if (!token.verified.key) return {.issuer = issuer};
  const auto keys = issuer->keys->keys();
  if (!keys.set || !keys.set->has(*token.verified.key) || issuer->has_ended(token.verified)) return {};
  return {.issuer = issuer, .version = keys.version};
}

std::shared_ptr<const policy::Principal> principal_of(ShardState& here, const GoodToken& token,
                                                      SystemTime now) {
  const Standing standing = standing_of(*here.snapshot, token, now);
  if (!standing.issuer) return nullptr;
  auto principal = here.snapshot->issuers->principal(*standing.issuer, token.verified);
  return principal ? here.shared(std::move(*principal)) : nullptr;
}

std::string everything_of(const policy::Principal& principal) {
  std::string out;
  const auto add = [&](std::string_view text) {
    out.append(std::to_string(text.size())).append(":").append(text);
  };
  const auto all = [&](const std::vector<std::string>& texts) {
    out.append(std::to_string(texts.size())).append(";");
    for (const auto& text : texts) add(text);
  };
  out += static_cast<char>('0' + static_cast<int>(principal.kind));
  out += principal.home ? 'h' : 'a';
  add(principal.issuer);
  add(principal.subject);
  add(principal.actor);
  add(principal.key_id);
  all(principal.teams);
  all(principal.roles);
  for (const auto& [name, value] : principal.claims) {
    add(name);
    add(value);
  }
  out += principal.tools ? 't' : '-';
  if (principal.tools) all(*principal.tools);
  out += principal.scopes ? 's' : '-';
  if (principal.scopes) all(*principal.scopes);
  return out;
}

std::size_t TokenCache::Hash::operator()(const Digest& digest) const {
  std::size_t out = 0;
  std::memcpy(&out, digest.data(), sizeof out);
  return out;
}

TokenCache::Entry* TokenCache::find(const Digest& digest) {
  if (const auto found = young_.find(digest); found != young_.end()) return &found->second;
  const auto found = old_.find(digest);
  if (found == old_.end()) return nullptr;
  Entry kept = std::move(found->second);
  old_.erase(found);
  Entry& entry = keep(digest, nullptr, 0);
  entry = std::move(kept);
  return &entry;
}

TokenCache::Entry& TokenCache::keep(const Digest& digest, std::shared_ptr<const GoodToken> token,
                                    std::uint64_t version) {
  if (young_.size() >= limits::kTokensKept / 2) old_ = std::exchange(young_, {});
  Entry& entry = young_[digest];
  entry = {.token = std::move(token), .version = version, .principal = nullptr};
  return entry;
}

void TokenCache::forget(const Digest& digest) {
  young_.erase(digest);
  old_.erase(digest);
}

bool TokenCache::begin_question(const Digest& digest, bool known) {
  if (asked_.size() >= (known ? limits::kIntrospections : limits::kIntrospections / 2)) return false;
  asked_.try_emplace(digest);
  return true;
}

Task<> TokenCache::answered(const Digest& digest) {
  auto slot = std::make_shared<Slot<bool>>();
  asked_[digest].push_back(slot);
  co_await *slot;
}

void TokenCache::end_question(const Digest& digest) {
  const auto found = asked_.find(digest);
  if (found == asked_.end()) return;
  const auto waiters = std::move(found->second);
  asked_.erase(found);
  for (const auto& waiter : waiters) waiter->deliver(true);
}

bool TokenCache::may_tell(SteadyTime now) {
  if (ever_told_ && now - told_ < limits::kRefusalKept) return false;
  ever_told_ = true;
  told_ = now;
  return true;
}

namespace {

/// Nothing has changed since the token was last held against what its issuer says.
bool is_compared(const TokenCache::Entry& entry, const identity::Issuer* issuer, SystemTime now) {
  if (!issuer || issuer->fingerprint != entry.token->fingerprint || now >= entry.token->verified.expires)
    return false;
  return !entry.token->verified.key || (entry.version == issuer->keys->version() && issuer->keys->trusted());
}

}  // namespace

Task<Result<void>> authenticate_token(Call& call, std::string_view text, const Clock& clock) {
  const Digest digest = sha256(text);
  call.key_id = "token-" + hex(view(digest).substr(0, 8));
  const auto table = call.snapshot->issuers;
  TokenCache::Entry* entry = call.here.tokens.find(digest);
  std::shared_ptr<const GoodToken> token = entry ? entry->token : nullptr;
  const SystemTime now = clock.now();
  if (entry && !token && now < entry->refused_until)
    co_return client_error(Code::unauthenticated, std::string(kInactive));
  const bool known = token != nullptr;
  const identity::Issuer* issuer = nullptr;
  if (token) {
    issuer = table->find(token->verified.issuer);
    if (issuer && token->verified.key && issuer->keys->neglected()) {
      issuer = nullptr;
    } else if (!is_compared(*entry, issuer, now)) {
      const Standing standing = standing_of(*call.snapshot, *token, now);
      issuer = standing.issuer;
      entry->version = standing.version;
    }
    if (!issuer || now >= token->verified.asks_again) token = nullptr;
  }
  if (!token) {
    auto verified = co_await verify(call, text, digest, known, clock);
    if (!verified) {
      // What was good once must not come back when numbers fit again; a refusal that is remembered stays.
      if (known && verified.error().code == Code::unauthenticated && std::ranges::count(text, '.') == 2)
        call.here.tokens.forget(digest);
      co_return Failure(verified.error());
    }
    token = std::move(verified->token);
    issuer = table->find(token->verified.issuer);
    if (!issuer)
      co_return client_error(Code::unauthenticated,
                             "The token is not accepted: its issuer is not known here.");
    entry = &call.here.tokens.keep(digest, token, verified->version);
  }
  if (token->verified.key) issuer->keys->renew();

  if (!token->verified.is_for(call.snapshot->public_url + call.endpoint_path, issuer->document.audiences))
    co_return client_error(Code::unauthenticated, "The token is not accepted: it is for somebody else than " +
                                                      call.snapshot->public_url + call.endpoint_path + ".");
  if (!identity::IssuerTable::has_scopes(*issuer, token->verified)) {
    call.scopes_wanted = issuer->document.scopes;
    co_return client_error(Code::insufficient_scope,
                           "The token lacks a scope that its issuer's document demands.");
  }
  if (entry->table != table->serial()) {
    auto principal = table->principal(*issuer, token->verified);
    if (!principal) co_return refused(principal.error());
    entry->principal = call.here.shared(std::move(*principal));
    entry->table = table->serial();
  }
  call.principal = entry->principal;
  call.token = std::move(token);
  co_return Result<void>();
}

}  // namespace sallyport::gateway
