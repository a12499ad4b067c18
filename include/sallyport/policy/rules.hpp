#pragma once
/// Who may use what: rules over canonical names, default deny, deny beats allow. Pure; no clock, no I/O.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sallyport/core/error.hpp"

namespace sallyport::policy {

/// Who is asking. Built by identity, read by rules, resolvers and records. Immutable once shared.
struct Principal {
  enum class Kind : std::uint8_t { anonymous, user, agent };
  Kind kind = Kind::anonymous;
  std::string issuer{};   ///< "" for what this gateway itself issued
  std::string subject{};  ///< name within the issuer
  std::string actor{};    ///< who acts for the subject; empty: itself
  std::string key_id{};   ///< of the API key that was shown
  std::vector<std::string> teams{};
  std::map<std::string, std::string> claims{};
  /// "agent:release-bot", "user:alice@example.com", "anonymous"; what subjects in documents match and what
  /// the journal shows.
  std::string name() const;
};

enum class Object : std::uint8_t { tool, prompt, resource, model };
enum class Effect : std::uint8_t { allow, deny };

/// One rule as a Policy document states it. Globs: '*' any run of bytes, '?' one byte; everything else is
/// literal. Tools, prompts and resources are "server/name" (resources: "server/uri").
struct Rule {
  Effect effect = Effect::deny;
  std::vector<std::string> tools{}, prompts{}, resources{}, models{};
};

struct Policy {
  std::string name;
  /// "team:x", "agent:x", "user:x" (globs allowed after the colon), "anonymous", or "*": everyone, anonymous
  /// included.
  std::vector<std::string> subjects{};
  std::vector<Rule> rules{};
};

/// The outcome with the rule that made it.
struct Decision {
  Effect effect = Effect::deny;
  /// "payments-tools#2" (policy and 1-based rule), or "default" when no rule matched. Where several rules of
  /// the deciding effect match, it is the first of them in the order given to compile.
  std::string rule;
  bool allowed() const { return effect == Effect::allow; }
};

/// True when `glob` matches the whole of `text`. At most (bytes of text) x (bytes of glob) steps; no
/// recursion.
bool glob_match(std::string_view glob, std::string_view text);

/// All policies compiled: literal names are hashed, globs are tried in order, what concerns a principal is
/// found once. Threads: immutable after compile; decide() may be called from any thread.
class RuleSet {
 public:
  /// Errors: Code::bad_request naming policy, rule and pattern (empty pattern, unknown subject form).
  static Result<std::shared_ptr<const RuleSet>> compile(std::vector<Policy> policies);
  RuleSet();
  ~RuleSet();

  /// The rules that concern one principal, in a form that decides fast. Immutable; keeps the RuleSet's data
  /// alive.
  class View;
  std::shared_ptr<const View> view(const Principal& principal) const;

  std::size_t size() const;  ///< rules in all

  struct Impl;

 private:
  std::shared_ptr<const Impl> impl_;
};

class RuleSet::View {
 public:
  /// `target` is the canonical name. Deny beats allow; nothing matching denies.
  Decision decide(Object object, std::string_view target) const;
  struct Impl;
  explicit View(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}

 private:
  std::shared_ptr<const Impl> impl_;
};

}  // namespace sallyport::policy
