#include "sallyport/llm/step_body.hpp"

#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "drop_path.hpp"

namespace sallyport::llm {
namespace {

/// The members of a raw object; none of an empty text.
class Members {
 public:
  explicit Members(const std::string& object) {
    if (object.empty()) return;
    // What the config was checked to hold is JSON.
    if (auto document = json::Document::parse(object)) document_ = *std::move(document);
  }
  json::Value::Members all() const {
    return document_ ? document_->root().members() : json::Value::Members{};
  }
  std::optional<json::Value> find(std::string_view key) const {
    return document_ ? document_->root().find(key) : std::nullopt;
  }

 private:
  std::optional<json::Document> document_;
};

void append(std::string& out, const json::Value::Member& member, std::string_view value) {
  if (out.size() > 1) out += ',';
  out.append(member.raw_key()).append(":").append(value);
}

std::string laid_over(json::Value body, const Step& step) {
  const Members overrides(step.override_params), defaults(step.default_params);
  std::string out = "{";
  for (const auto& member : body.members()) {
    const auto instead = overrides.find(member.key());
    append(out, member, instead ? instead->raw() : member.value.raw());
  }
  for (const auto& member : overrides.all()) {
    if (!body.find(member.key())) append(out, member, member.value.raw());
  }
  for (const auto& member : defaults.all()) {
    const std::string key = member.key();
    if (!body.find(key) && !overrides.find(key)) append(out, member, member.value.raw());
  }
  return out + "}";
}

std::string without(json::Value body, const std::vector<std::string>& drops) {
  std::vector<DropPath> paths;
  for (const auto& text : drops) {
    if (auto path = drop_path(text)) paths.push_back(*std::move(path));
  }
  const std::vector<std::span<const DropPart>> views(paths.begin(), paths.end());
  std::string out;
  append_without(out, body, views);
  return out;
}

}  // namespace

bool changes_body(const Step& step) {
  return !step.override_params.empty() || !step.default_params.empty() || !step.drop_params.empty();
}

std::string step_body(json::Value body, const Step& step) {
  if (!body.is(json::Kind::object) || !changes_body(step)) return std::string(body.raw());
  std::string laid = step.override_params.empty() && step.default_params.empty() ? std::string(body.raw())
                                                                                 : laid_over(body, step);
  if (step.drop_params.empty()) return laid;
  const auto document = json::Document::parse(laid);
  // A body may lawfully be as deep as the door lets through, and no deeper.
  return document ? without(document->root(), step.drop_params) : laid;
}

}  // namespace sallyport::llm
