#include "sallyport/llm/envelope.hpp"

#include <algorithm>
#include <optional>

#include "sallyport/json/object_writer.hpp"
#include "thought.hpp"

namespace sallyport::llm {
namespace {

using Member = json::Value::Member;

std::optional<json::Value> said(const json::Value& object, std::string_view name) {
  auto value = object.find(name);
  if (value && value->is(json::Kind::null)) return std::nullopt;
  return value;
}

std::string text_of(const json::Value& object, std::string_view name) {
  const auto value = object.find(name);
  return value ? value->string().value_or("") : std::string{};
}

bool is_foreign(const json::Value& value, std::string_view name) {
  const auto text = value.find(name);
  return text && text->is(json::Kind::string) && is_carried(text->string().value_or(""));
}

// A block or item that only carries what another wire's provider thought.
bool carries_foreign(const json::Value& value) {
  if (!value.is(json::Kind::object)) return false;
  const auto type = text_of(value, "type");
  if (type == "thinking") return is_foreign(value, "signature");
  if (type == "redacted_thinking") return is_foreign(value, "data");
  return (type == "reasoning" && is_foreign(value, "encrypted_content")) ||
         (type == "reasoning.encrypted" && is_foreign(value, "data"));
}

void append_own(std::string& out, const json::Value& value);

std::string own_elements(const json::Value& array) {
  json::ArrayWriter out;
  for (const auto element : array.elements()) {
    if (!carries_foreign(element)) append_own(out.begin(), element);
  }
  return std::move(out).take();
}

// A message of chat has its readable thinking beside what carries it: where that is foreign, so is the text.
bool thinks_foreign(const json::Value& object) {
  const auto details = object.find("reasoning_details");
  if (!details || !details->is(json::Kind::array)) return false;
  for (const auto detail : details->elements()) {
    if (carries_foreign(detail)) return true;
  }
  return false;
}

std::string own_members(const json::Value& object) {
  json::ObjectWriter out(object.raw().size());
  const bool foreign = thinks_foreign(object);
  for (const auto& member : object.members()) {
    if (foreign && (member.is("reasoning_content") || member.is("reasoning"))) continue;
    if (!foreign || !member.is("reasoning_details")) {
      append_own(out.begin_raw(member.raw_key()), member.value);
    } else if (const auto own = own_elements(member.value); own != "[]") {
      out.begin_raw(member.raw_key()) += own;
    }
  }
  return std::move(out).take();
}

void append_own(std::string& out, const json::Value& value) {
  if (value.raw().find(kThoughtMark) == std::string_view::npos) {
    out += value.raw();
  } else if (value.is(json::Kind::array)) {
    out += own_elements(value);
  } else if (value.is(json::Kind::object)) {
    out += own_members(value);
  } else {
    out += value.raw();
  }
}

std::string with_usage(const std::optional<json::Value>& options) {
  json::ObjectWriter out;
  if (options) {
    for (const auto& member : options->members()) {
      if (!member.is("include_usage")) out.begin_raw(member.raw_key()) += member.value.raw();
    }
  }
  out.add("include_usage", "true");
  return std::move(out).take();
}

// What replaces a member of the body, and which replacements stand in it already.
class Changes {
 public:
  explicit Changes(json::Value body) : body_(body) {}

  void set(std::string_view name, std::string raw) {
    const auto same = std::ranges::find(changes_, name, &Change::name);
    if (same != changes_.end())
      same->raw = std::move(raw);
    else
      changes_.push_back({.name = std::string(name), .raw = std::move(raw)});
  }

  std::string apply() {
    json::ObjectWriter out(body_.raw().size() + 256);
    for (const auto& member : body_.members()) {
      auto& value = out.begin_raw(member.raw_key());
      const auto change = std::ranges::find_if(changes_, [&](const Change& c) { return member.is(c.name); });
      if (change == changes_.end()) {
        append_own(value, member.value);
      } else {
        value += change->raw;
        change->done = true;
      }
    }
    for (const auto& change : changes_) {
      if (!change.done) out.add(change.name, change.raw);
    }
    return std::move(out).take();
  }

 private:
  struct Change {
    std::string name, raw;
    bool done = false;
  };
  json::Value body_;
  std::vector<Change> changes_;
};

}  // namespace

Result<Envelope> read_envelope(Wire wire, json::Value body) {
  if (!body.is(json::Kind::object)) return client_error(Code::bad_request, "body: must be an object");
  Envelope envelope;
  const auto model = body.find("model");
  if (!model || !model->is(json::Kind::string) || model->raw().size() == 2)
    return client_error(Code::bad_request, "model: must be a string that names a model");
  envelope.model = *model->string();
  if (const auto stream = said(body, "stream")) {
    if (!stream->is(json::Kind::boolean))
      return client_error(Code::bad_request, "stream: must be true or false");
    envelope.stream = *stream->boolean();
  }
  if (wire == Wire::messages) {
    const auto metadata = said(body, "metadata");
    if (metadata) envelope.user = text_of(*metadata, "user_id");
    return envelope;
  }
  envelope.user = text_of(body, "safety_identifier");
  if (envelope.user.empty()) envelope.user = text_of(body, "user");
  const auto options = said(body, "stream_options");
  const auto usage = options ? options->find("include_usage") : std::nullopt;
  envelope.wants_usage = wire == Wire::chat && usage && usage->boolean().value_or(false);
  return envelope;
}

bool is_responses_shaped(json::Value body) { return said(body, "input") && !said(body, "messages"); }

std::string rewrite(json::Value body, const Rewrite& rewrite) {
  Changes changes(body);
  if (!rewrite.overrides.empty()) {
    const auto overrides = json::Document::parse(rewrite.overrides);
    if (overrides) {
      for (const auto& member : overrides->root().members())
        changes.set(member.key(), std::string(member.value.raw()));
    }
  }
  if (!rewrite.model.empty()) changes.set("model", json::quote(rewrite.model));
  if (rewrite.ask_usage) changes.set("stream_options", with_usage(said(body, "stream_options")));
  return changes.apply();
}

}  // namespace sallyport::llm
