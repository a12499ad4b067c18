#include "access.hpp"
#include "call.hpp"

namespace sallyport::gateway {

Access& access_of(Call& call, std::optional<Access>& own) {
  if (call.snapshot == call.here.snapshot) return call.here.access(call.principal);
  return own.emplace(call.snapshot, call.principal);
}

bool may_enter(Call& call, SystemTime now) {
  std::optional<Access> own;
  const CallFacts facts{.arguments = {}, .client_ip = call.exchange.peer().ip, .now = now};
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
                            {.arguments = arguments, .client_ip = call.exchange.peer().ip, .now = now});
    otherwise = Verdict::refused;
  }
  call.rule = std::move(decision.rule);
  if (decision.allowed()) return Verdict::allowed;
  call.refusal = "denied";
  if (decision.lacks.empty()) return otherwise;
  // A client that asks for these alone must not lose what it has.
  call.refusal = "insufficient_scope";
  call.scopes_wanted = call.principal->scopes.value_or(std::vector<std::string>());
  call.scopes_wanted.insert(call.scopes_wanted.end(), decision.lacks.begin(), decision.lacks.end());
  return Verdict::unscoped;
}

}  // namespace sallyport::gateway
