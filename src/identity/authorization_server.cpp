#include "sallyport/identity/authorization_server.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "client_documents.hpp"
#include "oauth_answers.hpp"
#include "sallyport/core/bytes.hpp"
#include "sallyport/core/crypto.hpp"
#include "sallyport/identity/password.hpp"
#include "sallyport/json/document.hpp"
#include "sallyport/net/run_on_executor.hpp"
#include "sign_in_limits.hpp"
#include "visit.hpp"

namespace sallyport::identity {
namespace {

constexpr std::string_view kRequest = "oauth-request";

/// Who comes back from another tab, or after lunch.
constexpr std::string_view kOldPage =
    "This page is too old, or was opened in another browser. Go back to your application and log in again.";

std::string part_of(std::string_view text, std::size_t most) { return std::string(text.substr(0, most)); }

bool is_challenge(std::string_view text) {
  return text.size() == 43 && unbase64url(text).has_value();  // SHA-256 as base64url: RFC 7636 section 4.2
}

net::Reply page_of(const Error& error) {
  if (error.code == Code::bad_request || error.code == Code::not_found)
    return problem_page(400, "This login cannot go on", error.hint);
  if (error.code == Code::limited)
    return problem_page(503, "Too many at once", "Many people are signing in now. Try again in a moment.");
  return problem_page(
      503, "Signing in does not work now",
      "The gateway cannot reach what it needs. Try again; if it stays so, tell its administrators.");
}

}  // namespace

/// What a client asks for, checked as far as it can be before anybody has said yes.
struct AuthorizationServer::Wish {
  std::string query;  ///< as it came
  OauthClient client{};
  std::string redirect{}, challenge{}, state{}, resource{};
  std::string error{}, description{};  ///< what the client is to be told instead; empty: nothing is wrong
  std::string back(const std::string& issuer, std::string_view code, std::string_view refusal,
                   std::string_view why) const {
    return with_query(
        redirect,
        {{"code", code}, {"error", refusal}, {"error_description", why}, {"state", state}, {"iss", issuer}});
  }
};

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
      documents_(std::make_unique<ClientDocuments>(options.private_clients)) {}

AuthorizationServer::~AuthorizationServer() = default;

bool AuthorizationServer::is_open(std::string_view path) {
  static constexpr std::array<std::string_view, 4> kOpen{"/oauth/token", "/oauth/register", "/oauth/revoke",
                                                         "/oauth/keys"};
  return std::ranges::find(kOpen, path) != kOpen.end();
}

std::string AuthorizationServer::metadata() const {
  const auto at = [&](std::string_view name) {
    return json::quote(public_url_ + "/oauth/" + std::string(name));
  };
  const std::string registration =
      options_.registration ? ",\"registration_endpoint\":" + at("register") : std::string();
  return fmt::format(
      R"({{"issuer":{},"authorization_endpoint":{},"token_endpoint":{}{},"revocation_endpoint":{},"jwks_uri":{},)"
      R"("scopes_supported":["mcp"],"response_types_supported":["code"],"response_modes_supported":["query"],)"
      R"("grant_types_supported":["authorization_code","refresh_token"],)"
      R"("token_endpoint_auth_methods_supported":["none"],)"
      R"("revocation_endpoint_auth_methods_supported":["none"],"code_challenge_methods_supported":["S256"],)"
      R"("client_id_metadata_document_supported":true,"authorization_response_iss_parameter_supported":true}})",
      json::quote(public_url_), at("authorize"), at("token"), registration, at("revoke"), at("keys"));
}

Task<net::Reply> AuthorizationServer::answer(LoginRequest request) {
  const net::Request& what = request.exchange.request();
  const bool get = what.method == net::Method::get, post = what.method == net::Method::post;
  const std::string_view name = what.path.substr(std::string_view("/oauth/").size());
  if (!request.own || (name != "authorize" && name != "sign-in" && name != "consent" && !is_open(what.path)))
    co_return is_open(what.path)
        ? oauth_error(404, "invalid_request", "Nobody can sign in here: this gateway keeps no users.")
        : problem_page(404, "Nothing is here",
                       "This gateway keeps no users of its own. Ask its administrators how to log in.");
  const bool reads = name == "keys" || name == "authorize";
  if (!(reads ? get : post)) {
    net::Reply reply = oauth_error(405, "invalid_request", reads ? "Use GET." : "Use POST.");
    reply.headers.emplace_back("Allow", reads ? "GET" : "POST");
    co_return reply;
  }
  if (name == "keys") {
    net::Reply reply{
        .status = 200, .content_type = "application/json", .body = request.own->signing().key_set()};
    reply.headers.emplace_back("Cache-Control", "max-age=60");
    co_return reply;
  }
  if (name == "authorize") co_return co_await authorize(request, std::string(what.query));
  if (name == "sign-in") co_return co_await sign_in(request);
  if (name == "consent") co_return co_await consent(request);
  if (name == "token") co_return co_await tokens(request);
  if (name == "revoke") co_return co_await revoke(request);
  co_return co_await enroll(request);
}

bool AuthorizationServer::is_ours(std::string_view resource) const {
  if (!resource.starts_with(public_url_)) return false;
  const auto path = resource.substr(public_url_.size());
  return path == "/mcp" ||
         (path.starts_with("/mcp/") && path.size() > 5 && path.find_first_of("?#/", 5) == path.npos);
}

Task<Result<OauthClient>> AuthorizationServer::client_of(LoginRequest& request, std::string_view id) {
  if (is_document_id(id, options_.private_clients))
    co_return co_await documents_->find(request.client, std::string(id), clock_.steady());
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
  return opened_visit(sealer_, cookie_of(request, cookie_name()), clock_.now());
}

Task<Result<bool>> AuthorizationServer::is_signed_in(LoginRequest& request, const Visit& visit) {
  if (visit.user.empty()) co_return false;
  auto user = co_await net::run_on_executor(request.exchange.shard(), database_,
                                            [this, name = visit.user] { return accounts_.user(name); });
  if (!user) co_return Failure(user.error());
  co_return user->has_value() && (*user)->changed == visit.stamp;
}

net::Reply AuthorizationServer::with_cookie(net::Reply reply, const Visit& visit) const {
  reply.headers.emplace_back("Set-Cookie", fmt::format("{}={}; Path=/{}; HttpOnly; SameSite=Lax{}",
                                                       cookie_name(), sealed_visit(sealer_, visit),
                                                       secure_ ? "" : "oauth", secure_ ? "; Secure" : ""));
  return reply;
}

net::Reply AuthorizationServer::sign_in_again(const Wish& wish, Visit visit, std::string problem,
                                              std::string name, int status) {
  if (visit.nonce.empty()) visit.nonce = random_id();
  visit.user.clear();
  return with_cookie(sign_in_page({.client = wish.client.name,
                                   .place = place_of(wish.redirect),
                                   .request = request_of(wish.query, visit),
                                   .name = std::move(name),
                                   .problem = std::move(problem)},
                                  status),
                     visit);
}

Task<net::Reply> AuthorizationServer::authorize(LoginRequest& request, std::string query) {
  auto wish = co_await wish_of(request, query);
  if (!wish) co_return page_of(wish.error());
  if (!wish->error.empty())
    co_return redirect_to(wish->back(public_url_, "", wish->error, wish->description));
  Visit visit = visit_of(request.exchange.request());
  auto signed_in = co_await is_signed_in(request, visit);
  if (!signed_in) co_return page_of(signed_in.error());
  if (!*signed_in) co_return sign_in_again(*wish, std::move(visit), "", "", 200);
  const auto offer = request.offer(visit.user, std::string_view(wish->resource).substr(public_url_.size()));
  if (!offer)
    co_return problem_page(403, "Nothing for you here",
                           visit.user + " may use nothing at " + wish->resource +
                               ". Ask an administrator for access, or use another account.",
                           request_of(wish->query, visit));
  co_return consent_page({.client = wish->client.name,
                          .host = wish->client.host,
                          .place = place_of(wish->redirect),
                          .source = source_of(wish->redirect),
                          .user = visit.user,
                          .resource = wish->resource,
                          .request = request_of(wish->query, visit),
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
  if (!query) co_return page_of(query.error());
  auto wish = co_await wish_of(request, *query);
  if (!wish) co_return page_of(wish.error());

  const std::string name = part_of(lower(trim((*form)["user"])), 128);
  const std::string place = request.exchange.peer().ip;
  const Duration wait = limits_->begin(name, place, clock_.steady());
  if (wait > Duration::zero()) {
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(wait).count();
    co_return sign_in_again(*wish, visit, fmt::format("Too many attempts. Try again in {} s.", seconds), name,
                            429);
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
    request.refusal("sign_in", *user ? name : "");
    co_return sign_in_again(*wish, visit, "That name and password do not fit together.", name, 401);
  }
  limits_->succeeded(name, place);
  request.note("sign_in", fmt::format("\"user\":{},\"client\":{},\"address\":{}", json::quote(name),
                                      json::quote(wish->client.name), json::quote(place)));
  // Nobody who knew the browser's cookie before knows the one that is signed in.
  const Visit signed_in{.nonce = random_id(),
                        .user = name,
                        .stamp = (*user)->changed,
                        .until = unix_millis(clock_.now() + limits::kSignInKept)};
  co_return with_cookie(redirect_to("/oauth/authorize?" + *query), signed_in);
}

Task<net::Reply> AuthorizationServer::consent(LoginRequest& request) {
  auto form = co_await form_of(request);
  if (!form) co_return page_of(form.error());
  Visit visit = visit_of(request.exchange.request());
  const auto query = sealed_query(*form, visit);
  if (!query) co_return page_of(query.error());
  auto signed_in = co_await is_signed_in(request, visit);
  if (!signed_in) co_return page_of(signed_in.error());
  if (!*signed_in) co_return redirect_to("/oauth/authorize?" + *query);
  auto wish = co_await wish_of(request, *query);
  if (!wish) co_return page_of(wish.error());
  const std::string& decision = (*form)["decision"];
  if (decision == "other") co_return sign_in_again(*wish, {}, "", "", 200);

  const std::string said = fmt::format(R"("user":{},"client":{},"redirect":{},"resource":{})",
                                       json::quote(visit.user), json::quote(wish->client.name),
                                       json::quote(place_of(wish->redirect)), json::quote(wish->resource));
  if (decision != "allow") {
    request.note("consent", said + ",\"decision\":\"deny\"");
    co_return redirect_to(wish->back(public_url_, "", "access_denied", "The person said no."));
  }
  const AuthorizationCode code{.grant = {.id = random_id(),
                                         .user = visit.user,
                                         .client = client_key(wish->client.id),
                                         .client_name = wish->client.name,
                                         .resource = wish->resource,
                                         .scope = "mcp"},
                               .challenge = wish->challenge,
                               .redirect = wish->redirect,
                               .until = unix_millis(clock_.now() + limits::kCodeLife)};
  request.note("consent", said + ",\"decision\":\"allow\",\"grant\":" + json::quote(code.grant.id));
  co_return redirect_to(wish->back(public_url_, sealed_code(sealer_, code), "", ""));
}

}  // namespace sallyport::identity
