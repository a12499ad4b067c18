#include "issuer_reader.hpp"

#include <algorithm>

#include "document_check.hpp"

namespace sallyport::store {
namespace {

using namespace std::chrono_literals;

Issuer::Introspection read_introspection(const Node& node, Problems& problems) {
  Issuer::Introspection out;
  Fields fields(node, "\"introspection\"", problems);
  if (!fields.usable()) return out;
  out.url = fields.checked("url", check::url, true);
  out.client_id = fields.checked("client_id", check::line);
  out.credential = fields.checked("credential", check::name);
  if (fields.has("client_id") != fields.has("credential"))
    fields.problem("url", "\"client_id\" and \"credential\" belong together");
  fields.finish();
  return out;
}

Issuer::SignIn read_sign_in(const Node& node, Problems& problems) {
  Issuer::SignIn out;
  Fields fields(node, "\"sign_in\"", problems);
  if (!fields.usable()) return out;
  out.client_id = fields.checked("client_id", check::line, true);
  out.credential = fields.checked("credential", check::name);
  if (fields.has("scopes")) out.scopes = fields.texts("scopes", check::scope);
  if (std::ranges::find(out.scopes, "openid") == out.scopes.end())
    fields.problem("scopes", "\"scopes\" needs openid: without it the provider does not say who signed in");
  out.title = fields.checked("title", check::line);
  out.lasts = fields.duration("lasts", out.lasts, 5min, 24h * 90);
  fields.finish();
  return out;
}

std::vector<std::string> read_id_jag(const Node& node, Problems& problems) {
  Fields fields(node, "\"id_jag\"", problems);
  if (!fields.usable()) return {};
  auto out = fields.texts("clients", check::name, true);
  if (fields.list_is_empty("clients"))
    fields.problem("clients", "\"clients\" is empty: which agents may bring assertions of this issuer?");
  fields.finish();
  return out;
}

void read_key_times(const Node& node, Issuer& out, Problems& problems) {
  Fields fields(node, "\"keys\"", problems);
  if (!fields.usable()) return;
  out.refresh = fields.duration("refresh", out.refresh, 1s, 24h);
  out.cool_down = fields.duration("cool_down", out.cool_down, 1s, 1h);
  out.expiry = fields.duration("expiry", out.expiry, 1s, 24h * 7);
  if (out.expiry < out.refresh)
    fields.problem("expiry",
                   "\"expiry\" comes before \"refresh\": keys would be given up before they are renewed");
  fields.finish();
}

}  // namespace

Issuer read_issuer(Fields& fields, Problems& problems) {
  Issuer out{.name = fields.checked("name", check::name, true)};
  if (out.name == kLocalUsers)
    fields.problem("name",
                   "\"local\" stands for the users that this gateway keeps itself: choose another name");
  out.issuer = fields.checked("issuer", check::issuer_url, true);
  out.jwks_url = fields.checked("jwks_url", check::url);
  out.audiences = fields.texts("audiences", check::line);
  if (fields.has("algorithms")) out.algorithms = fields.texts("algorithms", check::algorithm);
  if (fields.list_is_empty("algorithms"))
    fields.problem("algorithms", "\"algorithms\" is empty: no token could be accepted");
  out.scopes = fields.texts("scopes", check::scope);
  out.is_default = fields.flag("default");
  out.user = fields.checked("user", check::claim_path, false, fields.has("agent") ? "" : out.user);
  out.agent = fields.checked("agent", check::claim_path);
  out.teams = fields.checked("teams", check::claim_path);
  out.roles = fields.checked("roles", check::claim_path);
  out.claims = fields.text_map("claims", check::claim, check::claim_path);
  if (const Node* node = fields.take("introspection"))
    out.introspection = read_introspection(*node, problems);
  if (const Node* node = fields.take("sign_in")) out.sign_in = read_sign_in(*node, problems);
  if (const Node* node = fields.take("id_jag")) out.id_jag = read_id_jag(*node, problems);
  if (!out.id_jag.empty() && out.user.empty())
    fields.problem("id_jag",
                   "\"id_jag\" is for people: \"user\" has to name the claim that says who they are");
  if (!out.sign_in.client_id.empty() && out.user.empty())
    fields.problem("sign_in",
                   "\"sign_in\" is for people: \"user\" has to name the claim that says who they are");
  out.allow_private = fields.flag("allow_private");
  out.ca_file = fields.checked("ca_file", check::path);
  out.leeway = fields.duration("leeway", out.leeway, 0s, 60s);
  if (const Node* node = fields.take("keys")) read_key_times(*node, out, problems);
  fields.finish({"client_id", "limits"});
  return out;
}
}  // namespace sallyport::store
