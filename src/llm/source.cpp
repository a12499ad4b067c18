#include "source.hpp"

#include <fmt/core.h>

#include <algorithm>

#include "sallyport/core/bytes.hpp"
#include "sallyport/core/limits.hpp"

namespace sallyport::llm {

void Reading::refuse(std::string_view where, std::string_view what) {
  if (error) return;
  auto failure = client_error(Code::bad_request, fmt::format("{}: {}", where.empty() ? "body" : where, what));
  error = std::move(failure.error());
}

void Reading::note(std::string_view where, Field::Weight weight, std::string raw) {
  auto& fields = request.fields;
  // Beyond the bound only what changes the answer is worth a line.
  const bool essential = weight == Field::Weight::essential;
  if (fields.size() >= (essential ? 2 : 1) * limits::kFieldsTold) return;
  auto name = general(where);
  const auto same = std::ranges::find(fields, name, &Field::name);
  if (same != fields.end()) {
    // What is refused must not hide behind what is only dropped.
    if (essential) same->weight = weight;
    return;
  }
  fields.push_back({.name = std::move(name), .raw = std::move(raw), .weight = weight});
}

std::string general(std::string_view where) {
  std::string out;
  bool inside = false;
  for (const char c : where) {
    if (out.size() >= limits::kFieldName) break;
    if (c == ']') inside = false;
    if (inside && c >= '0' && c <= '9') continue;
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string_view("_-.[]:$").find(c) != std::string_view::npos;
    out += plain ? c : '?';
    if (c == '[') inside = true;
  }
  return out.empty() ? "?" : out;
}

std::string at(std::string_view where, std::size_t index) { return fmt::format("{}[{}]", where, index); }

Source::Source(json::Value value, std::string where, Reading& reading)
    : value_(value), where_(std::move(where)), reading_(&reading), good_(value.is(json::Kind::object)) {
  if (!good_) reading.refuse(where_, "must be an object");
}

std::string Source::place(std::string_view name) const {
  return where_.empty() ? std::string(name) : fmt::format("{}.{}", where_, name);
}

std::optional<json::Value> Source::take(std::string_view name) {
  known_.push_back(name);
  auto found = value_.find(name);
  if (found && found->is(json::Kind::null)) return std::nullopt;
  return found;
}

std::optional<json::Value> Source::take_kind(std::string_view name, json::Kind kind, std::string_view what) {
  auto found = take(name);
  if (!found || found->is(kind)) return found;
  reading_->refuse(place(name), what);
  return std::nullopt;
}

std::string Source::text(std::string_view name) {
  const auto found = take_kind(name, json::Kind::string, "must be a string");
  return found ? found->string().value_or("") : std::string{};
}

std::string Source::need_text(std::string_view name) {
  if (good_ && !value_.find(name)) reading_->refuse(place(name), "is missing");
  return text(name);
}

std::optional<std::int64_t> Source::integer(std::string_view name) {
  const auto found = take_kind(name, json::Kind::number, "must be an integer");
  if (!found) return std::nullopt;
  const auto value = found->integer();
  if (!value) reading_->refuse(place(name), "must be an integer");
  return value;
}

std::optional<bool> Source::flag(std::string_view name) {
  const auto found = take_kind(name, json::Kind::boolean, "must be true or false");
  return found ? found->boolean() : std::nullopt;
}

std::string Source::number(std::string_view name) {
  const auto found = take_kind(name, json::Kind::number, "must be a number");
  return found ? std::string(found->raw()) : std::string{};
}

std::string Source::object(std::string_view name) {
  const auto found = take_kind(name, json::Kind::object, "must be an object");
  return found ? std::string(found->raw()) : std::string{};
}

std::optional<json::Value> Source::array(std::string_view name) {
  return take_kind(name, json::Kind::array, "must be an array");
}

void Source::ignore(std::initializer_list<std::string_view> names) {
  known_.insert(known_.end(), names.begin(), names.end());
}

void Source::note(std::string_view name, Field::Weight weight) {
  if (const auto found = take(name)) reading_->note(place(name), weight, std::string(found->raw()));
}

void Source::rest() {
  for (const auto& member : value_.members()) {
    const bool known = std::ranges::any_of(known_, [&](std::string_view name) { return member.is(name); });
    if (known || member.value.is(json::Kind::null)) continue;
    reading_->note(place(member.key()), Field::Weight::advisory);
  }
}

void set_url(Part& part, std::string url) {
  if (!lower(std::string_view(url).substr(0, 5)).starts_with("data:")) {
    part.url = std::move(url);
    return;
  }
  const auto comma = url.find(',');
  const std::string_view head = std::string_view(url).substr(5, comma == std::string::npos ? 0 : comma - 5);
  if (!lower(head).ends_with(";base64")) {
    part.url = std::move(url);  // left as it is: refused where the target needs base64
    return;
  }
  part.media_type = lower(head.substr(0, head.find(';')));
  url.erase(0, comma + 1);
  part.data = std::move(url);
}

void append_to_assistant(Request& request, Part part) {
  if (request.items.empty() || request.items.back().role != Item::Role::assistant)
    request.items.push_back({.role = Item::Role::assistant});
  request.items.back().parts.push_back(std::move(part));
}

}  // namespace sallyport::llm
