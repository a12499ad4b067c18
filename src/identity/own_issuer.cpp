#include "sallyport/identity/own_issuer.hpp"

#include <algorithm>
#include <cstdlib>

#include "sallyport/core/bytes.hpp"

namespace sallyport::identity {
namespace {

KeySet key_set_of(const SigningKeys& keys) {
  auto set = KeySet::parse(keys.key_set());
  if (!set) std::abort();
  return std::move(*set);
}

}  // namespace

OwnIssuer::OwnIssuer(std::string url, const std::vector<Secret>& seeds, const Clock& clock,
                     const OwnIssuer* before)
    : url_(std::move(url)),
      seeds_(seeds),
      signing_(seeds),
      keys_(KeySource::fixed(key_set_of(signing_), clock)),
      ended_(before ? before->ended_ : std::make_shared<Ended>()) {}

bool OwnIssuer::signs_with(const std::vector<Secret>& seeds) const {
  return std::ranges::equal(
      seeds, seeds_, [](const Secret& a, const Secret& b) { return equal_secret(a.reveal(), b.reveal()); });
}

void OwnIssuer::set_ended(std::vector<std::string> grants) {
  std::set<std::string, std::less<>> ended(std::make_move_iterator(grants.begin()),
                                           std::make_move_iterator(grants.end()));
  {
    const std::lock_guard lock(ended_->mutex);
    if (ended == ended_->grants) return;
    ended_->grants = std::move(ended);
  }
  keys_->changed();
}

void OwnIssuer::end(const std::string& grant) {
  {
    const std::lock_guard lock(ended_->mutex);
    if (!ended_->grants.insert(grant).second) return;
  }
  keys_->changed();
}

bool OwnIssuer::has_ended(std::string_view grant) const {
  const std::lock_guard lock(ended_->mutex);
  return ended_->grants.contains(grant);
}

}  // namespace sallyport::identity
