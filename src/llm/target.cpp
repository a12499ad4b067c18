#include "target.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "sallyport/core/crypto.hpp"
#include "sallyport/core/limits.hpp"
#include "source.hpp"

namespace sallyport::llm {
namespace {

struct Names {
  std::string_view chat, responses, messages;
};
constexpr std::array kNames{
    Names{"max_completion_tokens", "max_output_tokens", "max_tokens"},
    Names{"temperature", "temperature", "temperature"},
    Names{"top_p", "top_p", "top_p"},
    Names{"top_k", "top_k", "top_k"},
    Names{"stop", "stop", "stop_sequences"},
    Names{"reasoning_effort", "reasoning", "thinking"},
    Names{"response_format", "text.format", "output_config.format"},
    Names{"verbosity", "text.verbosity", "verbosity"},
    Names{"user", "user", "metadata.user_id"},
    Names{"tools[].custom.format", "tools[].format", "tools[].format"},
};

void add_once(std::vector<std::string>& names, std::string name) {
  if (names.size() < limits::kFieldsTold && std::ranges::find(names, name) == names.end())
    names.push_back(std::move(name));
}

}  // namespace

Rendering::Rendering(const Request& request, const Target& target, Wire to)
    : request_(request), target_(target) {
  using Weight = Field::Weight;
  for (const auto& field : request.fields) {
    const bool hosted = field.weight == Weight::hosted;
    if (field.weight == Weight::essential || (hosted && !target.lenient))
      refuse(field.name);
    else if (hosted || field.weight == Weight::advisory || to == Wire::messages)
      drop(field.name);
  }
}

std::string_view Rendering::name_of(Wish wish) const {
  const auto& names = kNames[static_cast<std::size_t>(wish)];
  switch (request_.from) {
    case Wire::chat:
      return names.chat;
    case Wire::responses:
      return names.responses;
    case Wire::messages:
      return names.messages;
  }
  return names.chat;
}

void Rendering::drop(std::string_view where) { add_once(dropped_, general(where)); }
void Rendering::refuse(std::string_view where) { add_once(refused_, general(where)); }

void Rendering::fail(std::string hint) {
  if (!failure_) failure_ = std::move(client_error(Code::bad_request, std::move(hint)).error());
}

std::optional<Error> Rendering::refusal() const {
  if (refused_.empty()) return failure_;
  return std::move(
      client_error(Code::bad_request,
                   fmt::format("unsupported_by_target: {}: the provider behind this model has no "
                               "place for it; leave it out or choose another model",
                               fmt::join(refused_, ", ")))
          .error());
}

std::optional<std::int64_t> Rendering::max_output() const {
  if (!request_.max_output || target_.max_output <= 0) return request_.max_output;
  return std::min(*request_.max_output, target_.max_output);
}

void Rendering::write_openai_sampling(json::ObjectWriter& body) {
  const auto write = [&](const char* key, const std::string& value, Wish wish) {
    if (value.empty()) return;
    if (target_.sampling) return body.add(key, value);
    drop(wish);
  };
  write("temperature", request_.temperature, Wish::temperature);
  write("top_p", request_.top_p, Wish::top_p);
  if (!request_.top_k.empty()) drop(Wish::top_k);
}

void Rendering::copy_openai_fields(json::ObjectWriter& body) const {
  for (const auto& field : request_.fields) {
    if (field.weight == Field::Weight::openai && field.name != "store") body.add(field.name, field.raw);
  }
}

bool Rendering::takes(const Part& thought, Wire to) {
  if (thought.origin == to && !thought.raw.empty()) return true;
  drop(thought.where);
  return false;
}

std::string Rendering::arguments_of(const Part& call) {
  if (call.custom) {
    json::ObjectWriter object(call.arguments.size() + 16);
    object.add_text("input", call.arguments);
    return std::move(object).take();
  }
  if (call.arguments.find_first_not_of(" \t\r\n") == std::string::npos) return "{}";
  const auto document = json::Document::parse(call.arguments, json::kUpstream);
  if (document && document->root().is(json::Kind::object)) return std::string(document->root().raw());
  fail(
      fmt::format("{}: the arguments of the call {} are no JSON object; mend them, or leave the call and its "
                  "result out",
                  call.where, json::quote(std::string_view(call.name).substr(0, limits::kFieldName))));
  return "{}";
}

std::string flat_name(std::string_view space, std::string_view name) {
  return space.empty() ? std::string(name) : fmt::format("{}__{}", space, name);
}

std::string custom_schema(const Tool& tool) {
  json::ObjectWriter input;
  input.add("type", R"("string")");
  input.add_text("description", tool.grammar.empty() ? "The whole input of the tool, as plain text."
                                                     : "The whole input of the tool, as plain text in the "
                                                       "form that the tool's description asks for.");
  json::ObjectWriter out;
  out.add("type", R"("object")");
  json::ObjectWriter properties;
  properties.add("input", std::move(input).take());
  out.add("properties", std::move(properties).take());
  out.add("required", R"(["input"])");
  out.add("additionalProperties", "false");
  return std::move(out).take();
}

std::optional<std::string> custom_input(std::string_view arguments) {
  const auto document = json::Document::parse(std::string(arguments), json::kUpstream);
  if (!document || document->root().size() != 1) return std::nullopt;
  const auto input = document->root().find("input");
  return input ? input->string() : std::nullopt;
}

const Tool* tool_called(const Request* request, std::string_view name) {
  if (!request) return nullptr;
  for (const auto& tool : request->tools) {
    if (tool.space.empty() ? tool.name == name : flat_name(tool.space, tool.name) == name) return &tool;
  }
  return nullptr;
}

std::string effort_of(const Reasoning& reasoning) {
  if (!reasoning.effort.empty() || reasoning.budget == 0) return reasoning.effort;
  if (reasoning.budget <= 2048) return "low";
  return reasoning.budget <= 8192 ? "medium" : "high";
}

std::string short_user(const std::string& user) {
  constexpr std::size_t kMost = 64;  // bytes; as many as the digest has
  return user.size() <= kMost ? user : sha256_hex(user);
}

std::string data_url(const Part& part) {
  return fmt::format("data:{};base64,{}",
                     part.media_type.empty() ? std::string_view("application/octet-stream") : part.media_type,
                     part.data);
}

std::optional<std::string> plain_text(const std::vector<Part>& parts) {
  std::string out;
  for (const auto& part : parts) {
    if (part.kind != Part::Kind::text && part.kind != Part::Kind::refusal) return std::nullopt;
    if (!out.empty()) out += "\n\n";
    out += part.text;
  }
  return out;
}

}  // namespace sallyport::llm
