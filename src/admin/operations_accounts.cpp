/// Operations on people who sign in at the gateway itself, and on what they have granted: user.*, grant.*.

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "operation.hpp"
#include "sallyport/core/clock.hpp"
#include "sallyport/identity/password.hpp"
#include "sallyport/json/document.hpp"
#include "sallyport/store/accounts.hpp"

namespace sallyport::admin {
namespace {

bool is_consent(const store::Grant& grant) { return grant.how == store::Grant::kConsent; }

std::string_view state_of(const store::Grant& grant, std::int64_t now) {
  if (grant.ended) return "ended";
  return grant.active(now) ? "active" : "expired";
}

nlohmann::json row_of(const store::Grant& grant, std::int64_t now) {
  nlohmann::json row{{"id", grant.id},
                     {"user", user_of(grant)},
                     {"client", grant.client_name},
                     {"resource", grant.resource},
                     {"created", grant.created},
                     {"renewed", grant.renewed},
                     {"expires", grant.expires},
                     {"ended", nullptr},
                     {"why", grant.why},
                     {"state", state_of(grant, now)}};
  if (grant.ended) row["ended"] = *grant.ended;
  return row;
}

void note_end(const Context& context, const store::Grant& grant, std::string_view why) {
  if (!context.live.note) return;
  context.live.note("grant_ended",
                    fmt::format(R"("grant":{},"user":{},"why":{},"by":{})", json::quote(grant.id),
                                json::quote(user_of(grant)), json::quote(why), json::quote(context.by)));
}

/// Of those that a change of a person's own account ended.
void note_ends(const Context& context, const std::vector<store::Grant>& before, std::string_view why) {
  const auto now = unix_millis(system_clock().now());
  for (const auto& grant : before)
    if (grant.issuer == store::kLocalUsers && grant.active(now)) note_end(context, grant, why);
}

}  // namespace

store::Accounts accounts_of(Context& context) { return {context.database, context.vault, system_clock()}; }

std::string user_of(const store::Grant& grant) {
  return grant.issuer.empty() || grant.issuer == store::kLocalUsers ? grant.user
                                                                    : grant.issuer + "/" + grant.user;
}

Result<EndedGrant> end_with_record(Context& context, const std::string& id) {
  auto accounts = accounts_of(context);
  EndedGrant ended;
  const auto saved = context.database.transaction([&]() -> Result<void> {
    const auto was_active = accounts.end_grant(id, "revoked");
    if (!was_active) return Failure(was_active.error());
    auto grants = accounts.grants();
    if (!grants) return Failure(grants.error());
    ended = {.grant = std::move(*std::ranges::find(*grants, id, &store::Grant::id)),
             .was_active = *was_active};
    return {};
  });
  if (!saved) return Failure(saved.error());
  if (ended.was_active) note_end(context, ended.grant, "revoked");
  return ended;
}

Result<nlohmann::json> save_user(Context& context, const nlohmann::json& arguments) {
  Arguments input(arguments);
  const auto name = input.text("name");
  const Secret password(input.text("password"));
  const bool must_be_new = input.flag("new");
  if (const auto ok = input.check("user.save"); !ok) return std::unexpected(ok.error());
  auto accounts = accounts_of(context);
  if (const auto problem = store::user_name_problem(name); !problem.empty())
    return client_error(Code::bad_request, "the user's name " + problem);
  if (const auto problem = identity::password_problem(password); !problem.empty())
    return client_error(Code::bad_request, "the password " + problem);
  if (must_be_new) {
    const auto known = accounts.user(name);
    if (!known) return std::unexpected(known.error());
    if (*known)
      return client_error(Code::conflict, "there is a user of this name; `sallyport user password " + name +
                                              "` sets another password");
  }
  auto encoded = identity::hash_password(password);
  if (!encoded) return std::unexpected(std::move(encoded.error()));
  const auto grants = accounts.grants(name);
  if (!grants) return std::unexpected(grants.error());
  const auto made = accounts.save_user(name, *encoded);
  if (!made) return std::unexpected(made.error());
  note_ends(context, *grants, "password");
  if (auto ok = reload(context); !ok) return std::unexpected(std::move(ok.error()));
  return nlohmann::json{{"user", name}, {"created", *made}};
}

Result<nlohmann::json> list_users(Context& context, const nlohmann::json& arguments) {
  if (const auto ok = Arguments(arguments).check("user.list"); !ok) return std::unexpected(ok.error());
  const auto accounts = accounts_of(context);
  const auto users = accounts.users();
  if (!users) return std::unexpected(users.error());
  const auto grants = accounts.grants();
  if (!grants) return std::unexpected(grants.error());
  const auto documents = context.registry.documents("Team");
  if (!documents) return std::unexpected(documents.error());
  const auto now = unix_millis(system_clock().now());
  std::map<std::string, int> active;
  for (const auto& grant : *grants)
    active[grant.user] += is_consent(grant) && grant.issuer == store::kLocalUsers && grant.active(now);
  std::map<std::string, std::vector<std::string>> teams;
  for (const auto& document : *documents) {
    const auto* team = std::get_if<store::Team>(&document);
    for (const auto& member : team->members) teams[member].push_back(team->name);
  }
  nlohmann::json rows = nlohmann::json::array();
  for (const auto& user : *users) {
    rows.push_back({{"name", user.name},
                    {"created", user.created},
                    {"changed", user.changed},
                    {"grants", active[user.name]},
                    {"teams", teams["user:" + user.name]}});
  }
  return nlohmann::json{{"users", std::move(rows)}};
}

Result<nlohmann::json> remove_user(Context& context, const nlohmann::json& arguments) {
  Arguments input(arguments);
  const auto name = input.text("name");
  if (const auto ok = input.check("user.remove"); !ok) return std::unexpected(ok.error());
  auto accounts = accounts_of(context);
  const auto grants = accounts.grants(name);
  if (!grants) return std::unexpected(grants.error());
  if (auto ok = accounts.remove_user(name); !ok) return std::unexpected(std::move(ok.error()));
  note_ends(context, *grants, "user");
  if (auto ok = reload(context); !ok) return std::unexpected(std::move(ok.error()));
  return nlohmann::json{{"removed", name}};
}

Result<nlohmann::json> list_grants(Context& context, const nlohmann::json& arguments) {
  Arguments input(arguments);
  const auto user = input.text_or("user", "");
  if (const auto ok = input.check("grant.list"); !ok) return std::unexpected(ok.error());
  const auto grants = accounts_of(context).grants(user);
  if (!grants) return std::unexpected(grants.error());
  const auto now = unix_millis(system_clock().now());
  nlohmann::json rows = nlohmann::json::array();
  for (const auto& grant : *grants)
    if (is_consent(grant)) rows.push_back(row_of(grant, now));
  return nlohmann::json{{"grants", std::move(rows)}};
}

Result<nlohmann::json> end_grant(Context& context, const nlohmann::json& arguments) {
  Arguments input(arguments);
  const auto id = input.text("id");
  if (const auto ok = input.check("grant.end"); !ok) return std::unexpected(ok.error());
  const auto ended = end_with_record(context, id);
  if (!ended) return std::unexpected(ended.error());
  // Who still sits at a browser that is signed in would have another one with a click.
  if (auto out = accounts_of(context).end_sign_ins(ended->grant); !out)
    return std::unexpected(std::move(out.error()));
  if (auto ok = reload(context); !ok) return std::unexpected(std::move(ok.error()));
  return nlohmann::json{{"ended", id}, {"was_active", ended->was_active}};
}

}  // namespace sallyport::admin
