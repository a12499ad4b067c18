#pragma once
/// An identity provider: metadata, keys, and tokens by them. It counts what it is asked and misbehaves on
/// demand.

#include <atomic>
#include <functional>
#include <map>
#include <mutex>

#include "gateway_fixture.hpp"
#include "identity/token_factory.hpp"

namespace sallyport::testing {

using identity::testing::key_set;
using identity::testing::SigningIssuer;

class FakeIssuer {
 public:
  /// Answers a request for `path` itself; "" leaves it to the issuer.
  using OnRequest = std::function<std::string(const std::string& path, const std::string& request)>;

  FakeIssuer() : server_([this](RawSocket& socket, int) { serve(socket); }) {
    key_ = std::make_shared<const SigningIssuer>(SigningIssuer::ec("k1"));
    keys_ = key_set({key_->jwk()});
  }

  std::string url() const { return "http://127.0.0.1:" + std::to_string(server_.port); }
  /// The document that trusts it; `more` are further keys of it.
  std::string document(const std::string& name = "idp", const std::string& more = "default: true\n") const {
    return "---\nkind: Issuer\nname: " + name + "\nissuer: \"" + url() + "\"\nallow_private: true\n" + more;
  }

  /// Signs with a new key from now on; what the key set lists is up to the test.
  std::string rotate(const std::string& kid) {
    const std::lock_guard lock(mutex_);
    key_ = std::make_shared<const SigningIssuer>(SigningIssuer::ec(kid));
    return key_->jwk();
  }
  std::string jwk() const { return signer()->jwk(); }
  void publish(const std::vector<std::string>& jwks) {
    const std::lock_guard lock(mutex_);
    keys_ = key_set(jwks);
  }
  void on_request(OnRequest answer) {
    const std::lock_guard lock(mutex_);
    on_request_ = std::move(answer);
  }
  int asked(const std::string& path) const {
    const std::lock_guard lock(mutex_);
    const auto found = asked_.find(path);
    return found == asked_.end() ? 0 : found->second;
  }
  int key_fetches() const { return asked("/keys"); }

  /// A token of this issuer for `resource`; `claims` are added to it, and win.
  std::string token(const std::string& resource, const Json& claims = Json::object(),
                    SystemTime now = {}) const {
    if (now == SystemTime()) now = system_clock().now();
    Json all = {{"iss", url()}, {"aud", resource}, {"sub", "alice"}, {"exp", unix_millis(now) / 1000 + 600}};
    if (claims.is_object()) all.update(claims);
    return signer()->token("ES256", all.dump());
  }
  std::shared_ptr<const SigningIssuer> signer() const {
    const std::lock_guard lock(mutex_);
    return key_;
  }

 private:
  void serve(RawSocket& socket) {
    for (std::string request = net::testing::read_request(socket); !request.empty();
         request = net::testing::read_request(socket)) {
      const auto from = request.find(' ') + 1;
      const std::string path = request.substr(from, request.find(' ', from) - from);
      if (!socket.send(answer(path, request))) return;
    }
  }
  std::string answer(const std::string& path, const std::string& request) {
    OnRequest own;
    std::string keys;
    {
      const std::lock_guard lock(mutex_);
      ++asked_[path];
      own = on_request_;
      keys = keys_;
    }
    if (own) {
      if (auto text = own(path, request); !text.empty()) return text;
    }
    if (path == "/.well-known/openid-configuration")
      return FakeMcp::http(200, "application/json",
                           Json{{"issuer", url()}, {"jwks_uri", url() + "/keys"}}.dump());
    if (path == "/keys") return FakeMcp::http(200, "application/json", keys);
    return FakeMcp::http(404, "text/plain", "no");
  }

  mutable std::mutex mutex_;
  std::shared_ptr<const SigningIssuer> key_;
  std::string keys_;
  OnRequest on_request_;
  std::map<std::string, int> asked_;
  FakeUpstream server_;  // last: its threads use what stands above
};

}  // namespace sallyport::testing
