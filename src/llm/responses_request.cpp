/// Responses requests, as read.

#include <algorithm>
#include <array>

#include "sallyport/json/object_writer.hpp"
#include "source.hpp"
#include "thought.hpp"

namespace sallyport::llm {
namespace {

using Weight = Field::Weight;

void read_file(Source& source, Part& part) {
  part.kind = Part::Kind::file;
  part.file_id = source.text("file_id");
  part.filename = source.text("filename");
  part.url = source.text("file_url");
  if (auto data = source.text("file_data"); !data.empty()) {
    set_url(part, std::move(data));
    // Base64 without the head of a data: URL is allowed too.
    if (part.data.empty()) part.data = std::exchange(part.url, {});
  }
  source.ignore({"detail"});
}

void read_part(json::Value value, const std::string& where, Reading& reading, std::vector<Part>& parts) {
  Source source(value, where, reading);
  const auto type = source.need_text("type");
  Part part{.where = source.place("type:" + type)};
  if (type == "input_text" || type == "output_text" || type == "text" || type == "summary_text") {
    part.text = source.need_text("text");
    source.ignore({"annotations", "logprobs"});
  } else if (type == "refusal") {
    part.kind = Part::Kind::refusal;
    part.text = source.need_text("refusal");
  } else if (type == "input_image") {
    part.kind = Part::Kind::image;
    part.file_id = source.text("file_id");
    part.detail = source.text("detail");
    if (auto url = source.text("image_url"); !url.empty()) set_url(part, std::move(url));
  } else if (type == "input_file") {
    read_file(source, part);
  } else {
    return reading.note(source.place("type:" + type), Weight::essential);
  }
  source.rest();
  parts.push_back(std::move(part));
}

void read_content(json::Value content, const std::string& where, Reading& reading, std::vector<Part>& parts) {
  if (auto text = content.string()) {
    if (!text->empty()) parts.push_back({.text = *std::move(text), .where = where});
    return;
  }
  if (!content.is(json::Kind::array)) return reading.refuse(where, "must be a string or an array of parts");
  std::size_t i = 0;
  for (const auto part : content.elements()) read_part(part, at(where, i++), reading, parts);
}

void read_message(Source& source) {
  auto& request = source.reading().request;
  const auto role = source.need_text("role");
  std::vector<Part> parts;
  if (const auto content = source.take("content"))
    read_content(*content, source.place("content"), source.reading(), parts);
  source.ignore({"type", "id", "status"});
  if (role == "assistant") {
    for (auto& part : parts) append_to_assistant(request, std::move(part));
  } else if (role == "user" || role == "system" || role == "developer") {
    Item item{.role = role == "user" ? Item::Role::user : Item::Role::system, .parts = std::move(parts)};
    item.developer = role == "developer";
    request.items.push_back(std::move(item));
  } else {
    source.reading().refuse(source.place("role"), "must be user, assistant, system or developer");
  }
}

void read_call(Source& source, bool custom) {
  Part part{.kind = Part::Kind::tool_call,
            .id = source.need_text("call_id"),
            .name = source.need_text("name"),
            .space = source.text("namespace"),
            .custom = custom,
            .where = source.where()};
  part.arguments = source.text(custom ? "input" : "arguments");
  source.ignore({"type", "id", "status", "caller"});
  append_to_assistant(source.reading().request, std::move(part));
}

void read_output(Source& source, bool custom) {
  Item item{.role = Item::Role::tool_result, .call_id = source.need_text("call_id"), .custom = custom};
  if (const auto output = source.take("output"))
    read_content(*output, source.place("output"), source.reading(), item.parts);
  source.ignore({"type", "id", "status", "caller", "name", "namespace"});
  source.reading().request.items.push_back(std::move(item));
}

void read_reasoning_item(Source& source) {
  Part part{.kind = Part::Kind::thinking, .origin = Wire::responses, .where = source.place("type:reasoning")};
  const auto sealed = source.text("encrypted_content");
  if (is_carried(sealed)) {
    auto thought = uncarry(sealed);
    if (!thought) return;
    part.origin = thought->origin;
    part.raw = std::move(thought->raw);
    part.text = std::move(thought->text);
  } else {
    part.raw = std::string(source.value().raw());
    std::vector<Part> readable;
    if (const auto summary = source.array("summary"))
      read_content(*summary, source.place("summary"), source.reading(), readable);
    for (const auto& piece : readable) part.text += (part.text.empty() ? "" : "\n\n") + piece.text;
  }
  append_to_assistant(source.reading().request, std::move(part));
}

void read_item(json::Value value, const std::string& where, Reading& reading) {
  Source source(value, where, reading);
  const auto type = source.text("type");
  if (type == "message" || (type.empty() && value.find("role"))) {
    read_message(source);
  } else if (type == "function_call" || type == "custom_tool_call") {
    read_call(source, type == "custom_tool_call");
  } else if (type == "function_call_output" || type == "custom_tool_call_output") {
    read_output(source, type == "custom_tool_call_output");
  } else if (type == "reasoning") {
    return read_reasoning_item(source);
  } else if (type.empty()) {
    return reading.refuse(source.place("type"), "is missing");
  } else {
    // Calls of hosted tools, references to what the provider stores, its own compactions.
    return reading.note(source.place("type:" + type), Weight::essential);
  }
  source.rest();
}

void read_tool(json::Value value, const std::string& where, const std::string& space, Reading& reading) {
  Source source(value, where, reading);
  const auto type = source.need_text("type");
  if (type == "namespace" && space.empty()) {
    const auto name = source.need_text("name");
    source.note("description", Weight::advisory);
    const auto tools = source.array("tools");
    if (name.empty() || !tools) return reading.refuse(where, "a namespace needs a name and tools");
    read_tools(tools, source.place("tools"), reading,
               [&](json::Value tool, const std::string& place) { read_tool(tool, place, name, reading); });
    return source.rest();
  }
  if (type != "function" && type != "custom")
    return reading.note(source.place("type:" + type), Weight::hosted);
  Tool tool{.name = source.need_text("name"), .space = space, .description = source.text("description")};
  tool.custom = type == "custom";
  if (!tool.custom) {
    tool.schema = source.object("parameters");
    tool.strict = source.flag("strict");
  } else if (const auto format = source.take("format")) {
    Source form(*format, source.place("format"), reading);
    const auto kind = form.need_text("type");
    const auto syntax = form.text("syntax"), definition = form.text("definition");
    if (kind == "grammar") {
      json::ObjectWriter grammar;
      grammar.add_text("definition", definition);
      grammar.add_text("syntax", syntax);
      tool.grammar = std::move(grammar).take();
    }
    form.rest();
  }
  source.rest();
  reading.request.tools.push_back(std::move(tool));
}

void read_allowed(Source& source, ToolChoice& choice) {
  choice.mode = source.text("mode") == "required" ? ToolChoice::Mode::required : ToolChoice::Mode::automatic;
  const auto tools = source.array("tools");
  if (!tools) return source.reading().refuse(source.place("tools"), "is missing");
  for (const auto tool : tools->elements()) {
    const auto name = tool.find("name");
    if (!name || !name->is(json::Kind::string))
      return source.reading().note(source.place("tools"), Weight::essential);
    choice.allowed.push_back(*name->string());
  }
}

void read_choice(Source& body) {
  const auto value = body.take("tool_choice");
  if (!value) return;
  auto& choice = body.reading().request.choice;
  if (const auto word = value->string()) {
    if (*word == "auto")
      choice.mode = ToolChoice::Mode::automatic;
    else if (*word == "none")
      choice.mode = ToolChoice::Mode::none;
    else if (*word == "required")
      choice.mode = ToolChoice::Mode::required;
    else
      body.reading().refuse("tool_choice", "must be auto, none, required or an object");
    return;
  }
  Source source(*value, "tool_choice", body.reading());
  const auto type = source.need_text("type");
  if (type == "allowed_tools") return read_allowed(source, choice);
  if (type != "function" && type != "custom")
    return body.reading().note("tool_choice.type:" + type, Weight::essential);
  choice = {.mode = ToolChoice::Mode::named, .name = source.need_text("name"), .custom = type == "custom"};
}

void read_text(Source& body) {
  const auto value = body.take("text");
  if (!value) return;
  auto& request = body.reading().request;
  Source text(*value, "text", body.reading());
  request.verbosity = text.text("verbosity");
  if (const auto format = text.take("format")) {
    Source inner(*format, "text.format", body.reading());
    const auto type = inner.need_text("type");
    if (type == "json_object") request.format.kind = OutputFormat::Kind::json;
    if (type == "json_schema") {
      request.format = {.kind = OutputFormat::Kind::schema,
                        .name = inner.need_text("name"),
                        .description = inner.text("description"),
                        .schema = inner.object("schema"),
                        .strict = inner.flag("strict")};
    } else if (type != "text" && type != "json_object") {
      body.reading().note("text.format.type:" + type, Weight::essential);
    }
    inner.rest();
  }
  text.rest();
}

void read_reasoning(Source& body) {
  const auto value = body.take("reasoning");
  if (!value) return;
  auto& reasoning = body.reading().request.reasoning;
  Source source(*value, "reasoning", body.reading());
  reasoning.effort = source.text("effort");
  reasoning.disabled = reasoning.effort == "none";
  const auto older = source.text("generate_summary");
  reasoning.summary = !source.text("summary").empty() || !older.empty();
  reasoning.asked = !reasoning.disabled && (!reasoning.effort.empty() || reasoning.summary);
  source.rest();
}

void note_others(Source& body) {
  for (const auto name : {"previous_response_id", "conversation", "prompt"})
    body.note(name, Weight::essential);
  if (body.flag("background").value_or(false)) body.reading().note("background", Weight::essential);
  if (body.integer("top_logprobs").value_or(0) > 0) body.reading().note("top_logprobs", Weight::essential);
  for (const auto name : {"metadata", "service_tier", "prompt_cache_key", "prompt_cache_retention",
                          "prompt_cache_options", "moderation"})
    body.note(name, Weight::openai);
  // Chat completions know it too, and OpenAI's default differs between the two.
  if (const auto store = body.flag("store"); store && *store) body.note("store", Weight::openai);
  if (body.text("truncation") == "auto") body.reading().note("truncation", Weight::advisory);
  if (const auto include = body.array("include")) {
    for (const auto each : include->elements()) {
      const auto what = each.string().value_or("");
      if (what == "message.output_text.logprobs")
        body.reading().note("include:" + what, Weight::essential);
      else if (what != "reasoning.encrypted_content")
        body.reading().note("include:" + what, Weight::advisory);
    }
  }
  body.ignore({"stream_options"});
}

// Tools as a response object must have them: the members that clients may leave out are filled in.
std::string echoed_tools(json::Value tools) {
  json::ArrayWriter out;
  for (const auto tool : tools.elements()) {
    const auto type = tool.find("type");
    const bool function = type && type->string() == "function";
    if (!function || (tool.find("strict") && tool.find("parameters"))) {
      out.add(tool.raw());
      continue;
    }
    json::ObjectWriter filled(tool.raw().size() + 64);
    for (const auto& member : tool.members()) filled.begin_raw(member.raw_key()) += member.value.raw();
    if (!tool.find("strict")) filled.add("strict", "false");
    if (!tool.find("parameters")) filled.add("parameters", "null");
    out.add(std::move(filled).take());
  }
  return std::move(out).take();
}

// The members of the request that each response object repeats.
std::string echo_of(json::Value body) {
  struct Echo {
    std::string_view name, unsaid;
  };
  constexpr std::array kEchoes{Echo{"instructions", "null"},
                               Echo{"max_output_tokens", "null"},
                               Echo{"metadata", "{}"},
                               Echo{"parallel_tool_calls", "true"},
                               Echo{"previous_response_id", "null"},
                               Echo{"reasoning", ""},
                               Echo{"temperature", "null"},
                               Echo{"text", ""},
                               Echo{"tool_choice", "\"auto\""},
                               Echo{"tools", "[]"},
                               Echo{"top_p", "null"},
                               Echo{"truncation", "\"disabled\""},
                               Echo{"user", ""},
                               Echo{"prompt_cache_key", ""},
                               Echo{"safety_identifier", ""},
                               Echo{"store", "false"}};
  std::string out;
  for (const auto& echo : kEchoes) {
    const auto value = body.find(echo.name);
    const bool said = value && !value->is(json::Kind::null);
    if (!said && echo.unsaid.empty()) continue;
    if (!out.empty()) out += ',';
    json::append_quoted(out, echo.name);
    out += ':';
    if (!said)
      out += echo.unsaid;
    else if (echo.name == "tools")
      out += echoed_tools(*value);
    else
      out += value->raw();
  }
  return out;
}

}  // namespace

void read_responses(json::Value value, Reading& reading) {
  Source body(value, "", reading);
  auto& request = reading.request;
  request.model = body.need_text("model");
  request.stream = body.flag("stream").value_or(false);
  if (auto instructions = body.text("instructions"); !instructions.empty()) {
    Item item{.role = Item::Role::system, .instructions = true};
    item.parts.push_back({.text = std::move(instructions), .where = "instructions"});
    request.items.push_back(std::move(item));
  }
  const auto input = body.take("input");
  if (!input) return reading.refuse("input", "is missing");
  if (auto text = input->string()) {
    Item item;
    item.parts.push_back({.text = *std::move(text), .where = "input"});
    request.items.push_back(std::move(item));
  } else if (input->is(json::Kind::array)) {
    std::size_t i = 0;
    for (const auto item : input->elements()) read_item(item, at("input", i++), reading);
  } else {
    return reading.refuse("input", "must be a string or an array of items");
  }
  read_tools(body.array("tools"), "tools", reading,
             [&](json::Value tool, const std::string& where) { read_tool(tool, where, {}, reading); });
  read_choice(body);
  request.parallel = body.flag("parallel_tool_calls");
  request.max_output = body.integer("max_output_tokens");
  request.temperature = body.number("temperature");
  request.top_p = body.number("top_p");
  read_reasoning(body);
  read_text(body);
  const auto older = body.text("user");
  request.user = body.text("safety_identifier");
  if (request.user.empty()) request.user = older;
  note_others(body);
  if (!reading.error) request.echo = echo_of(value);
  body.rest();
}

}  // namespace sallyport::llm
