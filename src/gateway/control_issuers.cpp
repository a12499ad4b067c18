// The keys of issuers: which sources there are, and their end.
#include <spdlog/spdlog.h>
#include <thread>

#include "control.hpp"
#include "sallyport/core/limits.hpp"

namespace sallyport::gateway {

namespace {

/// An agent as an issuer of what it signs, under the name that it has as a principal: no Issuer has such a
/// one.
store::Issuer issuer_of(const store::Agent& agent) {
  return {.name = policy::Principal{.kind = policy::Principal::Kind::agent, .subject = agent.name}.name(),
          .issuer = agent.name,
          .jwks_url = agent.jwks_url,
          .allow_private = agent.allow_private,
          .ca_file = agent.ca_file};
}

}  // namespace

std::map<std::string, identity::IssuerParts> Control::resolve_issuers(
    const std::vector<store::AnyDocument>& documents) {
  std::map<std::string, identity::IssuerParts> out;
  const auto fetching = [&](const store::Issuer& issuer) {
    const auto known = issuers_.find(issuer.name);
    if (known != issuers_.end() && known->second.keys->fits(issuer)) return known->second.keys;
    const std::size_t home = out.size() % static_cast<std::size_t>(shards_.size());
    return std::make_shared<identity::KeySource>(
        issuer, shards_[static_cast<int>(home)], [this, home] { return clients_[home].get(); }, clock_);
  };
  for (const auto& document : documents) {
    const auto* agent = std::get_if<store::Agent>(&document);
    if (!agent || (agent->jwks.empty() && agent->jwks_url.empty())) continue;
    const store::Issuer signer = issuer_of(*agent);
    identity::IssuerParts parts;
    if (agent->jwks.empty()) {
      parts.keys = fetching(signer);
    } else if (auto set = identity::KeySet::parse(agent->jwks)) {
      parts.keys = identity::KeySource::fixed(std::move(*set), clock_);
    } else {
      spdlog::warn("agent {}: its keys cannot be read: {}", agent->name, set.error().hint);
      continue;
    }
    out.emplace(signer.name, std::move(parts));
  }
  for (const auto& document : documents) {
    const auto* issuer = std::get_if<store::Issuer>(&document);
    if (!issuer) continue;
    identity::IssuerParts parts;
    if (const std::string& credential = issuer->introspection.credential; !credential.empty()) {
      auto secret = credential_value(credential, documents);
      if (secret) {
        parts.client_secret = std::make_shared<const Secret>(std::move(*secret));
      } else {
        spdlog::warn("issuer {}: tokens that are no JWT cannot be asked about: {}", issuer->name,
                     secret.error().what);
      }
    }
    if (const std::string& credential = issuer->sign_in.credential; !credential.empty()) {
      auto secret = credential_value(credential, documents);
      if (secret) {
        parts.sign_in_secret = std::make_shared<const Secret>(std::move(*secret));
      } else {
        spdlog::warn("issuer {}: nobody can sign in by it: {}", issuer->name, secret.error().what);
      }
    }
    parts.keys = fetching(*issuer);
    out.emplace(issuer->name, std::move(parts));
  }
  return out;
}

Result<std::shared_ptr<identity::OwnIssuer>> Control::resolve_own() {
  auto users = accounts_.any_user();
  if (!users) return Failure(users.error());
  auto ended = accounts_.ended_grants();
  if (!ended) return Failure(ended.error());
  auto seeds = accounts_.signing_ring();
  auto own = own_;
  if (!seeds) {
    // A disk that takes no new keys must not keep those out who need none of them.
    spdlog::error("the keys that sign access tokens cannot be had: {}", seeds.error().what);
  } else if (!own || !own->signs_with(*seeds)) {
    own = std::make_shared<identity::OwnIssuer>(place_.public_url, *seeds, clock_, own_.get());
  }
  if (!own) return own;
  own->set_keeps_users(*users);
  own->set_ended(std::move(*ended));
  return own;
}

std::vector<IssuerView> Control::issuers() const {
  const std::lock_guard lock(status_mutex_);
  std::vector<IssuerView> out;
  for (const auto& [name, parts] : visible_issuers_) {
    auto state = parts.keys->state();
    out.push_back(
        {.issuer = name, .keys = state.trusted ? state.keys : 0, .problem = std::move(state.problem)});
  }
  return out;
}

void Control::end(const std::shared_ptr<identity::KeySource>& source) {
  source->end();
  const std::lock_guard lock(ending_mutex_);
  std::erase_if(ended_keys_, [](const auto& one) { return !one->busy(); });
  ended_keys_.push_back(source);
}

void Control::end_issuers() {
  std::map<std::string, identity::IssuerParts> issuers;
  {
    const std::lock_guard lock(status_mutex_);
    issuers = visible_issuers_;
  }
  for (const auto& [name, parts] : issuers) end(parts.keys);
  const std::lock_guard lock(ending_mutex_);
  const auto until = std::chrono::steady_clock::now() + limits::kIssuerDeadline;
  for (const auto& source : ended_keys_) {
    while (source->busy() && std::chrono::steady_clock::now() < until)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

}  // namespace sallyport::gateway
