#pragma once
/// Who may use what: rules over canonical names, default deny, deny beats allow. Pure; no clock, no I/O.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sallyport/core/error.hpp"

namespace sallyport::policy {

/// Who is asking. Built by identity, read by rules, resolvers and records. Immutable once shared.
struct Principal {
  enum class Kind : std::uint8_t { anonymous, user, agent };
  Kind kind = Kind::anonymous;
  std::string issuer{};   ///< name of its Issuer document; "" for what this gateway itself issued
  std::string subject{};  ///< name within the issuer
  bool home = true;       ///< documents name it without its issuer: that one is the default, or our own
  std::string actor{};    ///< who acts for the subject; empty: itself
  std::string key_id{};   ///< of the API key that was shown
  std::vector<std::string> teams{};
  std::vector<std::string> roles{};
  std::map<std::string, std::string> claims{};
  /// The only tools that its token is good for, as globs over canonical names: it then has no prompts,
  /// resources and models either. nullopt: no such bound.
  std::optional<std::vector<std::string>> tools{};
  /// Of its token; nullopt: what it has shown knows no scopes (a key, a certificate), and none is asked of
  /// it.
  std::optional<std::vector<std::string>> scopes{};
  /// "agent:release-bot", "user:alice@example.com", "anonymous", and with the issuer where documents need it
  /// too: "user:partner/alice@example.com". No two principals share a name. What the journal shows.
  std::string name() const;
};

/// `brought`: what a model call brings along instead of what the documents say: "provider/custom_host",
/// "provider/api_key", "provider/forward_headers", and whether such a host may be in a private network,
/// "provider/private_host".
enum class Object : std::uint8_t { tool, prompt, resource, virtual_server, model, brought };
inline constexpr std::size_t kObjects = 6;
enum class Effect : std::uint8_t { allow, deny };

/// One rule as a Policy document states it. Globs: '*' any run of bytes, '?' one byte; everything else is
/// literal. Tools, prompts and resources are "server/name" (resources: "server/uri"); `servers` stands for
/// all three of the servers that it matches. An allow matches as name_match does; in a denial a '*' may also
/// stand for what has a slash in it.
struct Rule {
  Effect effect = Effect::deny;
  std::vector<std::string> tools{}, prompts{}, resources{}, servers{}, virtual_servers{}, models{}, brings{};
  std::vector<std::string> scopes{};   ///< that a token needs for an allow to hold in a call
  std::string when{};                  ///< a condition in CEL (docs/expressions.md); empty: always
  int when_line = 0, when_column = 0;  ///< where it begins in its document, for errors; 0: unknown
};

struct Policy {
  std::string name;
  /// "team:x", "agent:x", "user:x", "role:x" (globs allowed after the colon), "claim:name=glob",
  /// "environment:x" (everyone there), "anonymous", or "*": everyone, anonymous included. "user:x" means
  /// those of the default issuer, "user:issuer/x" those of that one (globs on both sides of the first slash),
  /// "user:*" every person.
  std::vector<std::string> subjects{};
  std::vector<std::string> environments{};  ///< in which it holds; empty: all
  std::vector<Rule> rules{};
};

/// The outcome with the rule that made it.
struct Decision {
  Effect effect = Effect::deny;
  /// "payments-tools#2" (policy and 1-based rule), "default" when no rule matched, or "token" when the
  /// principal's token does not name the target. Where several rules of
  /// the deciding effect match, it is the first of them in the order given to compile, those without a
  /// condition before the others.
  std::string rule;
  /// Some rule about this target has a condition: another call may be decided otherwise.
  bool conditional = false;
  bool read_args = false;            ///< some condition that was evaluated has read the arguments
  std::vector<std::string> lacks{};  ///< scopes of `rule` that would have allowed it but for them
  bool allowed() const { return effect == Effect::allow; }
};

/// What is asked of the rules. When listing, nothing is known of the call yet: a rule whose condition reads
/// `args` or `request` may match, so it allows and does not deny.
enum class Phase : std::uint8_t { list, call };

/// True when `glob` matches the whole of `text`. At most (bytes of text) x (bytes of glob) steps; no
/// recursion.
bool glob_match(std::string_view glob, std::string_view text);

/// Whether all that `inner` matches is matched by `outer` too; false also where that takes more than one
/// comparison to see.
bool glob_covers(std::string_view outer, std::string_view inner);

/// Whether what is allowed by `pattern` is "server/name". What stands before the first slash and behind it
/// are matched apart, as names may have slashes of their own: no server's names reach into what is allowed of
/// another's. A pattern without a slash is matched with the whole.
bool name_match(std::string_view pattern, std::string_view name);

/// glob_covers for them.
bool name_covers(std::string_view outer, std::string_view inner);

class Activation;
class Facts;

/// `principal` as conditions read it: name, kind, issuer, subject, actor, teams, roles, claims.
Facts facts_of(const Principal& principal);

/// Why a decision is what it is, for people.
struct Explanation {
  Decision decision;
  /// A rule that all but one thing speaks for.
  struct Near {
    std::string rule;
    Effect effect = Effect::deny;
    enum class Failed : std::uint8_t {
      subject,
      environment,
      condition,
      outweighed  ///< it allows, and a denial beats it
    } failed = Failed::subject;
    std::string detail;  ///< the subjects, the environments, the condition with its outcome, or the denial
  };
  std::vector<Near> near{};  ///< at most kNear, those of the wanted effect first
  std::size_t more = 0;      ///< left out of `near`
  std::string condition{};   ///< of the deciding rule, with its outcome; empty: none
  std::string advice{};      ///< the rule to add or the denial to lift that would change the decision
  static constexpr std::size_t kNear = 20;
};

/// All policies compiled: literal names are hashed, globs are tried in order, what concerns a principal is
/// found once. Threads: immutable after compile; everything may be called from any thread.
class RuleSet {
 public:
  /// `environment`: of this instance. Errors: Code::bad_request naming policy, rule and pattern or condition
  /// with line and column (empty pattern, unknown subject form, a condition that does not compile).
  static Result<std::shared_ptr<const RuleSet>> compile(std::vector<Policy> policies,
                                                        std::string_view environment = {});
  RuleSet();
  ~RuleSet();

  /// The rules that concern one principal, in a form that decides fast. Immutable; keeps the RuleSet's data
  /// alive.
  class View;
  std::shared_ptr<const View> view(const Principal& principal) const;

  /// Slow: looks at every rule. `activation` as in View::decide.
  Explanation explain(const Principal& principal, Object object, std::string_view target, Phase phase,
                      const Activation& activation) const;

  std::size_t size() const;  ///< rules in all
  /// That some rule asks for, in order, each once.
  const std::vector<std::string>& scopes() const;

  struct Impl;

 private:
  std::shared_ptr<const Impl> impl_;
};

class RuleSet::View {
 public:
  /// `target` is the canonical name. Deny beats allow; nothing matching denies. A condition that ends in an
  /// error makes an allow not match, and a deny match.
  Decision decide(Object object, std::string_view target, Phase phase, const Activation& activation) const;
  /// When listing, with nothing known.
  Decision decide(Object object, std::string_view target) const;
  /// nullopt where some rule about this target has a condition.
  std::optional<Decision> unconditional(Object object, std::string_view target) const;
  struct Impl;
  explicit View(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}

 private:
  std::shared_ptr<const Impl> impl_;
};

}  // namespace sallyport::policy
