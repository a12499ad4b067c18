#include "sallyport/identity/verification.hpp"

namespace sallyport::identity {
namespace {

Failure no_keys(const Issuer& issuer) {
  Failure out =
      fail(Code::unavailable, Blame::upstream,
           "issuer " + issuer.document.name + ": there are no keys: " + issuer.keys->state().problem, true);
  out.error().hint = "The keys of this token's issuer cannot be had now.";
  return out;
}

}  // namespace

Task<Result<Verified>> verify_by_issuer(net::Shard& here, const Issuer& issuer, TokenRules rules, Jws first,
                                        std::string_view text, const Clock& clock) {
  if (issuer.keys->neglected()) co_await issuer.keys->fetched(here, false);
  std::optional<Jws> jws = std::move(first);
  for (const bool last : {false, true}) {
    const auto keys = issuer.keys->keys();
    if (keys.set) {
      auto fault = TokenFault::none;
      auto verified = verify_token(std::move(*jws), *keys.set, rules, clock.now(), &fault);
      if (verified) co_return Verified{.token = std::move(*verified), .version = keys.version};
      if (fault != TokenFault::unknown_key || last) co_return Failure(verified.error());
      jws = *read_jws(text);
    } else if (last) {
      co_return no_keys(issuer);
    }
    co_await issuer.keys->fetched(here, keys.set != nullptr);
  }
  co_return fail(Code::internal, Blame::us, "a token was neither accepted nor refused");
}

}  // namespace sallyport::identity
