#include <optional>

#include "sallyport/policy/rules.hpp"

namespace sallyport::policy {

namespace {

/// `wide`: what a '?' does not stand for.
bool matches(std::string_view glob, std::string_view text, std::optional<char> wide) {
  constexpr auto kNone = std::string_view::npos;
  std::size_t g = 0;
  std::size_t t = 0;
  std::size_t star = kNone;  // the last star met; an earlier one never needs another try
  std::size_t resume = 0;    // where that star's run ends so far
  while (t < text.size()) {
    if (g < glob.size() && glob[g] == '*') {
      star = g++;
      resume = t;
    } else if (g < glob.size() && (glob[g] == '?' ? wide != text[t] : glob[g] == text[t])) {
      ++g;
      ++t;
    } else if (star != kNone) {
      g = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  return glob.find_first_not_of('*', g) == kNone;
}

}  // namespace

bool glob_match(std::string_view glob, std::string_view text) { return matches(glob, text, std::nullopt); }

// The pattern as a text: a '*' in it stands for any run, which only a '*' covers.
bool glob_covers(std::string_view outer, std::string_view inner) { return matches(outer, inner, '*'); }

namespace {

bool apart(bool (*match)(std::string_view, std::string_view), std::string_view pattern,
           std::string_view name) {
  const auto slash = pattern.find('/');
  if (slash == std::string_view::npos) return match(pattern, name);
  const auto end = name.find('/');
  return end != std::string_view::npos && match(pattern.substr(0, slash), name.substr(0, end)) &&
         match(pattern.substr(slash + 1), name.substr(end + 1));
}

}  // namespace

bool name_match(std::string_view pattern, std::string_view name) { return apart(glob_match, pattern, name); }

bool name_covers(std::string_view outer, std::string_view inner) { return apart(glob_covers, outer, inner); }

}  // namespace sallyport::policy
