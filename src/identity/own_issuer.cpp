#include "sallyport/identity/own_issuer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "sallyport/core/bytes.hpp"
#include "sallyport/json/list.hpp"

namespace sallyport::identity {
namespace {

KeySet key_set_of(const SigningKeys& keys) {
  auto set = KeySet::parse(keys.key_set());
  if (!set) std::abort();
  return std::move(*set);
}

/// The members of an object that we made, to stand before others.
std::string members_of(std::string_view object) {
  if (object.size() <= 2) return "";
  return std::string(object.substr(1, object.size() - 2)) + ",";
}

}  // namespace

std::string access_claims(std::string_view issuer, const store::Grant& grant, std::string_view jti,
                          std::int64_t now, std::int64_t expires) {
  std::string out = fmt::format(
      R"({{{}"iss":{},"idp":{},"sub":{},"aud":{},"client_id":{},"client_name":{},"scope":{},"iat":{},"exp":{},"jti":{},"grant":{})",
      members_of(grant.identity), json::quote(issuer), json::quote(grant.issuer), json::quote(grant.user),
      json::quote(grant.resource), json::quote(grant.client), json::quote(grant.client_name),
      json::quote(grant.scope), now, expires, json::quote(jti), json::quote(grant.id));
  if (!grant.actor.empty()) out += ",\"act\":{\"sub\":" + json::quote(grant.actor) + "}";
  if (grant.tools) out += ",\"tools\":" + json::list_of(*grant.tools);
  if (!grant.above.empty()) out += ",\"above\":" + json::list_of(grant.above);
  return out + "}";
}

OwnIssuer::OwnIssuer(std::string url, const std::vector<Secret>& seeds, const Clock& clock,
                     const OwnIssuer* before)
    : url_(std::move(url)),
      seeds_(seeds),
      signing_(seeds),
      keys_(KeySource::fixed(key_set_of(signing_), clock)),
      ended_(before ? before->ended_ : std::make_shared<Ended>()) {
  const std::lock_guard lock(ended_->mutex);
  std::erase_if(ended_->sources, [](const auto& source) { return source.expired(); });
  ended_->sources.push_back(keys_);
}

bool OwnIssuer::signs_with(const std::vector<Secret>& seeds) const {
  return std::ranges::equal(
      seeds, seeds_, [](const Secret& a, const Secret& b) { return equal_secret(a.reveal(), b.reveal()); });
}

// A request that began before the keys changed ends a grant at the issuer of then.
void OwnIssuer::Ended::tell() const {
  for (const auto& one : sources)
    if (const auto source = one.lock()) source->changed();
}

void OwnIssuer::set_ended(std::vector<std::string> grants) {
  std::set<std::string, std::less<>> ended(std::make_move_iterator(grants.begin()),
                                           std::make_move_iterator(grants.end()));
  const std::lock_guard lock(ended_->mutex);
  if (ended == ended_->grants) return;
  ended_->grants = std::move(ended);
  ended_->tell();
}

void OwnIssuer::end(const std::string& grant) {
  const std::lock_guard lock(ended_->mutex);
  if (ended_->grants.insert(grant).second) ended_->tell();
}

bool OwnIssuer::has_ended(std::string_view grant) const {
  const std::lock_guard lock(ended_->mutex);
  return ended_->grants.contains(grant);
}

}  // namespace sallyport::identity
