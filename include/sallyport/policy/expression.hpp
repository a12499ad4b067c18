#pragma once
/// Conditions of rules: a documented subset of CEL (docs/expressions.md), checked when a rule is read and
/// evaluated within a bounded number of steps. Pure: no clock, no I/O, no side effects.

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "sallyport/core/clock.hpp"
#include "sallyport/core/error.hpp"
#include "sallyport/json/document.hpp"

namespace sallyport::policy {

namespace cel {
struct Tree;
struct Value;
}  // namespace cel

/// What a condition may read.
enum class Variable : std::uint8_t { args, principal, tool, server, model, request };
inline constexpr std::size_t kVariables = 6;

/// A map with names, for what a condition reads under `principal.`, `tool.` and so on. Filled once, then
/// shared: const members may be called from any thread. A name that is set again takes the new value.
class Facts {
 public:
  Facts();
  Facts(Facts&&) noexcept;
  Facts& operator=(Facts&&) noexcept;
  ~Facts();

  /// Requires: UTF-8.
  Facts& text(std::string_view name, std::string_view value);
  Facts& texts(std::string_view name, std::span<const std::string> values);
  Facts& flag(std::string_view name, bool value);
  Facts& integer(std::string_view name, std::int64_t value);
  Facts& time(std::string_view name, SystemTime value);
  Facts& facts(std::string_view name, Facts value);  ///< a map within
  /// Errors: Code::bad_json as json::Document::parse has it; then nothing was set.
  Result<void> json(std::string_view name, std::string text);

 private:
  friend class Activation;
  static cel::Value value_of(const Facts& facts);
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// What the variables stand for in one request. Borrows everything that is bound to it. One thread at a time:
/// arguments are parsed when a condition first reads them, and kept for the next one.
class Activation {
 public:
  Activation() = default;
  Activation(const Activation&) = delete;
  Activation& operator=(const Activation&) = delete;

  /// `json`: the arguments' own bytes; a call without arguments has "{}". What is no JSON, has a key twice,
  /// or was never given makes every condition that reads it fail.
  Activation& args(std::string_view json);
  Activation& bind(Variable variable, const Facts& facts);
  Activation& bind(Variable variable, Facts&& facts) = delete;

  bool read_args() const { return read_args_; }  ///< whether some condition has, known or not

 private:
  friend class Expression;
  static cel::Value value_of(const void* activation, std::uint32_t variable);

  std::optional<std::string_view> args_;
  std::array<const Facts*, kVariables> facts_{};
  mutable std::optional<Result<json::Document>> document_;
  mutable bool read_args_ = false;
};

/// What is wrong with an expression, and where in its text.
struct Mistake {
  std::uint32_t line = 1, column = 1;  ///< 1-based; columns count code points
  std::string what;                    ///< one sentence, with what to do
  /// Code::bad_request, the administrator's; text "line 1, column 6: ...".
  Error error() const;
};

/// A condition, compiled. Immutable, any thread.
class Expression {
 public:
  using Compiled = std::expected<std::shared_ptr<const Expression>, Mistake>;
  /// Variables, functions and constant patterns are checked here; types when it is evaluated.
  static Compiled compile(std::string_view text);

  bool reads(Variable variable) const;
  const std::string& text() const;
  /// Errors: Code::bad_request with the reason and its place in the expression (no such key, no matching
  /// overload, overflow, too many steps, a result that is no bool). Never quotes what the variables hold.
  Result<bool> evaluate(const Activation& activation) const;

  ~Expression();

 private:
  explicit Expression(std::unique_ptr<const cel::Tree> tree);
  std::unique_ptr<const cel::Tree> tree_;
};

}  // namespace sallyport::policy
