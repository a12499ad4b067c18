#pragma once
/// This gateway as an issuer: what its own access tokens are signed with and verified by.

#include <atomic>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "sallyport/identity/key_source.hpp"
#include "sallyport/identity/signing_keys.hpp"
#include "sallyport/store/accounts.hpp"

namespace sallyport::identity {

/// The claims of an access token for a grant (RFC 9068), good until `expires`, Unix seconds like `now`.
/// `jti`: its own id.
std::string access_claims(std::string_view issuer, const store::Grant& grant, std::string_view jti,
                          std::int64_t now, std::int64_t expires);

/// Threads: any.
class OwnIssuer {
 public:
  /// `url`: `iss` of its tokens. `before`: the one with other keys, whose ended grants are ended here too; or
  /// null.
  OwnIssuer(std::string url, const std::vector<Secret>& seeds, const Clock& clock, const OwnIssuer* before);

  const std::string& url() const { return url_; }
  const SigningKeys& signing() const { return signing_; }
  const std::shared_ptr<KeySource>& keys() const { return keys_; }
  bool signs_with(const std::vector<Secret>& seeds) const;

  /// What tokens stand on that are not good any more although they have not expired: grants, and keys as
  /// store::key_ground() has them. Every token that was found good is looked at again, by those with other
  /// keys too.
  void set_ended(std::vector<std::string> grants);
  void end(const std::string& grant);
  bool has_ended(std::string_view grant) const;

  /// Whether some people have a password here.
  bool keeps_users() const { return keeps_users_.load(std::memory_order_relaxed); }
  void set_keeps_users(bool does) { keeps_users_.store(does, std::memory_order_relaxed); }

 private:
  const std::string url_;
  const std::vector<Secret> seeds_;
  const SigningKeys signing_;
  const std::shared_ptr<KeySource> keys_;
  std::atomic<bool> keeps_users_ = true;
  /// What issuers share whose keys came after each other.
  struct Ended {
    void tell() const;
    std::mutex mutex;
    std::set<std::string, std::less<>> grants;
    std::vector<std::weak_ptr<KeySource>> sources;
  };
  const std::shared_ptr<Ended> ended_;
};

}  // namespace sallyport::identity
