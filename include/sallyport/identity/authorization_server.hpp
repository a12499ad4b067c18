#pragma once
/// The built-in authorization server: people sign in here, say which client may act for them, and the client
/// gets tokens for one endpoint (OAuth 2.1; RFC 7523, 7591, 7009, 8414, 8693, 8707, 9068, 9207).

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "sallyport/core/clock.hpp"
#include "sallyport/core/executor.hpp"
#include "sallyport/core/task.hpp"
#include "sallyport/identity/form.hpp"
#include "sallyport/identity/issuers.hpp"
#include "sallyport/identity/keys.hpp"
#include "sallyport/identity/login_options.hpp"
#include "sallyport/identity/login_pages.hpp"
#include "sallyport/identity/oauth_client.hpp"
#include "sallyport/identity/sealed_id.hpp"
#include "sallyport/net/client.hpp"
#include "sallyport/net/server.hpp"
#include "sallyport/store/accounts.hpp"

namespace sallyport::identity {

class SignInLimits;
class ClientDocuments;
class ProviderEndpoints;
struct Visit;
struct AuthorizationCode;

/// What the gateway lends to one request.
struct LoginRequest {
  net::Exchange& exchange;
  net::Client& client;  ///< of the exchange's shard
  std::shared_ptr<const IssuerTable> issuers;
  std::shared_ptr<const KeyTable> keys;
  std::vector<std::string> scopes;  ///< that tokens may be given: those that policies ask for
  /// What somebody may use at the endpoint with this path; nullopt: nothing, or there is none.
  std::function<std::optional<Offer>(policy::Principal who, std::string_view path)> offer;
  /// On the database executor: the keys that sign have changed, and the next request has to know.
  std::function<void()> keys_changed;
  /// Writes into the journal: the name of the record, and members of a JSON object.
  std::function<void(std::string_view name, std::string members)> note;
  /// The same for what strangers do, which must not fill the disk.
  std::function<void(std::string_view reason, std::string_view who)> refusal;
  OwnIssuer& own() const { return *issuers->own(); }
};

/// The parts of `/oauth/...`. Threads: any shard's; what it shares is behind locks that are held for moments.
class AuthorizationServer {
 public:
  /// `public_url`: without a path; `iss` of all it issues. The executor is the database's; all outlive it.
  AuthorizationServer(std::string public_url, const Sealer& sealer, store::Accounts& accounts,
                      Executor& database, const Clock& clock, LoginOptions options);
  ~AuthorizationServer();
  AuthorizationServer(const AuthorizationServer&) = delete;
  AuthorizationServer& operator=(const AuthorizationServer&) = delete;

  /// Whether it is what a path asks for.
  static bool serves(std::string_view path) { return path.starts_with("/oauth/"); }
  /// Those that pages anywhere may call (no cookie counts there): token, register, revoke, keys.
  static bool is_open(std::string_view path);
  /// RFC 8414 section 2.
  std::string metadata(const IssuerTable& issuers, const std::vector<std::string>& scopes) const;
  Task<net::Reply> answer(LoginRequest request);

 private:
  struct Wish;
  /// Who a client has proved to be.
  struct Proven {
    std::string agent{};  ///< empty: it has tried to prove nothing
    std::vector<std::string> above{};
    std::vector<store::Assertion> taken{};
    SystemTime until = SystemTime::max();
  };
  /// What a token or key that was shown stands for, as what a new token would begin with.
  struct Shown {
    store::Grant grant;  ///< without an id; `resource` empty: any endpoint
    std::string holder;  ///< name of who has shown it
    SystemTime until;    ///< it is good
  };
  Task<net::Reply> authorize(LoginRequest& request, std::string query);
  Task<net::Reply> sign_in(LoginRequest& request);
  Task<net::Reply> consent(LoginRequest& request);
  /// To the provider that somebody wants to sign in by, and back from it.
  Task<net::Reply> elsewhere(LoginRequest& request);
  Task<net::Reply> come_back(LoginRequest& request);
  Task<net::Reply> tokens(LoginRequest& request);
  Task<net::Reply> redeem(LoginRequest& request, const Form& form);
  Task<net::Reply> renew(LoginRequest& request, const Form& form);
  Task<net::Reply> exchange(LoginRequest& request, const Form& form);
  /// Client credentials and assertions.
  Task<net::Reply> for_program(LoginRequest& request, const Form& form);
  /// For a person, by what their provider asserts (draft-ietf-oauth-identity-assertion-authz-grant).
  Task<net::Reply> for_person(LoginRequest& request, const Form& form, Proven client, Jws jws);
  Task<net::Reply> revoke(LoginRequest& request);
  Task<net::Reply> enroll(LoginRequest& request);

  /// What somebody has signed, checked but for whom it is for and what it says.
  struct Stated {
    VerifiedToken token;
    store::Assertion once;
  };
  /// By client_secret_basic, client_secret_post or private_key_jwt. Errors: bad_request with the error of
  /// OAuth as `data`.
  Task<Result<Proven>> proven(LoginRequest& request, const Form& form);
  /// `types`: of `typ`. Errors: unauthenticated, unavailable.
  Task<Result<Stated>> stated(LoginRequest& request, const Issuer& by, Jws jws, std::string_view text,
                              std::vector<std::string> types, Duration longest);
  Task<Result<Stated>> stated_by_agent(LoginRequest& request, std::string_view text,
                                       std::vector<std::string> types);
  /// A token of ours or the API key of an agent. `what` names it in errors, which are bad_request with the
  /// error of OAuth as `data`, like those of narrow().
  Result<Shown> shown(const LoginRequest& request, std::string_view text, std::string_view type,
                      std::string_view what) const;
  /// To what the form asks for: `resource`, `audience`, `scope` and `tools`. Never to more.
  Result<void> narrow(store::Grant& grant, const Form& form) const;
  /// A token for a program: recorded, good for limits::kAccessLife or `until`, without a refresh token.
  /// `type`: what the answer calls it (RFC 8693), or empty.
  Task<net::Reply> give(LoginRequest& request, store::Grant grant, std::vector<store::Assertion> taken,
                        SystemTime until, std::string_view type);
  Task<Result<OauthClient>> client_of(LoginRequest& request, std::string_view id);
  /// Errors: those that no client may be told of by a redirect, because nobody knows whose it is.
  Task<Result<Wish>> wish_of(LoginRequest& request, std::string_view query);
  Task<Result<Form>> form_of(LoginRequest& request);
  /// The query of a form that was sent by a page of ours to this browser. Errors: bad_request.
  Result<std::string> sealed_query(const Form& form, const Visit& visit) const;
  Visit visit_of(const net::Request& request) const;
  /// Who has signed in; nullopt: nobody, or that is over.
  Task<Result<std::optional<policy::Principal>>> person_of(LoginRequest& request, const Visit& visit);
  /// Somebody has just signed in: a new cookie, and on with what the client wanted. `password` as it was
  /// encoded when it fitted; empty: a provider vouches.
  Task<net::Reply> welcome(LoginRequest& request, store::SignIn sign_in, std::string password,
                           const std::string& query, std::string_view client);
  net::Reply with_cookie(net::Reply reply, const Visit& visit) const;
  /// The sign-in page, once more where `page` has a problem.
  net::Reply ask_to_sign_in(const LoginRequest& request, const Wish& wish, Visit visit, SignInPage page,
                            int status);
  std::string request_of(std::string_view query, const Visit& visit) const;
  /// A new access token, and the refresh token that comes next.
  net::Reply issued(const LoginRequest& request, const store::Grant& grant, const std::string& client) const;
  /// On the database executor: whether the keys are to change is looked at with every grant.
  void look_at_keys(const OwnIssuer& own, const std::function<void()>& changed);
  /// Of those that a client asks for, what there is, with a space between two; `mcp` where it asks for none.
  static std::string granted_scopes(const LoginRequest& request, const std::string& asked);
  static std::string all_scopes(const LoginRequest& request);
  std::string cookie_name() const;
  bool is_ours(std::string_view resource) const;

  const std::string public_url_;
  const bool secure_;
  const LoginOptions options_;
  const Sealer& sealer_;
  store::Accounts& accounts_;
  Executor& database_;
  const Clock& clock_;
  Executor passwords_;  ///< one at a time: each takes 64 MiB
  std::unique_ptr<SignInLimits> limits_;
  std::unique_ptr<ClientDocuments> documents_;
  std::unique_ptr<ProviderEndpoints> providers_;
};

}  // namespace sallyport::identity
