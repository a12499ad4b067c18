/// Responses requests, as written.

#include <algorithm>

#include "sallyport/core/crypto.hpp"
#include "sallyport/json/object_writer.hpp"
#include "target.hpp"

namespace sallyport::llm {
namespace {

using json::ArrayWriter;
using json::ObjectWriter;

constexpr std::int64_t kLeastOutput = 16;  // OpenAI refuses less
constexpr std::size_t kCallId = 64;        // bytes that it takes

// The same id for the same text, so that call and result still meet.
std::string short_id(std::string_view id) {
  return id.size() <= kCallId ? std::string(id) : "call_" + sha256_hex(id).substr(0, 32);
}

class ResponsesBody {
 public:
  explicit ResponsesBody(Rendering& rendering) : r_(rendering), request_(rendering.request()) {}

  std::string write() {
    body_.add_text("model", r_.target().model);
    for (const auto& item : request_.items) write_item(item);
    if (!instructions_.empty()) body_.add_text("instructions", instructions_);
    body_.add("input", std::move(input_).take());
    write_tools();
    write_choice();
    write_limits();
    write_reasoning();
    write_text();
    if (!request_.user.empty()) body_.add_text("safety_identifier", short_user(request_.user));
    r_.copy_openai_fields(body_);
    const bool store = std::ranges::any_of(request_.fields, [](const Field& f) { return f.name == "store"; });
    body_.add_flag("store", store);
    if (request_.stream) body_.add("stream", "true");
    return std::move(body_).take();
  }

 private:
  std::string text_part(std::string_view text) {
    ObjectWriter out;
    out.add("type", R"("input_text")");
    out.add_text("text", text);
    return std::move(out).take();
  }

  void add_part(ArrayWriter& content, const Part& part) {
    const bool own_file = part.file_id.empty() || request_.from != Wire::messages;
    ObjectWriter out;
    switch (part.kind) {
      case Part::Kind::text:
      case Part::Kind::refusal:
        return content.add(text_part(part.text));
      case Part::Kind::image:
        if (!own_file) break;
        out.add("type", R"("input_image")");
        if (!part.file_id.empty())
          out.add_text("file_id", part.file_id);
        else
          out.add_text("image_url", part.data.empty() ? part.url : data_url(part));
        out.add_text("detail", part.detail.empty() ? "auto" : std::string_view(part.detail));
        return content.add(std::move(out).take());
      case Part::Kind::file:
        if (!own_file) break;
        out.add("type", R"("input_file")");
        if (!part.file_id.empty())
          out.add_text("file_id", part.file_id);
        else if (!part.url.empty())
          out.add_text("file_url", part.url);
        else
          out.add_text("file_data", data_url(part));
        if (part.file_id.empty() && part.url.empty())
          out.add_text("filename", part.filename.empty() ? "file.pdf" : std::string_view(part.filename));
        return content.add(std::move(out).take());
      default:
        break;
    }
    r_.refuse(part.where);
  }

  std::string content_of(const std::vector<Part>& parts) {
    if (const auto text = plain_text(parts)) return json::quote(*text);
    ArrayWriter content;
    for (const auto& part : parts) add_part(content, part);
    return std::move(content).take();
  }

  void add_message(std::string_view role, std::string content) {
    ObjectWriter message;
    message.add("type", R"("message")");
    message.add_text("role", role);
    message.add("content", std::move(content));
    input_.add(std::move(message).take());
  }

  void write_call(const Part& part) {
    ObjectWriter call;
    call.add_text("type", part.custom ? "custom_tool_call" : "function_call");
    call.add_text("call_id", short_id(part.id));
    call.add_text("name", part.name);
    if (!part.space.empty()) call.add_text("namespace", part.space);
    if (part.custom)
      call.add_text("input", part.arguments);
    else
      call.add_text("arguments", part.arguments.empty() ? "{}" : std::string_view(part.arguments));
    input_.add(std::move(call).take());
  }

  void write_assistant(const Item& item) {
    for (const auto& part : item.parts) {
      switch (part.kind) {
        case Part::Kind::text:
        case Part::Kind::refusal:
          if (!part.text.empty()) add_message("assistant", json::quote(part.text));
          break;
        case Part::Kind::tool_call:
          write_call(part);
          break;
        case Part::Kind::thinking:
          if (r_.takes(part, Wire::responses)) input_.add(part.raw);
          break;
        default:
          r_.refuse(part.where);
      }
    }
  }

  void write_result(const Item& item) {
    ObjectWriter result;
    result.add_text("type", item.custom ? "custom_tool_call_output" : "function_call_output");
    result.add_text("call_id", short_id(item.call_id));
    if (!item.is_error) {
      result.add("output", content_of(item.parts));
    } else {
      // The wire has no word for a failed call; the model is told in the text.
      r_.drop("messages[].content[].is_error");
      auto parts = item.parts;
      parts.insert(parts.begin(), Part{.text = "Error:"});
      result.add("output", content_of(parts));
    }
    input_.add(std::move(result).take());
  }

  void write_item(const Item& item) {
    switch (item.role) {
      case Item::Role::system:
        if (item.instructions && input_.empty()) {
          instructions_ = plain_text(item.parts).value_or("");
          for (const auto& part : item.parts) {
            if (part.kind != Part::Kind::text) r_.refuse(part.where);
          }
          return;
        }
        return add_message(item.developer ? "developer" : "system", content_of(item.parts));
      case Item::Role::user:
        return add_message("user", content_of(item.parts));
      case Item::Role::assistant:
        return write_assistant(item);
      case Item::Role::tool_result:
        return write_result(item);
    }
  }

  void write_tools() {
    if (request_.tools.empty()) return;
    ArrayWriter tools;
    for (const auto& tool : request_.tools) {
      ObjectWriter out;
      out.add_text("type", tool.custom ? "custom" : "function");
      out.add_text("name", flat_name(tool.space, tool.name));
      if (!tool.description.empty()) out.add_text("description", tool.description);
      if (!tool.custom) {
        out.add("parameters", tool.schema.empty() ? R"({"type":"object","properties":{}})" : tool.schema);
        // Left unsaid, this wire is strict and changes the schema; the others are not.
        out.add_flag("strict", tool.strict.value_or(false));
      } else if (!tool.grammar.empty()) {
        ObjectWriter format;
        format.add("type", R"("grammar")");
        const auto grammar = json::Document::parse(tool.grammar);
        if (grammar) {
          for (const auto& member : grammar->root().members())
            format.begin_raw(member.raw_key()) += member.value.raw();
        }
        out.add("format", std::move(format).take());
      }
      tools.add(std::move(out).take());
    }
    body_.add("tools", std::move(tools).take());
    if (request_.parallel) body_.add_flag("parallel_tool_calls", *request_.parallel);
  }

  static std::string named(std::string_view name, bool custom) {
    ObjectWriter out;
    out.add_text("type", custom ? "custom" : "function");
    out.add_text("name", name);
    return std::move(out).take();
  }

  void write_choice() {
    using Mode = ToolChoice::Mode;
    const auto& choice = request_.choice;
    if (choice.mode == Mode::unsaid || request_.tools.empty()) return;
    if (choice.mode == Mode::named) return body_.add("tool_choice", named(choice.name, choice.custom));
    const char* const word = choice.mode == Mode::none       ? "none"
                             : choice.mode == Mode::required ? "required"
                                                             : "auto";
    if (choice.allowed.empty()) return body_.add_text("tool_choice", word);
    ArrayWriter tools;
    for (const auto& name : choice.allowed) {
      const auto* const tool = tool_called(&request_, name);
      tools.add(named(name, tool && tool->custom));
    }
    ObjectWriter out;
    out.add("type", R"("allowed_tools")");
    out.add_text("mode", word);
    out.add("tools", std::move(tools).take());
    body_.add("tool_choice", std::move(out).take());
  }

  void write_limits() {
    if (const auto most = r_.max_output()) {
      if (*most < kLeastOutput) r_.drop(Wish::max_output);
      body_.add_number("max_output_tokens", std::max(*most, kLeastOutput));
    }
    r_.write_openai_sampling(body_);
    if (!request_.stop.empty()) r_.refuse(Wish::stop);
  }

  void write_reasoning() {
    const auto& wish = request_.reasoning;
    const auto effort = effort_of(wish);
    if (wish.disabled && effort.empty()) return r_.drop(Wish::reasoning);
    if (!wish.asked && effort.empty()) return;
    if (!r_.target().reasons) return r_.drop(Wish::reasoning);
    ObjectWriter reasoning;
    if (!effort.empty()) reasoning.add_text("effort", effort);
    if (wish.summary) reasoning.add("summary", R"("auto")");
    body_.add("reasoning", std::move(reasoning).take());
    // Nothing is stored there for us, so the thoughts have to travel.
    body_.add("include", R"(["reasoning.encrypted_content"])");
  }

  void write_text() {
    const auto& format = request_.format;
    ObjectWriter text;
    if (format.kind == OutputFormat::Kind::json) text.add("format", R"({"type":"json_object"})");
    if (format.kind == OutputFormat::Kind::schema) {
      ObjectWriter out;
      out.add("type", R"("json_schema")");
      out.add_text("name", format.name.empty() ? "output" : std::string_view(format.name));
      if (!format.description.empty()) out.add_text("description", format.description);
      out.add("schema", format.schema.empty() ? R"({"type":"object"})" : format.schema);
      out.add_flag("strict", format.strict.value_or(request_.from == Wire::messages));
      text.add("format", std::move(out).take());
    }
    if (!request_.verbosity.empty()) text.add_text("verbosity", request_.verbosity);
    if (!text.empty()) body_.add("text", std::move(text).take());
  }

  Rendering& r_;
  const Request& request_;
  std::string instructions_;
  ObjectWriter body_;
  ArrayWriter input_;
};

}  // namespace

std::string write_responses(Rendering& rendering) { return ResponsesBody(rendering).write(); }

}  // namespace sallyport::llm
