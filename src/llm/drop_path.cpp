#include "drop_path.hpp"

#include <charconv>
#include <utility>

namespace sallyport::llm {
namespace {

constexpr std::size_t kParts = 32;

/// What follows "[" up to and with "]"; nullopt: neither a number nor a star.
std::optional<DropPart> index_part(std::string_view text) {
  if (text == "*") return DropPart{};
  std::size_t index = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), index);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return DropPart{index};
}

using Paths = std::vector<std::span<const DropPart>>;

/// What is left of the paths below a child that `fits` their first part; nullopt: a path ends there, and with
/// it the child.
template <class Fits>
std::optional<Paths> into(const Paths& paths, Fits fits) {
  Paths out;
  for (const auto& path : paths) {
    if (!fits(path.front())) continue;
    if (path.size() == 1) return std::nullopt;
    out.push_back(path.subspan(1));
  }
  return out;
}

}  // namespace

std::optional<DropPath> drop_path(std::string_view text) {
  DropPath out;
  while (out.size() < kParts) {
    const auto end = text.find_first_of(".[]");
    const auto name = text.substr(0, end);
    if (name.empty()) return std::nullopt;
    out.emplace_back(std::string(name));
    if (end == std::string_view::npos) return out;
    text.remove_prefix(end);
    while (text.starts_with('[') && out.size() < kParts) {
      const auto close = text.find(']');
      if (close == std::string_view::npos) return std::nullopt;
      auto part = index_part(text.substr(1, close - 1));
      if (!part) return std::nullopt;
      out.push_back(*std::move(part));
      text.remove_prefix(close + 1);
    }
    if (text.empty()) return out;
    if (!text.starts_with('.')) return std::nullopt;
    text.remove_prefix(1);
  }
  return std::nullopt;
}

void append_without(std::string& out, json::Value value, const Paths& paths) {
  if (paths.empty()) {
    out += value.raw();
    return;
  }
  bool first = true;
  const auto comma = [&] {
    if (!std::exchange(first, false)) out += ',';
  };
  if (value.is(json::Kind::object)) {
    out += '{';
    for (const auto& member : value.members()) {
      const auto left = into(paths, [&](const DropPart& part) {
        const auto* const name = std::get_if<std::string>(&part);
        return name && member.is(*name);
      });
      if (!left) continue;
      comma();
      out.append(member.raw_key()).append(":");
      append_without(out, member.value, *left);
    }
    out += '}';
  } else if (value.is(json::Kind::array)) {
    out += '[';
    std::size_t index = 0;
    for (const auto element : value.elements()) {
      const auto left = into(paths, [&](const DropPart& part) {
        const auto* const wanted = std::get_if<std::size_t>(&part);
        return std::holds_alternative<std::monostate>(part) || (wanted && *wanted == index);
      });
      ++index;
      if (!left) continue;
      comma();
      append_without(out, element, *left);
    }
    out += ']';
  } else {
    out += value.raw();
  }
}

}  // namespace sallyport::llm
