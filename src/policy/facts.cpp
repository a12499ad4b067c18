#include <deque>
#include <vector>

#include "cel_value.hpp"
#include "sallyport/policy/expression.hpp"

namespace sallyport::policy {

/// Owns what its entries borrow; what a name stood for before it was set again stays until the end.
struct Facts::Impl {
  std::vector<cel::Entry> entries;
  std::deque<std::string> strings;
  std::deque<std::vector<cel::Value>> lists;
  std::deque<json::Document> documents;
  std::deque<Facts> maps;

  std::string_view keep(std::string_view text) { return strings.emplace_back(text); }
  void set(std::string_view name, const cel::Value& value) {
    for (auto& entry : entries)
      if (*entry.key.as<std::string_view>() == name) {
        entry.value = value;
        return;
      }
    entries.push_back({keep(name), value});
  }
};

Facts::Facts() : impl_(std::make_unique<Impl>()) {}
Facts::Facts(Facts&&) noexcept = default;
Facts& Facts::operator=(Facts&&) noexcept = default;
Facts::~Facts() = default;

cel::Value Facts::value_of(const Facts& facts) {
  return cel::Map{facts.impl_->entries.data(), facts.impl_->entries.size()};
}

Facts& Facts::text(std::string_view name, std::string_view value) {
  impl_->set(name, impl_->keep(value));
  return *this;
}

Facts& Facts::texts(std::string_view name, std::span<const std::string> values) {
  auto& list = impl_->lists.emplace_back();
  for (const auto& value : values) list.emplace_back(impl_->keep(value));
  impl_->set(name, cel::List{list.data(), list.size()});
  return *this;
}

Facts& Facts::flag(std::string_view name, bool value) {
  impl_->set(name, value);
  return *this;
}

Facts& Facts::integer(std::string_view name, std::int64_t value) {
  impl_->set(name, value);
  return *this;
}

Facts& Facts::time(std::string_view name, SystemTime value) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(value);
  const auto nanos = std::chrono::nanoseconds(value - seconds).count();
  impl_->set(name, cel::Timestamp{seconds.time_since_epoch().count(), static_cast<std::int32_t>(nanos)});
  return *this;
}

Facts& Facts::facts(std::string_view name, Facts value) {
  impl_->set(name, value_of(impl_->maps.emplace_back(std::move(value))));
  return *this;
}

Result<void> Facts::json(std::string_view name, std::string text) {
  auto document = json::Document::parse(std::move(text));
  if (!document) return Failure(std::move(document).error());
  cel::Workspace workspace;
  auto value = cel::from_json(impl_->documents.emplace_back(*std::move(document)).root(), workspace);
  // A text with escapes was decoded into the workspace, which ends here.
  if (const auto* decoded = value.as<std::string_view>()) value = impl_->keep(*decoded);
  impl_->set(name, value);
  return {};
}

}  // namespace sallyport::policy
