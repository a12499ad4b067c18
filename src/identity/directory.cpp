#include "sallyport/identity/directory.hpp"

#include <algorithm>

namespace sallyport::identity {

using Kind = policy::Principal::Kind;

Directory::Directory(const std::vector<store::AnyDocument>& documents) {
  for (const auto& document : documents) {
    if (const auto* agent = std::get_if<store::Agent>(&document)) agents_.emplace(agent->name, *agent);
    if (const auto* team = std::get_if<store::Team>(&document))
      for (const auto& member : team->members) teams_of_[member].push_back(team->name);
    if (const auto* issuer = std::get_if<store::Issuer>(&document)) {
      issuers_.emplace(issuer->name, issuer->is_default);
      if (issuer->is_default) standard_ = issuer->name;
    }
  }
}

bool Directory::disabled(std::string_view agent) const {
  const auto found = agents_.find(agent);
  return found != agents_.end() && found->second.disabled;
}

Result<policy::Principal> Directory::agent(std::string_view name) const {
  const auto found = agents_.find(name);
  if (found == agents_.end())
    return client_error(Code::unauthenticated, "the agent that it was made for is gone");
  if (found->second.disabled)
    return client_error(Code::unauthenticated, "the agent that it was made for is disabled");
  return own(Kind::agent, name);
}

policy::Principal Directory::own(Kind kind, std::string_view subject) const {
  policy::Principal out{.kind = kind, .subject = std::string(subject)};
  const auto agent = agents_.find(subject);
  if (kind == Kind::agent && agent != agents_.end()) {
    out.roles = agent->second.roles;
    out.claims = agent->second.claims;
  }
  add_teams(out);
  return out;
}

policy::Principal Directory::vouched(const store::Issuer& issuer, Kind kind, std::string subject) const {
  // An agent's plain name is one that we gave ourselves, whoever else uses it.
  policy::Principal out{.kind = kind,
                        .issuer = issuer.name,
                        .subject = std::move(subject),
                        .home = issuer.is_default && kind == Kind::user};
  add_teams(out);
  return out;
}

policy::Principal Directory::local(std::string_view user) const {
  return vouched({.name = std::string(store::kLocalUsers), .is_default = standard_.empty()}, Kind::user,
                 std::string(user));
}

void Directory::add_teams(policy::Principal& principal) const {
  const auto add = [&](const std::string& name) {
    const auto teams = teams_of_.find(name);
    if (teams != teams_of_.end())
      principal.teams.insert(principal.teams.end(), teams->second.begin(), teams->second.end());
  };
  add(principal.name());
  if (principal.home && !principal.issuer.empty()) {
    policy::Principal in_full = principal;
    in_full.home = false;
    add(in_full.name());
  }
  std::ranges::sort(principal.teams);
  const auto repeated = std::ranges::unique(principal.teams);
  principal.teams.erase(repeated.begin(), repeated.end());
}

Result<policy::Principal> Directory::named(std::string_view name) const {
  if (name == "anonymous") return policy::Principal();
  const bool agent = name.starts_with("agent:");
  const auto subject = name.substr(name.find(':') + 1);
  if ((!agent && !name.starts_with("user:")) || subject.empty())
    return client_error(Code::bad_request, "a principal is agent:NAME, user:NAME or anonymous");
  const Kind kind = agent ? Kind::agent : Kind::user;
  const auto slash = subject.find('/');
  std::string_view issuer = agent ? std::string_view() : std::string_view(standard_);
  std::string_view rest = subject;
  if (slash != std::string_view::npos) {
    issuer = subject.substr(0, slash);
    rest = subject.substr(slash + 1);
    if (issuer == store::kLocalUsers && !agent && !rest.empty()) return local(rest);
    if (!issuers_.contains(issuer) || rest.empty())
      return client_error(Code::bad_request,
                          "before the slash in " + std::string(name) +
                              " stands no Issuer that there is; `sallyport get issuers` lists them");
  }
  if (issuer.empty()) return agent ? own(kind, subject) : local(subject);
  return vouched({.name = std::string(issuer), .is_default = issuer == standard_}, kind, std::string(rest));
}

}  // namespace sallyport::identity
