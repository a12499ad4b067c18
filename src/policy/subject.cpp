#include "subject.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace sallyport::policy {

std::optional<Subject> Subject::parse(std::string_view text) {
  if (text == "*") return Subject{Form::everyone};
  if (text == "anonymous") return Subject{Form::anonymous};
  const auto colon = text.find(':');
  if (colon == std::string_view::npos || colon + 1 == text.size()) return std::nullopt;
  const auto word = text.substr(0, colon);
  const auto rest = text.substr(colon + 1);
  if (word == "claim") {
    const auto equals = rest.find('=');
    if (equals == std::string_view::npos || equals == 0 || equals + 1 == rest.size()) return std::nullopt;
    return Subject{.form = Form::claim, .glob = rest.substr(equals + 1), .claim = rest.substr(0, equals)};
  }
  constexpr std::array<std::pair<std::string_view, Form>, 5> kForms = {{{"team", Form::team},
                                                                        {"agent", Form::agent},
                                                                        {"user", Form::user},
                                                                        {"role", Form::role},
                                                                        {"environment", Form::environment}}};
  const auto* const found = std::ranges::find(kForms, word, [](const auto& entry) { return entry.first; });
  if (found == kForms.end()) return std::nullopt;
  return Subject{.form = found->second, .glob = rest};
}

namespace {

/// "x" means a principal at home, "issuer/x" one of that issuer, and "*" everybody of that kind.
bool names(std::string_view glob, const Principal& principal) {
  if (glob == "*") return true;
  const auto slash = glob.find('/');
  if (slash == std::string_view::npos) return principal.home && glob_match(glob, principal.subject);
  return !principal.issuer.empty() && glob_match(glob.substr(0, slash), principal.issuer) &&
         glob_match(glob.substr(slash + 1), principal.subject);
}

}  // namespace

bool Subject::covers(const Principal& principal, std::string_view environment) const {
  const auto matches = [this](const auto& text) { return glob_match(glob, text); };
  switch (form) {
    case Form::everyone:
      return true;
    case Form::anonymous:
      return principal.kind == Principal::Kind::anonymous;
    case Form::team:
      return std::ranges::any_of(principal.teams, matches);
    case Form::role:
      return std::ranges::any_of(principal.roles, matches);
    case Form::agent:
      return principal.kind == Principal::Kind::agent && names(glob, principal);
    case Form::user:
      return principal.kind == Principal::Kind::user && names(glob, principal);
    case Form::claim: {
      const auto found = principal.claims.find(std::string(claim));
      return found != principal.claims.end() && matches(found->second);
    }
    case Form::environment:
      return matches(environment);
  }
  return false;
}

}  // namespace sallyport::policy
