#pragma once
/// The patterns of many rules over one kind of object, arranged so that a name meets few of them.

#include <array>
#include <cstdint>
#include <functional>
#include <limits>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "sallyport/policy/rules.hpp"

namespace sallyport::policy {

/// Borrows: every pattern that was added.
class RuleIndex {
 public:
  static constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();

  /// `apart`: it means names as name_match does. Requires: rules are added with rising numbers, so that each
  /// list is in order.
  void add(Effect effect, std::string_view pattern, bool apart, std::uint32_t rule);
  /// Lowest rule of this effect that matches; kNone when there is none.
  std::uint32_t first(Effect effect, std::string_view target) const;
  /// Every rule of this effect that matches, in order, each once.
  std::vector<std::uint32_t> all(Effect effect, std::string_view target) const;
  bool empty() const;

 private:
  struct Glob {
    std::string_view prefix;  ///< up to the first wildcard
    std::string_view rest;
    std::uint64_t letters;  ///< letters_of what is literal in it
    std::uint32_t rule;
    bool apart;  ///< and it matters: a wildcard stands before a slash
    /// `has`: letters_of(target).
    bool matches(std::string_view target, std::uint64_t has) const {
      if ((letters & ~has) != 0 || !target.starts_with(prefix)) return false;
      const auto left = target.substr(prefix.size());
      return rest == "*" || (apart ? name_match(rest, left) : glob_match(rest, left));
    }
  };
  using Rules = std::vector<std::uint32_t>;
  struct Patterns {
    std::unordered_map<std::string_view, Rules> literals;
    std::unordered_map<std::string_view, std::vector<Glob>>
        globs_by_server;  ///< no wildcard up to the first '/'
    std::vector<Glob> other_globs;
  };
  /// One bit for each byte that occurs, four bytes to a bit: what a pattern needs and a name lacks is seen at
  /// once.
  static std::uint64_t letters_of(std::string_view text);
  static std::uint32_t first(const std::vector<Glob>& globs, std::string_view target, std::uint32_t below);
  static void collect(const std::vector<Glob>& globs, std::string_view target, Rules& into);
  static const std::vector<Glob>* of_server(const Patterns& patterns, std::string_view target);

  std::array<Patterns, 2> by_effect_;
};

}  // namespace sallyport::policy
