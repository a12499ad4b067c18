#include "isolation.hpp"

#include <fmt/format.h>

#include <unordered_map>

#include "call.hpp"

namespace sallyport::gateway {

std::string session_of(const Call& call) { return call.session ? call.session->nonce : ""; }

std::string isolation_of(store::Isolation isolation, std::string_view session, const std::string& principal) {
  switch (isolation) {
    case store::Isolation::shared:
      return "";
    case store::Isolation::session:
      return fmt::format("{} {}", session, principal);  // a nonce has no spaces
    case store::Isolation::principal:
      return principal;
  }
  return "";
}

std::string isolation_of(const Call& call, const store::Server& server) {
  if (server.isolation == store::Isolation::shared) return "";
  return isolation_of(server.isolation, session_of(call), call.principal->name());
}

std::string_view holder_of(store::Isolation isolation, std::string_view name) {
  return isolation == store::Isolation::session ? name.substr(name.find(' ') + 1) : name;
}

Result<std::optional<std::size_t>> make_room(std::string_view holder, const std::vector<Held>& held,
                                             std::size_t most, std::string_view nouns) {
  std::unordered_map<std::string_view, std::size_t> counts;
  for (const Held& one : held) ++counts[one.holder];
  const bool greedy = counts[holder] >= most - most / 4;
  if (!greedy && held.size() < most) return std::nullopt;
  std::optional<std::size_t> victim;
  const auto before = [&](const Held& a, const Held& b) {
    const auto of_a = counts[a.holder], of_b = counts[b.holder];
    return of_a != of_b ? of_a > of_b : a.used < b.used;
  };
  for (std::size_t i = 0; i < held.size(); ++i) {
    if (!held[i].rests || (greedy && held[i].holder != holder)) continue;
    if (!victim || before(held[i], held[*victim])) victim = i;
  }
  if (victim) return victim;
  return greedy ? fail(Code::limited, Blame::client,
                       fmt::format("the caller has {} {} in use and may have no more", counts[holder], nouns),
                       true)
                : fail(Code::limited, Blame::us, fmt::format("all {} {} are in use", most, nouns), true);
}

}  // namespace sallyport::gateway
