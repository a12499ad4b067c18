#include "tokens.hpp"

#include <algorithm>
#include <cstring>

#include "call.hpp"
#include "sallyport/core/bytes.hpp"
#include "sallyport/core/limits.hpp"
#include "sallyport/identity/introspection.hpp"

namespace sallyport::gateway {
namespace {

using identity::TokenFault;

constexpr std::string_view kInactive = "The token is not accepted: its issuer does not stand by it.";

/// The error as the client may see it: what is wrong with its own token, which only it can mend.
Failure refused(const Error& error) {
  return client_error(Code::unauthenticated, "The token is not accepted: " + error.hint + ".");
}

Failure no_keys(const identity::Issuer& issuer) {
  Failure out =
      fail(Code::unavailable, Blame::upstream,
           "issuer " + issuer.document.name + ": there are no keys: " + issuer.keys->state().problem, true);
  out.error().hint = "The keys of this token's issuer cannot be had now.";
  return out;
}

/// Of a token that says nothing itself.
Task<Result<std::shared_ptr<const GoodToken>>> ask(Call& call, std::string_view text, const Clock& clock) {
  const auto table = call.snapshot->issuers;
  const identity::Issuer* const issuer = table->introspecting();
  if (!issuer)
    co_return client_error(Code::unauthenticated,
                           "The token is not accepted: it is neither a JWT nor a key.");
  std::size_t& asking = call.here.tokens.asking;
  if (asking >= limits::kIntrospections)
    co_return fail(Code::limited, Blame::us, "too many questions about tokens are under way", true);
  static const Secret kNone;
  ++asking;
  auto verdict = co_await identity::introspect(*call.here.client, issuer->document,
                                               issuer->client_secret ? *issuer->client_secret : kNone, text,
                                               clock.now(), &call.cancel);
  --asking;
  if (!verdict) co_return Failure(verdict.error());
  if (*verdict) co_return std::make_shared<const GoodToken>(std::move(**verdict), issuer->fingerprint);
  call.here.tokens.keep(sha256(text), nullptr).refused_until = clock.now() + limits::kRefusalKept;
  co_return client_error(Code::unauthenticated, std::string(kInactive));
}

/// Verified from scratch, with the newest keys where the token names one that is not known.
Task<Result<std::shared_ptr<const GoodToken>>> verify(Call& call, std::string_view text, const Clock& clock) {
  if (std::ranges::count(text, '.') != 2) co_return co_await ask(call, text, clock);
  auto first = identity::read_jws(text);
  if (!first) co_return refused(first.error());
  const auto iss = first->payload.root().find("iss");
  const auto table = call.snapshot->issuers;
  const identity::Issuer* const issuer = table->find(iss ? iss->string().value_or("") : "");
  if (!issuer)
    co_return client_error(Code::unauthenticated, "The token is not accepted: its issuer is not known here.");
  std::optional<identity::Jws> jws = std::move(*first);
  for (const bool last : {false, true}) {
    const auto keys = issuer->keys->keys();
    if (keys) {
      auto fault = TokenFault::none;
      auto verified = identity::verify_token(std::move(*jws), *keys, issuer->rules, clock.now(), &fault);
      if (verified) co_return std::make_shared<const GoodToken>(std::move(*verified), issuer->fingerprint);
      if (fault != TokenFault::unknown_key || last) co_return refused(verified.error());
      jws = *identity::read_jws(text);
    } else if (last) {
      co_return no_keys(*issuer);
    }
    co_await issuer->keys->fetched(call.here.shard, keys != nullptr);
  }
  co_return fail(Code::internal, Blame::us, "a token was neither accepted nor refused");
}

}  // namespace

const identity::Issuer* issuer_of(const Snapshot& snapshot, const GoodToken& token, SystemTime now) {
  if (now >= token.verified.expires) return nullptr;
  const identity::Issuer* const issuer = snapshot.issuers->find(token.verified.issuer);
  if (!issuer || issuer->fingerprint != token.fingerprint) return nullptr;
  if (!token.verified.key) return issuer;
  const auto keys = issuer->keys->keys();
  return keys && keys->has(*token.verified.key) ? issuer : nullptr;
}

std::shared_ptr<const policy::Principal> principal_of(const Snapshot& snapshot, const GoodToken& token,
                                                      SystemTime now) {
  const identity::Issuer* const issuer = issuer_of(snapshot, token, now);
  if (!issuer) return nullptr;
  auto principal = snapshot.issuers->principal(*issuer, token.verified);
  return principal ? std::make_shared<const policy::Principal>(std::move(*principal)) : nullptr;
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
  Entry& entry = keep(digest, nullptr);
  entry = std::move(kept);
  return &entry;
}

TokenCache::Entry& TokenCache::keep(const Digest& digest, std::shared_ptr<const GoodToken> token) {
  if (young_.size() >= limits::kTokensKept / 2) old_ = std::exchange(young_, {});
  Entry& entry = young_[digest];
  entry = {.token = std::move(token), .table = nullptr, .principal = nullptr};
  return entry;
}

Task<Result<void>> authenticate_token(Call& call, std::string_view text, const Clock& clock) {
  const Digest digest = sha256(text);
  call.key_id = "token-" + hex(view(digest).substr(0, 8));
  const auto table = call.snapshot->issuers;
  TokenCache::Entry* entry = call.here.tokens.find(digest);
  std::shared_ptr<const GoodToken> token = entry ? entry->token : nullptr;
  const SystemTime now = clock.now();
  if (entry && !token && now < entry->refused_until)
    co_return client_error(Code::unauthenticated, std::string(kInactive));
  const identity::Issuer* issuer = nullptr;
  if (token) {
    issuer = table->find(token->verified.issuer);
    const bool compared = issuer && entry->version == issuer->keys->version() && issuer->keys->trusted() &&
                          issuer->fingerprint == token->fingerprint && now < token->verified.expires;
    if (!compared) issuer = issuer_of(*call.snapshot, *token, now);
    if (!issuer || now >= token->verified.asks_again) token = nullptr;
  }
  if (!token) {
    auto verified = co_await verify(call, text, clock);
    if (!verified) co_return Failure(verified.error());
    token = std::move(*verified);
    issuer = table->find(token->verified.issuer);
    entry = &call.here.tokens.keep(digest, token);
  }
  issuer->keys->renew();
  entry->version = issuer->keys->version();

  if (!token->verified.is_for(call.snapshot->public_url + call.endpoint_path, issuer->document.audiences))
    co_return client_error(Code::unauthenticated, "The token is not accepted: it is for somebody else than " +
                                                      call.snapshot->public_url + call.endpoint_path + ".");
  if (!identity::IssuerTable::has_scopes(*issuer, token->verified))
    co_return client_error(Code::insufficient_scope,
                           "The token lacks a scope that its issuer's document demands.");
  if (entry->table != table) {
    auto principal = table->principal(*issuer, token->verified);
    if (!principal) co_return refused(principal.error());
    entry->principal = std::make_shared<const policy::Principal>(std::move(*principal));
    entry->table = table;
  }
  call.principal = entry->principal;
  call.token = std::move(token);
  co_return Result<void>();
}

}  // namespace sallyport::gateway
