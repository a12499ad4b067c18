#include "sallyport/identity/authorization_server.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "client_documents.hpp"
#include "oauth_answers.hpp"
#include "provider_endpoints.hpp"
#include "sallyport/core/bytes.hpp"
#include "sallyport/core/crypto.hpp"
#include "sallyport/identity/endpoint_path.hpp"
#include "sallyport/identity/password.hpp"
#include "sallyport/identity/token_bounds.hpp"
#include "sallyport/json/list.hpp"
#include "sallyport/net/run_on_executor.hpp"
#include "sign_in_limits.hpp"
#include "subscriber.hpp"
#include "visit.hpp"
#include "wish.hpp"

namespace sallyport::identity {
namespace {

constexpr std::string_view kRequest = "oauth-request";

bool is_challenge(std::string_view text) {
  return text.size() == 43 && unbase64url(text).has_value();  // SHA-256 as base64url: RFC 7636 section 4.2
}

/// As people know themselves: without what every user's name begins with.
std::string shown_name_of(const policy::Principal& principal) {
  const std::string name = principal.name();
  return name.starts_with("user:") ? name.substr(5) : name;
}

/// The one that every client has, and those that policies ask for.
std::vector<std::string> known_scopes(const std::vector<std::string>& scopes) {
  std::vector<std::string> out{"mcp"};
  for (const auto& scope : scopes)
    if (scope != out.front()) out.push_back(scope);
  return out;
}

std::vector<std::string> beyond_mcp(std::string_view scope) {
  auto out = words_of(scope);
  std::erase(out, "mcp");
  return out;
}

}  // namespace

std::string AuthorizationServer::all_scopes(const LoginRequest& request) {
  return fmt::format("{}", fmt::join(known_scopes(request.scopes), " "));
}

std::string AuthorizationServer::granted_scopes(const LoginRequest& request, const std::string& asked) {
  const auto wanted = words_of(asked);
  if (wanted.empty()) return "mcp";
  // Some clients take a scope that they did not ask for as an error.
  std::string out;
  for (const auto& scope : known_scopes(request.scopes))
    if (std::ranges::find(wanted, scope) != wanted.end()) out += (out.empty() ? "" : " ") + scope;
  return out;
}

AuthorizationServer::AuthorizationServer(std::string public_url, const Sealer& sealer,
                                         store::Accounts& accounts, Executor& database, const Clock& clock,
                                         LoginOptions options)
    : public_url_(std::move(public_url)),
      secure_(public_url_.starts_with("https://")),
      options_(options),
      sealer_(sealer),
      accounts_(accounts),
      database_(database),
      clock_(clock),
      passwords_("passwords", 1, limits::kPasswordChecks),
      limits_(std::make_unique<SignInLimits>()),
      documents_(std::make_unique<ClientDocuments>(options.private_clients)),
      providers_(std::make_unique<ProviderEndpoints>()) {}

AuthorizationServer::~AuthorizationServer() = default;

bool AuthorizationServer::is_open(std::string_view path) {
  static constexpr std::array<std::string_view, 4> kOpen{"/oauth/token", "/oauth/register", "/oauth/revoke",
                                                         "/oauth/keys"};
  return std::ranges::find(kOpen, path) != kOpen.end();
}

std::string AuthorizationServer::metadata(const IssuerTable& issuers,
                                          const std::vector<std::string>& scopes) const {
  const auto at = [&](std::string_view name) {
    return json::quote(public_url_ + "/oauth/" + std::string(name));
  };
  std::string for_people;
  if (issuers.has_people())
    for_people = fmt::format(
        R"("authorization_endpoint":{}{},"response_modes_supported":["query"],"code_challenge_methods_supported":["S256"],)"
        R"("client_id_metadata_document_supported":true,"authorization_response_iss_parameter_supported":true,)",
        at("authorize"), options_.registration ? ",\"registration_endpoint\":" + at("register") : "");
  constexpr std::string_view kSigned =
      R"(["RS256","RS384","RS512","PS256","PS384","PS512","ES256","ES384","ES512"])";
  return fmt::format(
      R"({{"issuer":{},{}"token_endpoint":{},"revocation_endpoint":{},"jwks_uri":{},"scopes_supported":{},)"
      R"("response_types_supported":[{}],"grant_types_supported":[{}"client_credentials",)"
      R"("urn:ietf:params:oauth:grant-type:jwt-bearer","urn:ietf:params:oauth:grant-type:token-exchange"],)"
      R"("token_endpoint_auth_methods_supported":["none","client_secret_basic","client_secret_post","private_key_jwt"],)"
      R"("token_endpoint_auth_signing_alg_values_supported":{},"revocation_endpoint_auth_methods_supported":["none"]{}}})",
      json::quote(public_url_), for_people, at("token"), at("revoke"), at("keys"),
      json::list_of(known_scopes(scopes)), issuers.has_people() ? R"("code")" : "",
      issuers.has_people() ? R"("authorization_code","refresh_token",)" : "", kSigned,
      issuers.has_assertions()
          ? R"(,"authorization_grant_profiles_supported":["urn:ietf:params:oauth:grant-profile:id-jag"])"
          : "");
}

Task<net::Reply> AuthorizationServer::answer(LoginRequest request) {
  const net::Request& what = request.exchange.request();
  const bool get = what.method == net::Method::get, post = what.method == net::Method::post;
  const std::string_view name = what.path.substr(std::string_view("/oauth/").size());
  const bool is_page = name == "authorize" || name == "sign-in" || name == "consent" || name == "elsewhere" ||
                       name == "callback";
  // Programs get tokens where no people do.
  const bool for_people = is_page || name == "register";
  if (!request.issuers->own() || (for_people && !request.issuers->has_people()) ||
      (!is_page && !is_open(what.path)))
    co_return is_open(what.path)
        ? oauth_error(404, "invalid_request", "Nobody can sign in here: this gateway keeps no users.")
        : problem_page(404, "Nothing is here",
                       "This gateway keeps no users of its own. Ask its administrators how to log in.");
  const bool reads = name == "keys" || name == "authorize" || name == "elsewhere" || name == "callback";
  if (!(reads ? get : post)) {
    net::Reply reply = oauth_error(405, "invalid_request", reads ? "Use GET." : "Use POST.");
    reply.headers.emplace_back("Allow", reads ? "GET" : "POST");
    co_return reply;
  }
  if (name == "keys") {
    net::Reply reply{
        .status = 200, .content_type = "application/json", .body = request.own().signing().key_set()};
    reply.headers.emplace_back("Cache-Control", "max-age=60");
    co_return reply;
  }
  if (name == "authorize") co_return co_await authorize(request, std::string(what.query));
  if (name == "sign-in") co_return co_await sign_in(request);
  if (name == "consent") co_return co_await consent(request);
  if (name == "elsewhere") co_return co_await elsewhere(request);
  if (name == "callback") co_return co_await come_back(request);
  if (name == "token") co_return co_await tokens(request);
  if (name == "revoke") co_return co_await revoke(request);
  co_return co_await enroll(request);
}

bool AuthorizationServer::is_ours(std::string_view resource) const {
  return resource.starts_with(public_url_) && is_endpoint_path(resource.substr(public_url_.size()));
}

Task<Result<OauthClient>> AuthorizationServer::client_of(LoginRequest& request, std::string_view id) {
  if (is_document_id(id, options_.private_clients))
    co_return co_await documents_->find(request.client, std::string(id),
                                        subscriber_of(request.exchange.client_ip()), clock_.steady());
  auto client = opened_client(sealer_, id);
  if (!client)
    co_return client_error(
        Code::bad_request,
        "This application is not known here any more. Remove what it keeps of this server, "
        "so that it registers again.");
  co_return client;
}

Task<Result<AuthorizationServer::Wish>> AuthorizationServer::wish_of(LoginRequest& request,
                                                                     std::string_view query) {
  auto form = Form::parse(query);
  if (!form) co_return Failure(form.error());
  Wish out{.query = std::string(query)};
  auto client = co_await client_of(request, (*form)["client_id"]);
  if (!client) co_return Failure(client.error());
  out.client = std::move(*client);
  out.redirect = (*form)["redirect_uri"];
  if (out.redirect.empty() && out.client.redirects.size() == 1) out.redirect = out.client.redirects.front();
  if (!may_return_to(out.client, out.redirect))
    co_return client_error(Code::bad_request,
                           "The application wants to be sent back to a place that it has not registered.");
  out.state = (*form)["state"];
  out.scope = granted_scopes(request, (*form)["scope"]);
  out.challenge = (*form)["code_challenge"];
  out.resource = (*form)["resource"];
  // Clients of 2025-03-26 name no resource.
  if (out.resource.empty()) out.resource = public_url_ + "/mcp";
  const auto wrong = [&](std::string_view error, std::string_view description) {
    if (!out.error.empty()) return;
    out.error = error;
    out.description = description;
  };
  if ((*form)["response_type"] != "code") wrong("unsupported_response_type", "response_type has to be code");
  if (!(*form)["response_mode"].empty() && (*form)["response_mode"] != "query")
    wrong("invalid_request", "response_mode has to be query");
  if (!(*form)["request"].empty() || !(*form)["request_uri"].empty())
    wrong("request_not_supported", "parameters are sent as they are");
  if (!is_challenge(out.challenge) || (*form)["code_challenge_method"] != "S256")
    wrong("invalid_request", "PKCE is needed: code_challenge with code_challenge_method S256");
  if (!is_ours(out.resource)) wrong("invalid_target", "resource has to be the URL of an endpoint here");
  if ((*form)["prompt"] == "none") wrong("interaction_required", "somebody has to say yes");
  co_return out;
}

std::string AuthorizationServer::request_of(std::string_view query, const Visit& visit) const {
  return sealer_.seal(
      kRequest, visit.nonce,
      std::to_string(unix_millis(clock_.now() + limits::kPageLife)) + "\n" + std::string(query));
}

Result<std::string> AuthorizationServer::sealed_query(const Form& form, const Visit& visit) const {
  auto text = sealer_.open(kRequest, visit.nonce, form["request"]);
  std::int64_t until = 0;
  const auto end = text ? text->find('\n') : std::string::npos;
  if (end != std::string::npos) std::from_chars(text->data(), text->data() + end, until);
  if (visit.nonce.empty() || unix_millis(clock_.now()) >= until)
    return client_error(Code::bad_request, std::string(kOldPage));
  return text->substr(end + 1);
}

std::string AuthorizationServer::cookie_name() const {
  return secure_ ? "__Host-sallyport-login" : "sallyport-login";
}

Visit AuthorizationServer::visit_of(const net::Request& request) const {
  return opened_visit(sealer_, cookie_of(request, cookie_name()));
}

Task<Result<std::optional<policy::Principal>>> AuthorizationServer::person_of(LoginRequest& request,
                                                                              const Visit& visit) {
  if (visit.sign_in.empty()) co_return std::nullopt;
  auto found = co_await net::run_on_executor(request.exchange.shard(), database_,
                                             [this, id = visit.sign_in] { return accounts_.sign_in(id); });
  if (!found) co_return Failure(found.error());
  if (!*found) co_return std::nullopt;
  auto principal = request.issuers->signed_in(**found);
  if (!principal) co_return std::nullopt;
  co_return std::move(*principal);
}

Task<net::Reply> AuthorizationServer::welcome(LoginRequest& request, store::SignIn sign_in,
                                              std::string password, const std::string& query,
                                              std::string_view client) {
  auto principal = request.issuers->signed_in(sign_in);
  if (!principal) co_return page_of(principal.error());
  sign_in.id = random_id();
  sign_in.until = unix_millis(clock_.now() + limits::kSignInKept);
  // Nobody who knew the browser's cookie before knows the one that is signed in.
  const Visit visit{.nonce = random_id(), .sign_in = sign_in.id};
  auto saved = co_await net::run_on_executor(request.exchange.shard(), database_, [this, sign_in, password] {
    return accounts_.begin_sign_in(sign_in, password);
  });
  if (!saved) co_return page_of(saved.error());
  if (!*saved) co_return redirect_to("/oauth/authorize?" + query);
  request.note("sign_in",
               fmt::format("\"user\":{},\"client\":{},\"address\":{}", json::quote(principal->name()),
                           json::quote(client), json::quote(request.exchange.client_ip())));
  co_return with_cookie(redirect_to("/oauth/authorize?" + query), visit);
}

net::Reply AuthorizationServer::with_cookie(net::Reply reply, const Visit& visit) const {
  reply.headers.emplace_back("Set-Cookie", fmt::format("{}={}; Path=/{}; HttpOnly; SameSite=Lax{}",
                                                       cookie_name(), sealed_visit(sealer_, visit),
                                                       secure_ ? "" : "oauth", secure_ ? "; Secure" : ""));
  return reply;
}

net::Reply AuthorizationServer::ask_to_sign_in(const LoginRequest& request, const Wish& wish, Visit visit,
                                               SignInPage page, int status) {
  if (visit.nonce.empty()) visit.nonce = random_id();
  visit.sign_in.clear();
  page.client = wish.client.name;
  page.place = place_of(wish.redirect);
  page.request = request_of(wish.query, visit);
  page.query = wish.query;
  page.passwords = request.own().keeps_users();
  for (const Issuer* provider : request.issuers->providers()) {
    const auto& document = provider->document;
    page.providers.push_back(
        {.name = document.name,
         .title = document.sign_in.title.empty() ? document.name : document.sign_in.title});
  }
  return with_cookie(sign_in_page(page, status), visit);
}

Task<net::Reply> AuthorizationServer::authorize(LoginRequest& request, std::string query) {
  auto wish = co_await wish_of(request, query);
  if (!wish) co_return page_of(wish.error());
  // Whoever likes can register, or describe a client at an address of their own: no stranger's site is
  // reached by a link to here without anybody having said yes.
  if (!wish->error.empty() && place_of(wish->redirect) != kThisComputer)
    co_return problem_page(
        400, "This login cannot go on",
        wish->client.name + " asks for something that is not done here: " + wish->description + ".");
  if (!wish->error.empty())
    co_return redirect_to(wish->back(public_url_, "", wish->error, wish->description));
  Visit visit = visit_of(request.exchange.request());
  auto person = co_await person_of(request, visit);
  if (!person) co_return page_of(person.error());
  if (!*person) co_return ask_to_sign_in(request, *wish, std::move(visit), {}, 200);
  const std::string who = shown_name_of(**person);
  const auto offer = request.offer(**person, std::string_view(wish->resource).substr(public_url_.size()));
  if (!offer)
    co_return problem_page(403, "Nothing for you here",
                           who + " may use nothing at " + wish->resource +
                               ". Ask an administrator for access, or use another account.",
                           request_of(wish->query, visit), wish->query);
  co_return consent_page({.client = wish->client.name,
                          .host = wish->client.host,
                          .place = place_of(wish->redirect),
                          .user = who,
                          .resource = wish->resource,
                          .request = request_of(wish->query, visit),
                          .query = wish->query,
                          .scopes = beyond_mcp(wish->scope),
                          .offer = *offer});
}

Task<Result<Form>> AuthorizationServer::form_of(LoginRequest& request) {
  const auto type = request.exchange.request().headers.find("content-type");
  if (!type ||
      !equal_ignoring_case(trim(type->substr(0, type->find(';'))), "application/x-www-form-urlencoded"))
    co_return client_error(Code::bad_request, "Content-Type has to be application/x-www-form-urlencoded.");
  auto body = co_await request.exchange.read_body(limits::kOauthBody);
  if (!body) co_return Failure(body.error());
  co_return Form::parse(*body);
}

Task<net::Reply> AuthorizationServer::sign_in(LoginRequest& request) {
  auto form = co_await form_of(request);
  if (!form) co_return page_of(form.error());
  Visit visit = visit_of(request.exchange.request());
  const auto query = sealed_query(*form, visit);
  if (!query) co_return lost_page(*form, query.error());
  auto wish = co_await wish_of(request, *query);
  if (!wish) co_return page_of(wish.error());

  const std::string name = lower(trim((*form)["user"])).substr(0, 128);
  const std::string place = subscriber_of(request.exchange.client_ip());
  const Duration wait = limits_->begin(name, place, clock_.steady());
  if (wait > Duration::zero()) {
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(wait).count();
    co_return ask_to_sign_in(
        request, *wish, visit,
        {.name = name, .problem = fmt::format("Too many attempts. Try again in {} s.", seconds)}, 429);
  }
  net::Shard& here = request.exchange.shard();
  auto user = co_await net::run_on_executor(here, database_, [this, name] { return accounts_.user(name); });
  if (!user) co_return page_of(user.error());
  auto fits = co_await net::run_on_executor(
      here, passwords_,
      [password = Secret((*form)["password"]), encoded = *user ? (*user)->password : std::string()] {
        return Result<bool>(is_password(password, encoded));
      });
  if (!fits) co_return page_of(fits.error());
  if (!*fits) {
    const store::SignIn tried{.user = name, .issuer = std::string(store::kLocalUsers)};
    const auto who = request.issuers->signed_in(tried);
    request.refusal("sign_in", *user && who ? who->name() : "");
    co_return ask_to_sign_in(request, *wish, visit,
                             {.name = name, .problem = "That name and password do not fit together."}, 401);
  }
  limits_->succeeded(name, place);
  co_return co_await welcome(request, {.user = name, .issuer = std::string(store::kLocalUsers)},
                             (*user)->password, *query, wish->client.name);
}

Task<net::Reply> AuthorizationServer::consent(LoginRequest& request) {
  auto form = co_await form_of(request);
  if (!form) co_return page_of(form.error());
  Visit visit = visit_of(request.exchange.request());
  const auto query = sealed_query(*form, visit);
  if (!query) co_return lost_page(*form, query.error());
  auto wish = co_await wish_of(request, *query);
  if (!wish) co_return page_of(wish.error());
  if ((*form)["decision"] == "other") co_return ask_to_sign_in(request, *wish, {}, {.other = true}, 200);
  auto person = co_await person_of(request, visit);
  if (!person) co_return page_of(person.error());
  if (!*person) co_return redirect_to("/oauth/authorize?" + *query);
  const std::string& decision = (*form)["decision"];

  const std::string said = fmt::format(R"("user":{},"client":{},"redirect":{},"resource":{})",
                                       json::quote((*person)->name()), json::quote(wish->client.name),
                                       json::quote(place_of(wish->redirect)), json::quote(wish->resource));
  if (decision != "allow") {
    request.note("consent", said + ",\"decision\":\"deny\"");
    co_return redirect_to(wish->back(public_url_, "", "access_denied", "The person said no."));
  }
  const AuthorizationCode code{.grant = {.id = random_id(),
                                         .user = {},
                                         .issuer = {},
                                         .client = client_key(wish->client.id),
                                         .client_name = wish->client.name,
                                         .resource = wish->resource,
                                         .scope = wish->scope},
                               .sign_in = visit.sign_in,
                               .challenge = wish->challenge,
                               .redirect = wish->redirect,
                               .until = unix_millis(clock_.now() + limits::kCodeLife)};
  request.note("consent", said + ",\"decision\":\"allow\",\"grant\":" + json::quote(code.grant.id));
  co_return redirect_to(wish->back(public_url_, sealed_code(sealer_, code), "", ""));
}

}  // namespace sallyport::identity
