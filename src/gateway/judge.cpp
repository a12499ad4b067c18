#include <algorithm>

#include "access.hpp"
#include "call.hpp"
#include "sallyport/core/limits.hpp"
#include "wanted_scopes.hpp"

namespace sallyport::gateway {
namespace {

constexpr std::size_t kScopeBytes = 128;  // as of those that rules ask for

/// RFC 6749 section 3.3: what a token of another issuer names may be anything.
bool is_scope(std::string_view text) {
  return !text.empty() && text.size() <= kScopeBytes &&
         std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7f && c != '"' && c != '\\'; });
}

}  // namespace

void ask_for_scopes(Call& call, const std::vector<std::string>& lacks) {
  call.refusal = "insufficient_scope";
  call.scopes_wanted.clear();
  const auto add = [&](const std::vector<std::string>& scopes, std::size_t bound) {
    for (const auto& scope : scopes)
      if (call.scopes_wanted.size() < bound && is_scope(scope) &&
          std::ranges::find(call.scopes_wanted, scope) == call.scopes_wanted.end())
        call.scopes_wanted.push_back(scope);
  };
  // A client that asks for these alone must not lose what it has.
  const auto held = call.principal->scopes.value_or(std::vector<std::string>());
  add(held, limits::kTokenScopes - std::min(limits::kTokenScopes, lacks.size()));
  add(lacks, limits::kTokenScopes);
}

Access& access_of(Call& call, std::optional<Access>& own) {
  if (call.snapshot == call.here.snapshot) return call.here.access(call.principal);
  return own.emplace(call.snapshot, call.principal);
}

bool may_enter(Call& call, SystemTime now) {
  std::optional<Access> own;
  const CallFacts facts{.arguments = {}, .client_ip = call.exchange.client_ip(), .now = now};
  const auto decision = access_of(call, own).enters(*call.endpoint, &facts);
  if (decision.allowed()) return true;
  call.rule = decision.rule;
  call.refusal = "denied";
  return false;
}

Verdict judge(Call& call, policy::Object object, std::string_view canonical, const Definition* definition,
              std::string_view arguments, SystemTime now) {
  std::optional<Access> own;
  Access& access = access_of(call, own);
  auto decision = access.lists(*call.endpoint, object, canonical, definition);
  Verdict otherwise = Verdict::unseen;
  if (decision.allowed() && decision.conditional) {
    decision = access.calls(*call.endpoint, object, canonical, definition,
                            {.arguments = arguments, .client_ip = call.exchange.client_ip(), .now = now});
    otherwise = Verdict::refused;
  }
  call.rule = std::move(decision.rule);
  if (decision.allowed()) return Verdict::allowed;
  call.refusal = "denied";
  if (decision.lacks.empty()) return otherwise;
  ask_for_scopes(call, decision.lacks);
  return Verdict::unscoped;
}

}  // namespace sallyport::gateway
