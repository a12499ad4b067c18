#pragma once
/// Whom a policy concerns.

#include <cstdint>
#include <optional>
#include <string_view>

#include "sallyport/policy/rules.hpp"

namespace sallyport::policy {

/// One subject of a policy. Borrows the text that it was read from.
struct Subject {
  enum class Form : std::uint8_t { everyone, anonymous, team, agent, user, role, claim, environment } form;
  std::string_view glob{};
  std::string_view claim{};  ///< its name, for Form::claim

  /// "team:x", "claim:name=glob" ...; nullopt for another form.
  static std::optional<Subject> parse(std::string_view text);
  bool covers(const Principal& principal, std::string_view environment) const;
};

}  // namespace sallyport::policy
