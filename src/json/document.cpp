#include "sallyport/json/document.hpp"

#include <charconv>
#include <cmath>
#include <cstdlib>

#include "tape.hpp"

namespace sallyport::json {

std::string Tape::text(std::uint32_t at) const {
  if (!escaped(at)) return std::string(inner(at));
  std::string out;
  append_decoded(out, inner(at));
  return out;
}

Kind Value::kind() const {
  switch (tape_->first(at_)) {
    case '{':
      return Kind::object;
    case '[':
      return Kind::array;
    case '"':
      return Kind::string;
    case 't':
    case 'f':
      return Kind::boolean;
    case 'n':
      return Kind::null;
    default:
      return Kind::number;
  }
}

std::string_view Value::raw() const { return tape_->raw(at_); }

std::optional<std::string> Value::string() const {
  if (!is(Kind::string)) return std::nullopt;
  return tape_->text(at_);
}

std::optional<std::string_view> Value::plain() const {
  if (!is(Kind::string) || tape_->escaped(at_)) return std::nullopt;
  return tape_->inner(at_);
}

std::optional<std::int64_t> Value::integer() const {
  if (!is(Kind::number)) return std::nullopt;
  const auto text = raw();
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<double> Value::number() const {
  if (!is(Kind::number)) return std::nullopt;
  const auto text = raw();
  double value = 0;
  if (std::from_chars(text.data(), text.data() + text.size(), value).ec == std::errc{}) return value;
  // Out of range may mean too small as well, which rounds to zero or a subnormal.
  value = std::strtod(std::string(text).c_str(), nullptr);
  if (!std::isfinite(value)) return std::nullopt;
  return value;
}

std::optional<bool> Value::boolean() const {
  if (!is(Kind::boolean)) return std::nullopt;
  return tape_->first(at_) == 't';
}

std::optional<Value> Value::find(std::string_view key) const {
  if (!is(Kind::object)) return std::nullopt;
  std::optional<Value> found;
  const std::uint32_t last = tape_->after(at_);
  for (std::uint32_t at = at_ + 2; at != last; at = tape_->after(at + 1)) {
    if (!tape_->has_text(at, key)) continue;
    found = Value(tape_, at + 1);
    if (tape_->unique_keys) break;
  }
  return found;
}

std::size_t Value::size() const { return tape_->container(at_) ? tape_->slots[at_ + 1].b : 0; }

Value::Members Value::members() const {
  Members members;
  if (!is(Kind::object)) return members;
  members.tape_ = tape_;
  members.first_ = at_ + 2;
  members.last_ = tape_->after(at_);
  return members;
}

Value::Elements Value::elements() const {
  Elements elements;
  if (!is(Kind::array)) return elements;
  elements.tape_ = tape_;
  elements.first_ = at_ + 2;
  elements.last_ = tape_->after(at_);
  return elements;
}

Value::Member Value::Members::Iterator::operator*() const {
  return {Value(tape_, at_), Value(tape_, at_ + 1)};
}

Value::Members::Iterator& Value::Members::Iterator::operator++() {
  at_ = tape_->after(at_ + 1);
  return *this;
}

Value Value::Elements::Iterator::operator*() const { return {tape_, at_}; }

Value::Elements::Iterator& Value::Elements::Iterator::operator++() {
  at_ = tape_->after(at_);
  return *this;
}

std::string Value::Member::key() const { return key_.tape_->text(key_.at_); }
std::optional<std::string_view> Value::Member::plain_key() const { return key_.plain(); }
std::string_view Value::Member::raw_key() const { return key_.raw(); }
bool Value::Member::is(std::string_view name) const { return key_.tape_->has_text(key_.at_, name); }

Document::Document() : tape_(std::make_unique<Tape>()) {}
Document::Document(Document&&) noexcept = default;
Document& Document::operator=(Document&&) noexcept = default;
Document::~Document() = default;

Result<Document> Document::parse(std::string bytes, Rules rules) {
  Document document;
  document.tape_->bytes = std::move(bytes);
  document.tape_->unique_keys = rules.unique_keys;
  if (auto scanned = scan(*document.tape_, rules); !scanned)
    return std::unexpected(std::move(scanned.error()));
  return document;
}

Value Document::root() const { return {tape_.get(), 0}; }
std::size_t Document::index_bytes() const { return std::size_t{tape_->slots.size()} * sizeof(Slot); }
const std::string& Document::bytes() const { return tape_->bytes; }

}  // namespace sallyport::json
