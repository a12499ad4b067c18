#include "sallyport/identity/jwt.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "sallyport/core/bytes.hpp"
#include "sallyport/core/limits.hpp"

namespace sallyport::identity {
namespace {

constexpr std::array<std::string_view, kAlgorithms> kNames{"RS256", "RS384", "RS512", "PS256", "PS384",
                                                           "PS512", "ES256", "ES384", "ES512"};
constexpr std::size_t kKidBytes = 256;

Failure refused(std::string hint) {
  return Failure(Error{.code = Code::unauthenticated,
                       .blame = Blame::client,
                       .what = "the token is not accepted",
                       .hint = std::move(hint)});
}

/// One part of the compact form as a JSON object.
Result<json::Document> object_of(std::string_view part, const char* what) {
  auto text = unbase64url(part);
  if (!text) return refused(fmt::format("its {} is no base64url", what));
  auto document = json::Document::parse(std::move(*text));
  if (!document || !document->root().is(json::Kind::object))
    return refused(fmt::format("its {} is no JSON object, or has a name twice", what));
  return std::move(*document);
}

}  // namespace

std::optional<SystemTime> date_of(const json::Value& value) {
  const auto seconds = value.number();
  constexpr double kMost = 253402300800.0;  // the year 10000
  if (!seconds || !(*seconds >= 0 && *seconds < kMost)) return std::nullopt;
  return time_of_millis(static_cast<std::int64_t>(*seconds * 1000));
}

std::vector<std::string> audiences_of(const json::Value& claims) {
  const auto value = claims.find("aud");
  std::vector<std::string> out;
  const auto take = [&](const json::Value& one) {
    if (auto text = one.string()) out.push_back(std::move(*text));
  };
  if (!value) return out;
  if (!value->is(json::Kind::array)) {
    take(*value);
  } else {
    for (const auto& one : value->elements()) take(one);
  }
  return out;
}

std::optional<Algorithm> algorithm_of(std::string_view name) {
  const auto it = std::ranges::find(kNames, name);
  if (it == kNames.end()) return std::nullopt;
  return static_cast<Algorithm>(it - kNames.begin());
}

std::string_view name_of(Algorithm algorithm) { return kNames[static_cast<std::size_t>(algorithm)]; }

Result<Jws> read_jws(std::string_view token) {
  if (token.size() > limits::kToken) return refused("it is larger than a token may be");
  const auto first = token.find('.');
  const auto second = first == std::string_view::npos ? first : token.find('.', first + 1);
  if (second == std::string_view::npos || token.find('.', second + 1) != std::string_view::npos)
    return refused("it has not three parts");
  auto header = object_of(token.substr(0, first), "header");
  if (!header) return Failure(header.error());
  auto payload = object_of(token.substr(first + 1, second - first - 1), "payload");
  if (!payload) return Failure(payload.error());
  auto signature = unbase64url(token.substr(second + 1));
  if (!signature || signature->empty()) return refused("it has no signature");

  const auto head = header->root();
  const auto alg = head.find("alg");
  const auto algorithm = algorithm_of(alg ? alg->string().value_or("") : "");
  if (!algorithm) return refused("its algorithm is none that is accepted");
  if (head.find("crit")) return refused("it asks for an extension");
  std::optional<std::string> kid;
  if (const auto given = head.find("kid")) {
    kid = given->string();
    if (!kid || kid->empty() || kid->size() > kKidBytes) return refused("its key id is no name");
  }
  std::string type;
  if (const auto given = head.find("typ")) {
    type = lower(given->string().value_or("?"));
    if (type.starts_with("application/")) type.erase(0, std::string_view("application/").size());
  }
  return Jws{.header = std::move(*header),
             .payload = std::move(*payload),
             .signed_bytes = std::string(token.substr(0, second)),
             .signature = std::move(*signature),
             .algorithm = *algorithm,
             .kid = std::move(kid),
             .type = std::move(type)};
}

Result<VerifiedToken> verify_token(Jws token, const KeySet& keys, const TokenRules& rules, SystemTime now,
                                   TokenFault* fault) {
  const auto say = [&](TokenFault what) {
    if (fault) *fault = what;
  };
  say(TokenFault::refused);
  const auto claims = token.payload.root();
  const auto issuer = claims.find("iss");
  if (!issuer || issuer->string() != rules.issuer) return refused("another issuer made it");
  if (std::ranges::find(rules.algorithms, token.algorithm) == rules.algorithms.end())
    return refused(fmt::format("its issuer does not sign with {}", name_of(token.algorithm)));
  if (std::ranges::find(rules.types, token.type) == rules.types.end())
    return refused("it is a token of another type");
  const auto expiry = claims.find("exp");
  const auto expires = expiry ? date_of(*expiry) : std::nullopt;
  if (!expires) return refused("it says no time at which it expires");
  if (now >= *expires + rules.leeway) return refused("it has expired");
  if (const auto begin = claims.find("nbf")) {
    const auto from = date_of(*begin);
    if (!from || now + rules.leeway < *from) return refused("it is not valid yet");
  }

  if (token.kid && !keys.has(*token.kid)) {
    say(TokenFault::unknown_key);
    return refused("its key is none of its issuer's");
  }
  const auto signer = keys.signer(token.algorithm, token.kid, token.signed_bytes, token.signature);
  if (!signer) {
    // Without a key id a new key of the issuer cannot be told from a wrong signature.
    if (!token.kid) say(TokenFault::unknown_key);
    return refused("its signature does not fit");
  }
  say(TokenFault::none);
  auto audiences = audiences_of(claims);
  return VerifiedToken{.claims = std::move(token.payload),
                       .issuer = rules.issuer,
                       .expires = *expires + rules.leeway,
                       .key = signer,
                       .audiences = std::move(audiences)};
}

bool VerifiedToken::is_for(std::string_view resource, std::span<const std::string> others) const {
  return std::ranges::any_of(audiences, [&](const std::string& one) {
    return one == resource || std::ranges::find(others, one) != others.end();
  });
}

}  // namespace sallyport::identity
