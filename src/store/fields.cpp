#include "fields.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <set>

#include "sallyport/core/bytes.hpp"
#include "sallyport/json/document.hpp"

namespace sallyport::store {
namespace {

/// What is wrong with any text, whatever it is for.
std::string text_problem(std::string_view text) {
  if (!is_utf8(text)) return "is not UTF-8";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x20 && c != '\t' && c != '\n' && c != '\r') || byte == 0x7f)
      return "has a control character in it";
  }
  return {};
}

}  // namespace

std::string shown(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, 40)) {
    const auto byte = static_cast<unsigned char>(c);
    out += byte >= 0x20 && byte < 0x7f ? c : '?';
  }
  if (text.size() > 40) out += "...";
  return out;
}

void Problems::add(int line, int column, std::string what) {
  if (full()) return;
  list_.push_back({file_, line, column, std::move(what)});
  if (full()) list_.back().what += " (more may follow: correct these first)";
}

std::string json_of(const Node& node, Problems& problems) {
  switch (node.kind) {
    case Node::Kind::null:
      return "null";
    case Node::Kind::scalar:
      break;
    case Node::Kind::list: {
      std::string out = "[";
      for (const Node& item : node.items) out += (out.size() > 1 ? "," : "") + json_of(item, problems);
      return out + "]";
    }
    case Node::Kind::map: {
      std::string out = "{";
      std::set<std::string_view> keys;
      for (const auto& entry : node.entries()) {
        if (const std::string wrong = text_problem(entry.key.text); !wrong.empty())
          problems.add(entry.key, "a key " + wrong);
        if (!keys.insert(entry.key.text).second)
          problems.add(entry.key, fmt::format("the key \"{}\" stands twice", shown(entry.key.text)));
        out +=
            (out.size() > 1 ? "," : "") + json::quote(entry.key.text) + ":" + json_of(entry.value, problems);
      }
      return out + "}";
    }
  }
  if (const std::string wrong = text_problem(node.text); !wrong.empty()) {
    problems.add(node, "a text that " + wrong);
    return "null";
  }
  if (!node.plain) return json::quote(node.text);
  const auto parsed = json::Document::parse(node.text);
  if (!parsed || parsed->root().is(json::Kind::string)) return json::quote(node.text);
  if (parsed->root().is(json::Kind::number)) {
    const bool whole = node.text.find_first_of(".eE") == std::string::npos;
    if (whole ? !parsed->root().integer().has_value()
              : !std::isfinite(std::strtod(node.text.c_str(), nullptr)))
      problems.add(node, "a number beyond what programs agree on: write it in quotes");
  }
  return node.text;
}

Fields::Fields(const Node& map, std::string what, Problems& problems)
    : map_(map), what_(std::move(what)), problems_(problems) {
  if (map.kind != Node::Kind::map) {
    problems_.add(map, fmt::format("{} must be a mapping of keys to values", what_));
    return;
  }
  usable_ = true;
  std::set<std::string_view> seen;
  for (const auto& entry : map.entries()) {
    if (entry.key.kind != Node::Kind::scalar) {
      problems_.add(entry.key, fmt::format("a key of {} is not text", what_));
    } else if (!seen.insert(entry.key.text).second) {
      problems_.add(entry.key,
                    fmt::format("key \"{}\" stands twice in {}: keep one", shown(entry.key.text), what_));
    }
  }
}

bool Fields::has(std::string_view key) const {
  return std::ranges::any_of(map_.entries(), [&](const auto& entry) {
    return entry.key.kind == Node::Kind::scalar && entry.key.text == key;
  });
}

bool Fields::list_is_empty(std::string_view key) const {
  return std::ranges::any_of(map_.entries(), [&](const auto& entry) {
    return entry.key.text == key && entry.value.kind == Node::Kind::list && entry.value.items.empty();
  });
}

const Node* Fields::take(std::string_view key, bool required) {
  if (std::ranges::find(asked_, key) == asked_.end()) asked_.push_back(key);
  for (const auto& entry : map_.entries()) {
    if (entry.key.kind == Node::Kind::scalar && entry.key.text == key) return &entry.value;
  }
  if (required) problems_.add(map_, fmt::format("{} needs the key \"{}\"", what_, key));
  return nullptr;
}

std::optional<std::string> Fields::scalar(const Node& node, std::string_view key) {
  if (node.kind == Node::Kind::null) {
    problems_.add(node, fmt::format("\"{}\" has no value: write one, in quotes if it is the word null", key));
    return std::nullopt;
  }
  if (node.kind != Node::Kind::scalar) {
    problems_.add(node, fmt::format("\"{}\" must be text", key));
    return std::nullopt;
  }
  if (const std::string wrong = text_problem(node.text); !wrong.empty()) {
    problems_.add(node, fmt::format("\"{}\" {}", key, wrong));
    return std::nullopt;
  }
  return node.text;
}

std::optional<std::string> Fields::text(std::string_view key, bool required) {
  const Node* node = take(key, required);
  return node ? scalar(*node, key) : std::nullopt;
}

std::string Fields::checked(std::string_view key, const Check& check, bool required, std::string fallback) {
  const Node* node = take(key, required);
  if (!node) return fallback;
  auto text = scalar(*node, key);
  if (!text) return fallback;
  if (const std::string wrong = check(*text); !wrong.empty()) {
    problems_.add(*node, fmt::format("\"{}\" {}", key, wrong));
    return fallback;
  }
  return *text;
}

bool Fields::flag(std::string_view key, bool fallback) {
  const Node* node = take(key);
  if (!node) return fallback;
  if (node->kind == Node::Kind::scalar && node->plain) {
    if (node->text == "true") return true;
    if (node->text == "false") return false;
  }
  problems_.add(*node, fmt::format("\"{}\" must be true or false", key));
  return fallback;
}

std::chrono::milliseconds Fields::duration(std::string_view key, std::chrono::milliseconds fallback,
                                           std::chrono::milliseconds least, std::chrono::milliseconds most) {
  const Node* node = take(key);
  if (!node) return fallback;
  static constexpr std::pair<std::string_view, std::int64_t> kUnits[] = {
      {"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}};
  std::int64_t number = 0;
  const char* begin = node->text.data();
  const char* end = begin + node->text.size();
  const auto [rest, error] = std::from_chars(begin, end, number);
  const std::string_view unit(rest, static_cast<std::size_t>(end - rest));
  const auto* found = std::ranges::find(kUnits, unit, &std::pair<std::string_view, std::int64_t>::first);
  if (node->kind != Node::Kind::scalar || error != std::errc() || number < 0 || *begin == '-' ||
      found == std::end(kUnits)) {
    problems_.add(*node, fmt::format("\"{}\" must be a time with its unit: 500ms, 30s, 5m or 1h", key));
    return fallback;
  }
  if (number > most.count() / found->second || number * found->second < least.count()) {
    problems_.add(*node,
                  fmt::format("\"{}\" must be between {}ms and {}ms", key, least.count(), most.count()));
    return fallback;
  }
  return std::chrono::milliseconds(number * found->second);
}

std::string Fields::json(std::string_view key) {
  const Node* node = take(key);
  return node ? json_of(*node, problems_) : std::string();
}

const std::vector<Node>& Fields::list(std::string_view key, bool required) {
  static const std::vector<Node> kNone;
  const Node* node = take(key, required);
  if (!node) return kNone;
  if (node->kind != Node::Kind::list) {
    problems_.add(*node, fmt::format("\"{}\" must be a list", key));
    return kNone;
  }
  return node->items;
}

std::vector<std::string> Fields::texts(std::string_view key, const Check& each, bool required) {
  std::vector<std::string> out;
  for (const Node& item : list(key, required)) {
    auto text = scalar(item, key);
    if (!text) continue;
    if (const std::string wrong = each(*text); !wrong.empty()) {
      problems_.add(item, fmt::format("an entry of \"{}\" {}", key, wrong));
    } else {
      out.push_back(std::move(*text));
    }
  }
  return out;
}

std::map<std::string, std::string> Fields::text_map(std::string_view key, const Check& name,
                                                    const Check& value) {
  std::map<std::string, std::string> out;
  const Node* node = take(key);
  if (!node) return out;
  const Fields inner(*node, fmt::format("\"{}\"", key), problems_);
  if (!inner.usable()) return out;
  for (const auto& entry : node->entries()) {
    if (entry.key.kind != Node::Kind::scalar) continue;
    if (const std::string wrong = name(entry.key.text); !wrong.empty()) {
      problems_.add(entry.key, fmt::format("\"{}\" in \"{}\" {}", shown(entry.key.text), key, wrong));
      continue;
    }
    auto text = scalar(entry.value, entry.key.text);
    if (!text) continue;
    if (const std::string wrong = value(*text); !wrong.empty()) {
      problems_.add(entry.value, fmt::format("\"{}\" in \"{}\" {}", shown(entry.key.text), key, wrong));
      continue;
    }
    out.emplace(entry.key.text, std::move(*text));
  }
  return out;
}

std::optional<std::ptrdiff_t> Fields::word_index(std::string_view key,
                                                 const std::vector<std::string_view>& names,
                                                 std::initializer_list<std::string_view> later,
                                                 bool required) {
  const Node* node = take(key, required);
  if (!node) return std::nullopt;
  if (node->kind == Node::Kind::scalar) {
    if (const auto found = std::ranges::find(names, node->text); found != names.end())
      return found - names.begin();
    if (std::ranges::find(later, node->text) != later.end()) {
      problems_.add(*node, fmt::format("\"{}: {}\" is not implemented in this version: use {}", key,
                                       node->text, fmt::join(names, ", ")));
      return std::nullopt;
    }
  }
  problems_.add(*node, fmt::format("\"{}\" must be one of {}", key, fmt::join(names, ", ")));
  return std::nullopt;
}

void Fields::problem(std::string_view key, std::string what) {
  for (const auto& entry : map_.entries()) {
    if (entry.key.text == key) return problems_.add(entry.key, std::move(what));
  }
  problems_.add(map_, std::move(what));
}

void Fields::finish(std::initializer_list<std::string_view> later) {
  for (const auto& entry : map_.entries()) {
    if (entry.key.kind != Node::Kind::scalar || std::ranges::find(asked_, entry.key.text) != asked_.end())
      continue;
    if (std::ranges::find(later, entry.key.text) != later.end()) {
      problems_.add(entry.key,
                    fmt::format("\"{}\" is not implemented in this version: remove it", entry.key.text));
    } else {
      problems_.add(entry.key, fmt::format("unknown key \"{}\" in {}: it takes {}", shown(entry.key.text),
                                           what_, fmt::join(asked_, ", ")));
    }
  }
}

}  // namespace sallyport::store
