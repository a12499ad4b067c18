/// Chat completions requests, as read.

#include <algorithm>
#include <iterator>

#include "sallyport/json/object_writer.hpp"
#include "source.hpp"
#include "thought.hpp"

namespace sallyport::llm {
namespace {

using Weight = Field::Weight;

// A thought of another wire that we carried, or what this wire's providers hand out themselves.
void read_thinking(Source& message, std::vector<Part>& parts) {
  const auto content = message.text("reasoning_content");
  const auto reasoning = message.text("reasoning");
  const auto details = message.array("reasoning_details");
  json::ArrayWriter own;
  bool carried = false;
  if (details) {
    for (const auto detail : details->elements()) {
      const auto data = detail.find("data");
      const auto text = data ? data->string().value_or("") : std::string{};
      if (!is_carried(text)) {
        own.add(detail.raw());
        continue;
      }
      carried = true;
      auto thought = uncarry(text);
      if (!thought) continue;
      parts.push_back({.kind = Part::Kind::thinking,
                       .text = std::move(thought->text),
                       .origin = thought->origin,
                       .raw = std::move(thought->raw),
                       .where = message.place("reasoning_details")});
    }
  }
  // Beside what we carried the readable text says the same once more.
  if (carried || (content.empty() && reasoning.empty() && own.empty())) return;
  json::ObjectWriter raw;
  if (!content.empty()) raw.add_text("reasoning_content", content);
  if (!reasoning.empty()) raw.add_text("reasoning", reasoning);
  const char* const place = !content.empty()     ? "reasoning_content"
                            : !reasoning.empty() ? "reasoning"
                                                 : "reasoning_details";
  if (!own.empty()) raw.add("reasoning_details", std::move(own).take());
  parts.push_back({.kind = Part::Kind::thinking,
                   .text = content.empty() ? reasoning : content,
                   .origin = Wire::chat,
                   .raw = std::move(raw).take(),
                   .where = message.place(place)});
}

void read_image(Source& source, Part& part) {
  part.kind = Part::Kind::image;
  const auto image = source.take("image_url");
  if (!image) return source.reading().refuse(source.place("image_url"), "is missing");
  if (const auto url = image->string()) return set_url(part, *url);
  Source inner(*image, source.place("image_url"), source.reading());
  set_url(part, inner.need_text("url"));
  part.detail = inner.text("detail");
  inner.rest();
}

void read_file(Source& source, Part& part) {
  part.kind = Part::Kind::file;
  const auto file = source.take("file");
  if (!file) return source.reading().refuse(source.place("file"), "is missing");
  Source inner(*file, source.place("file"), source.reading());
  part.file_id = inner.text("file_id");
  part.filename = inner.text("filename");
  if (auto data = inner.text("file_data"); !data.empty()) set_url(part, std::move(data));
  if (!part.url.empty() && !part.url.starts_with("data:")) part.data = std::move(part.url), part.url.clear();
  inner.rest();
}

void read_audio(Source& source, Part& part) {
  part.kind = Part::Kind::audio;
  const auto audio = source.take("input_audio");
  if (!audio) return source.reading().refuse(source.place("input_audio"), "is missing");
  Source inner(*audio, source.place("input_audio"), source.reading());
  part.data = inner.need_text("data");
  part.media_type = inner.text("format");
  inner.rest();
}

void read_part(json::Value value, const std::string& where, Reading& reading, std::vector<Part>& parts) {
  Source source(value, where, reading);
  const auto type = source.need_text("type");
  Part part{.where = source.place("type:" + type)};
  if (type == "text") {
    part.text = source.need_text("text");
  } else if (type == "refusal") {
    part.kind = Part::Kind::refusal;
    part.text = source.need_text("refusal");
  } else if (type == "image_url") {
    read_image(source, part);
  } else if (type == "file") {
    read_file(source, part);
  } else if (type == "input_audio") {
    read_audio(source, part);
  } else {
    return reading.note(source.place("type:" + type), Weight::essential);
  }
  source.rest();
  parts.push_back(std::move(part));
}

void read_content(Source& message, std::vector<Part>& parts) {
  const auto content = message.take("content");
  if (!content) return;
  const auto where = message.place("content");
  if (auto text = content->string()) {
    if (!text->empty()) parts.push_back({.text = *std::move(text), .where = where});
    return;
  }
  if (!content->is(json::Kind::array))
    return message.reading().refuse(where, "must be a string or an array of parts");
  std::size_t i = 0;
  for (const auto part : content->elements()) read_part(part, at(where, i++), message.reading(), parts);
}

void read_call(json::Value value, const std::string& where, Reading& reading, std::vector<Part>& parts) {
  Source call(value, where, reading);
  Part part{.kind = Part::Kind::tool_call, .id = call.need_text("id"), .where = where};
  part.custom = call.text("type") == "custom";
  const char* const name = part.custom ? "custom" : "function";
  const auto object = call.take(name);
  if (!object) return reading.refuse(call.place(name), "is missing");
  Source inner(*object, call.place(name), reading);
  part.name = inner.need_text("name");
  part.arguments = inner.text(part.custom ? "input" : "arguments");
  inner.rest();
  if (part.custom) reading.custom_calls.insert(part.id);
  call.ignore({"index"});
  call.rest();
  parts.push_back(std::move(part));
}

void read_assistant(Source& message, Item& item) {
  item.role = Item::Role::assistant;
  read_thinking(message, item.parts);
  read_content(message, item.parts);
  if (auto refusal = message.text("refusal"); !refusal.empty())
    item.parts.push_back({.kind = Part::Kind::refusal, .text = std::move(refusal)});
  if (const auto calls = message.array("tool_calls")) {
    std::size_t i = 0;
    for (const auto call : calls->elements())
      read_call(call, at(message.place("tool_calls"), i++), message.reading(), item.parts);
  }
  message.note("audio", Weight::essential);
  message.note("function_call", Weight::essential);
  message.ignore({"annotations"});
}

void read_message(json::Value value, const std::string& where, Reading& reading) {
  Source message(value, where, reading);
  const auto role = message.need_text("role");
  Item item;
  if (role == "system" || role == "developer") {
    item.role = Item::Role::system;
    item.developer = role == "developer";
    read_content(message, item.parts);
  } else if (role == "user") {
    read_content(message, item.parts);
  } else if (role == "assistant") {
    read_assistant(message, item);
  } else if (role == "tool") {
    item.role = Item::Role::tool_result;
    item.call_id = message.need_text("tool_call_id");
    item.custom = reading.custom_calls.contains(item.call_id);
    read_content(message, item.parts);
  } else if (role == "function") {
    return reading.note(message.place("role:function"), Weight::essential);
  } else {
    return reading.refuse(message.place("role"), "must be system, developer, user, assistant or tool");
  }
  message.rest();
  reading.request.items.push_back(std::move(item));
}

void read_tool(json::Value value, const std::string& where, Reading& reading) {
  Source source(value, where, reading);
  const auto type = source.need_text("type");
  if (type != "function" && type != "custom")
    return reading.note(source.place("type:" + type), Weight::hosted);
  const auto object = source.take(type);
  if (!object) return reading.refuse(source.place(type), "is missing");
  Source inner(*object, source.place(type), reading);
  Tool tool{.name = inner.need_text("name"), .description = inner.text("description")};
  tool.custom = type == "custom";
  if (!tool.custom) {
    tool.schema = inner.object("parameters");
    tool.strict = inner.flag("strict");
  } else if (const auto format = inner.take("format")) {
    Source form(*format, inner.place("format"), reading);
    if (form.need_text("type") == "grammar") tool.grammar = form.object("grammar");
    form.rest();
  }
  inner.rest();
  source.rest();
  reading.request.tools.push_back(std::move(tool));
}

void read_allowed(Source& source, ToolChoice& choice) {
  const auto object = source.take("allowed_tools");
  if (!object) return source.reading().refuse(source.place("allowed_tools"), "is missing");
  Source inner(*object, source.place("allowed_tools"), source.reading());
  choice.mode = inner.text("mode") == "required" ? ToolChoice::Mode::required : ToolChoice::Mode::automatic;
  const auto tools = inner.array("tools");
  if (!tools) return;
  for (const auto tool : tools->elements()) {
    const auto type = tool.find("type");
    const auto named = type ? tool.find(type->string().value_or("")) : std::nullopt;
    const auto name = named ? named->find("name") : std::nullopt;
    if (!name || !name->is(json::Kind::string))
      return source.reading().refuse(inner.place("tools"), "each needs a type and a name");
    choice.allowed.push_back(*name->string());
  }
}

void read_choice(Source& body) {
  const auto value = body.take("tool_choice");
  if (!value) return;
  auto& choice = body.reading().request.choice;
  const auto where = body.place("tool_choice");
  if (const auto word = value->string()) {
    if (*word == "auto")
      choice.mode = ToolChoice::Mode::automatic;
    else if (*word == "none")
      choice.mode = ToolChoice::Mode::none;
    else if (*word == "required")
      choice.mode = ToolChoice::Mode::required;
    else
      body.reading().refuse(where, "must be auto, none, required or an object");
    return;
  }
  Source source(*value, where, body.reading());
  const auto type = source.need_text("type");
  if (type == "allowed_tools") return read_allowed(source, choice);
  if (type != "function" && type != "custom")
    return body.reading().note(source.place("type:" + type), Weight::essential);
  const auto object = source.take(type);
  if (!object) return body.reading().refuse(source.place(type), "is missing");
  Source inner(*object, source.place(type), body.reading());
  choice.mode = ToolChoice::Mode::named;
  choice.custom = type == "custom";
  choice.name = inner.need_text("name");
}

void read_format(Source& body) {
  const auto value = body.take("response_format");
  if (!value) return;
  auto& format = body.reading().request.format;
  Source source(*value, body.place("response_format"), body.reading());
  const auto type = source.need_text("type");
  if (type == "json_object") format.kind = OutputFormat::Kind::json;
  if (type == "text" || type == "json_object") return source.rest();
  if (type != "json_schema") return body.reading().note(source.place("type:" + type), Weight::essential);
  const auto object = source.take("json_schema");
  if (!object) return body.reading().refuse(source.place("json_schema"), "is missing");
  Source inner(*object, source.place("json_schema"), body.reading());
  format = {.kind = OutputFormat::Kind::schema,
            .name = inner.need_text("name"),
            .description = inner.text("description"),
            .schema = inner.object("schema"),
            .strict = inner.flag("strict")};
  inner.rest();
}

void read_limits(Source& body) {
  auto& request = body.reading().request;
  request.max_output = body.integer("max_completion_tokens");
  const auto older = body.integer("max_tokens");
  if (!request.max_output) request.max_output = older;
  request.temperature = body.number("temperature");
  request.top_p = body.number("top_p");
  request.top_k = body.number("top_k");  // not OpenAI's, but many providers of this wire have it
  if (const auto stop = body.take("stop")) {
    if (auto one = stop->string()) request.stop.push_back(*std::move(one));
    for (const auto each : stop->elements()) {
      auto text = each.string();
      if (!text) return body.reading().refuse("stop", "must be a string or an array of strings");
      request.stop.push_back(*std::move(text));
    }
  }
  request.reasoning.effort = body.text("reasoning_effort");
  request.reasoning.asked = !request.reasoning.effort.empty() && request.reasoning.effort != "none";
  request.reasoning.disabled = request.reasoning.effort == "none";
  request.reasoning.summary = request.reasoning.asked;
}

// What has no member of its own, and how much it matters.
void note_others(Source& body) {
  if (body.integer("n").value_or(1) > 1) body.reading().note("n", Weight::essential);
  if (body.flag("logprobs").value_or(false)) body.reading().note("logprobs", Weight::essential);
  if (body.integer("top_logprobs").value_or(0) > 0) body.reading().note("top_logprobs", Weight::essential);
  if (const auto modes = body.array("modalities")) {
    for (const auto mode : modes->elements()) {
      if (mode.string() != "text") body.reading().note("modalities", Weight::essential);
    }
  }
  for (const auto name : {"audio", "web_search_options", "functions", "function_call"})
    body.note(name, Weight::essential);
  for (const auto name : {"metadata", "service_tier", "prompt_cache_key", "prompt_cache_retention",
                          "prompt_cache_options", "moderation"})
    body.note(name, Weight::openai);
  if (const auto store = body.flag("store"); store && *store) body.note("store", Weight::openai);
  if (const auto options = body.take("stream_options")) {
    Source inner(*options, "stream_options", body.reading());
    inner.ignore({"include_usage", "include_obfuscation"});
    inner.rest();
  }
}

}  // namespace

void read_chat(json::Value value, Reading& reading) {
  Source body(value, "", reading);
  auto& request = reading.request;
  request.model = body.need_text("model");
  request.stream = body.flag("stream").value_or(false);
  const auto messages = body.array("messages");
  if (!messages) return reading.refuse("messages", "is missing");
  std::size_t i = 0;
  for (const auto message : messages->elements()) read_message(message, at("messages", i++), reading);
  read_tools(body.array("tools"), "tools", reading,
             [&](json::Value tool, const std::string& where) { read_tool(tool, where, reading); });
  read_choice(body);
  request.parallel = body.flag("parallel_tool_calls");
  read_limits(body);
  read_format(body);
  request.verbosity = body.text("verbosity");
  const auto older = body.text("user");
  request.user = body.text("safety_identifier");
  if (request.user.empty()) request.user = older;
  note_others(body);
  body.rest();
}

}  // namespace sallyport::llm
