/// Messages requests, as read.

#include <algorithm>

#include "sallyport/json/object_writer.hpp"
#include "source.hpp"
#include "thought.hpp"

namespace sallyport::llm {
namespace {

using Weight = Field::Weight;

void read_blocks(json::Value content, const std::string& where, Reading& reading, std::vector<Part>& parts);

void read_source(Source& block, Part& part) {
  const auto value = block.take("source");
  if (!value) return block.reading().refuse(block.place("source"), "is missing");
  Source source(*value, block.place("source"), block.reading());
  const auto type = source.need_text("type");
  if (type == "base64") {
    part.media_type = source.need_text("media_type");
    part.data = source.need_text("data");
  } else if (type == "url") {
    part.url = source.need_text("url");
  } else if (type == "file") {
    part.file_id = source.need_text("file_id");
  } else {
    return block.reading().note(source.place("type:" + type), Weight::essential);
  }
  source.rest();
}

// Text as a document is text; the rest is a file.
void read_document(Source& block, std::vector<Part>& parts) {
  const auto value = block.take("source");
  const auto type = value ? value->find("type") : std::nullopt;
  const auto kind = type ? type->string().value_or("") : std::string{};
  const auto where = block.place("source");
  const auto title = block.text("title");
  block.note("context", Weight::advisory);
  if (const auto citations = block.take("citations")) {
    const auto enabled = citations->find("enabled");
    if (enabled && enabled->boolean().value_or(false))
      block.reading().note(block.place("citations"), Weight::advisory);
  }
  if (kind == "text") {
    Source source(*value, where, block.reading());
    source.ignore({"type", "media_type"});
    auto text = source.need_text("data");
    parts.push_back(
        {.text = title.empty() ? std::move(text) : title + "\n\n" + text, .where = block.where()});
    return source.rest();
  }
  if (kind == "content") {
    const auto content = value->find("content");
    if (!content) return block.reading().refuse(where + ".content", "is missing");
    return read_blocks(*content, where + ".content", block.reading(), parts);
  }
  Part part{.kind = Part::Kind::file, .filename = title, .where = block.place("type:document")};
  read_source(block, part);
  parts.push_back(std::move(part));
}

void read_thinking(Source& block, bool redacted, std::vector<Part>& parts) {
  Part part{.kind = Part::Kind::thinking, .origin = Wire::messages, .where = block.place("type:thinking")};
  if (!redacted) part.text = block.text("thinking");
  const auto proof = block.text(redacted ? "data" : "signature");
  if (!is_carried(proof)) {
    part.raw = std::string(block.value().raw());
  } else if (auto thought = uncarry(proof)) {
    part.origin = thought->origin;
    part.raw = std::move(thought->raw);
    part.text = std::move(thought->text);
  }
  block.rest();
  parts.push_back(std::move(part));
}

void read_call(Source& block, std::vector<Part>& parts) {
  Part part{.kind = Part::Kind::tool_call,
            .id = block.need_text("id"),
            .name = block.need_text("name"),
            .where = block.where()};
  part.arguments = block.object("input");
  if (part.arguments.empty()) part.arguments = "{}";
  block.ignore({"caller"});
  block.note("toolset_name", Weight::essential);
  parts.push_back(std::move(part));
}

void read_block(json::Value value, const std::string& where, Reading& reading, std::vector<Part>& parts) {
  Source block(value, where, reading);
  const auto type = block.need_text("type");
  block.note("cache_control", Weight::advisory);
  if (type == "text") {
    parts.push_back({.text = block.need_text("text"), .where = where});
    block.note("citations", Weight::advisory);
  } else if (type == "image") {
    Part part{.kind = Part::Kind::image, .where = block.place("type:image")};
    read_source(block, part);
    parts.push_back(std::move(part));
  } else if (type == "document") {
    read_document(block, parts);
  } else if (type == "thinking" || type == "redacted_thinking") {
    return read_thinking(block, type == "redacted_thinking", parts);
  } else if (type == "tool_use") {
    read_call(block, parts);
  } else {
    return reading.note(block.place("type:" + type), Weight::essential);
  }
  block.rest();
}

void read_blocks(json::Value content, const std::string& where, Reading& reading, std::vector<Part>& parts) {
  if (auto text = content.string()) {
    if (!text->empty()) parts.push_back({.text = *std::move(text), .where = where});
    return;
  }
  if (!content.is(json::Kind::array)) return reading.refuse(where, "must be a string or an array of blocks");
  std::size_t i = 0;
  for (const auto block : content.elements()) read_block(block, at(where, i++), reading, parts);
}

void read_result(json::Value value, const std::string& where, Reading& reading) {
  Source block(value, where, reading);
  Item item{.role = Item::Role::tool_result, .call_id = block.need_text("tool_use_id")};
  item.is_error = block.flag("is_error").value_or(false);
  if (const auto content = block.take("content"))
    read_blocks(*content, block.place("content"), reading, item.parts);
  block.ignore({"type"});
  block.note("cache_control", Weight::advisory);
  block.note("toolset_name", Weight::essential);
  block.rest();
  reading.request.items.push_back(std::move(item));
}

bool is_result(json::Value block) {
  const auto type = block.find("type");
  return type && type->string() == "tool_result";
}

// Results stand among what the user says, and become items of their own, in order.
void read_user(json::Value content, const std::string& where, Reading& reading) {
  if (!content.is(json::Kind::array)) {
    Item item;
    read_blocks(content, where, reading, item.parts);
    reading.request.items.push_back(std::move(item));
    return;
  }
  Item item;
  std::size_t i = 0;
  for (const auto block : content.elements()) {
    const auto place = at(where, i++);
    if (!is_result(block)) {
      read_block(block, place, reading, item.parts);
      continue;
    }
    if (!item.parts.empty()) reading.request.items.push_back(std::exchange(item, {}));
    read_result(block, place, reading);
  }
  if (!item.parts.empty() || content.size() == 0) reading.request.items.push_back(std::move(item));
}

void read_message(json::Value value, const std::string& where, Reading& reading) {
  Source message(value, where, reading);
  const auto role = message.need_text("role");
  const auto content = message.take("content");
  if (!content) return reading.refuse(message.place("content"), "is missing");
  const auto place = message.place("content");
  if (role == "user") {
    read_user(*content, place, reading);
  } else if (role == "assistant" || role == "system") {
    Item item{.role = role == "system" ? Item::Role::system : Item::Role::assistant};
    read_blocks(*content, place, reading, item.parts);
    reading.request.items.push_back(std::move(item));
  } else {
    reading.refuse(message.place("role"), "must be user, assistant or system");
  }
  message.rest();
}

void read_tool(json::Value value, const std::string& where, Reading& reading) {
  Source source(value, where, reading);
  const auto type = source.text("type");
  // Here `custom` means: described by the client. Every other type is one that the provider knows by itself.
  if (!type.empty() && type != "custom") return reading.note(source.place("type:" + type), Weight::hosted);
  Tool tool{.name = source.need_text("name"), .description = source.text("description")};
  tool.schema = source.object("input_schema");
  tool.strict = source.flag("strict");
  source.rest();
  reading.request.tools.push_back(std::move(tool));
}

void read_choice(Source& body) {
  const auto value = body.take("tool_choice");
  if (!value) return;
  auto& request = body.reading().request;
  Source source(*value, "tool_choice", body.reading());
  const auto type = source.need_text("type");
  if (source.flag("disable_parallel_tool_use").value_or(false)) request.parallel = false;
  if (type == "auto") {
    request.choice.mode = ToolChoice::Mode::automatic;
  } else if (type == "any") {
    request.choice.mode = ToolChoice::Mode::required;
  } else if (type == "none") {
    request.choice.mode = ToolChoice::Mode::none;
  } else if (type == "tool") {
    request.choice.mode = ToolChoice::Mode::named;
    request.choice.name = source.need_text("name");
  } else {
    return body.reading().refuse("tool_choice.type", "must be auto, any, tool or none");
  }
  source.rest();
}

void read_reasoning(Source& body) {
  auto& request = body.reading().request;
  auto& reasoning = request.reasoning;
  if (const auto value = body.take("thinking")) {
    Source source(*value, "thinking", body.reading());
    const auto type = source.need_text("type");
    reasoning.disabled = type == "disabled";
    reasoning.asked = !reasoning.disabled;
    reasoning.budget = std::max<std::int64_t>(source.integer("budget_tokens").value_or(0), 0);
    reasoning.summary = reasoning.asked && source.text("display") != "omitted";
    source.rest();
  }
  const auto config = body.take("output_config");
  if (!config) return;
  Source source(*config, "output_config", body.reading());
  reasoning.effort = source.text("effort");
  if (const auto format = source.take("format")) {
    Source inner(*format, "output_config.format", body.reading());
    if (inner.need_text("type") != "json_schema") {
      body.reading().note("output_config.format", Weight::essential);
    } else {
      request.format = {.kind = OutputFormat::Kind::schema, .schema = inner.object("schema")};
    }
    inner.rest();
  }
  source.rest();
}

void read_limits(Source& body) {
  auto& request = body.reading().request;
  request.max_output = body.integer("max_tokens");
  request.temperature = body.number("temperature");
  request.top_p = body.number("top_p");
  request.top_k = body.number("top_k");
  if (const auto stops = body.array("stop_sequences")) {
    for (const auto each : stops->elements()) {
      auto text = each.string();
      if (!text) return body.reading().refuse("stop_sequences", "must be an array of strings");
      request.stop.push_back(*std::move(text));
    }
  }
}

}  // namespace

void read_messages(json::Value value, Reading& reading) {
  Source body(value, "", reading);
  auto& request = reading.request;
  request.model = body.need_text("model");
  request.stream = body.flag("stream").value_or(false);
  if (const auto system = body.take("system")) {
    Item item{.role = Item::Role::system, .instructions = true};
    read_blocks(*system, "system", reading, item.parts);
    request.items.push_back(std::move(item));
  }
  const auto messages = body.array("messages");
  if (!messages) return reading.refuse("messages", "is missing");
  std::size_t i = 0;
  for (const auto message : messages->elements()) read_message(message, at("messages", i++), reading);
  read_tools(body.array("tools"), "tools", reading,
             [&](json::Value tool, const std::string& where) { read_tool(tool, where, reading); });
  read_choice(body);
  read_reasoning(body);
  read_limits(body);
  if (const auto metadata = body.take("metadata")) {
    Source source(*metadata, "metadata", reading);
    request.user = source.text("user_id");
    source.rest();
  }
  for (const auto name : {"container", "mcp_servers", "inference_geo"}) body.note(name, Weight::essential);
  body.rest();  // context_management, cache_control, service_tier and what is to come: advisory
}

}  // namespace sallyport::llm
