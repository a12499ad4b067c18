#include "provider_endpoints.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "issuer_url.hpp"
#include "sallyport/core/limits.hpp"
#include "sallyport/identity/issuer_fetch.hpp"

namespace sallyport::identity {
namespace {

Failure unavailable(const Issuer& issuer, const std::string& why) {
  return fail(Code::unavailable, Blame::upstream,
              fmt::format("issuer {}: nobody can sign in by it: {}", issuer.document.name, why), true);
}

}  // namespace

Task<Result<Endpoints>> ProviderEndpoints::find(net::Client& client, const Issuer& issuer, SteadyTime now) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = known_.find(issuer.fingerprint);
    if (found != known_.end() && now < found->second.until) co_return found->second.endpoints;
  }
  auto endpoints = co_await fetch(client, issuer);
  if (!endpoints) spdlog::warn("{}", endpoints.error().what);
  const std::lock_guard lock(mutex_);
  if (known_.size() >= limits::kProvidersKept) known_.clear();
  const Duration kept = endpoints ? Duration(limits::kClientKept) : Duration(limits::kRefusalKept);
  known_.insert_or_assign(issuer.fingerprint, Known{.endpoints = endpoints, .until = now + kept});
  co_return endpoints;
}

Task<Result<Endpoints>> ProviderEndpoints::fetch(net::Client& client, const Issuer& issuer) {
  const auto metadata = co_await fetch_metadata(
      client, issuer.document, std::chrono::steady_clock::now() + limits::kIssuerDeadline, nullptr);
  if (!metadata) co_return unavailable(issuer, words_of(metadata.error()));
  const auto text = [&](std::string_view name) {
    const auto member = metadata->root().find(name);
    return member ? member->string().value_or("") : "";
  };
  Endpoints out{.authorization = text("authorization_endpoint"), .token = text("token_endpoint")};
  // A browser goes to the first one, which may well be on a private network of the people's own.
  if (auto url = issuer_url(out.authorization, true); !url)
    co_return unavailable(issuer, "authorization_endpoint: " + words_of(url.error()));
  if (auto url = issuer_url(out.token, issuer.document.allow_private); !url)
    co_return unavailable(issuer, "token_endpoint: " + words_of(url.error()));
  const auto sends = metadata->root().find("authorization_response_iss_parameter_supported");
  out.sends_iss = sends && sends->boolean() == true;
  co_return out;
}

}  // namespace sallyport::identity
