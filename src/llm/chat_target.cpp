/// Chat completions requests, as written.

#include "sallyport/json/object_writer.hpp"
#include "target.hpp"

namespace sallyport::llm {
namespace {

using json::ArrayWriter;
using json::ObjectWriter;

std::string image_part(const Part& part) {
  ObjectWriter image;
  image.add_text("url", part.data.empty() ? part.url : data_url(part));
  if (!part.detail.empty()) image.add_text("detail", part.detail);
  ObjectWriter out;
  out.add("type", R"("image_url")");
  out.add("image_url", std::move(image).take());
  return std::move(out).take();
}

std::string file_part(const Part& part) {
  ObjectWriter file;
  if (!part.file_id.empty()) {
    file.add_text("file_id", part.file_id);
  } else {
    const bool pdf = part.media_type == "application/pdf";
    file.add_text("filename", !part.filename.empty() ? std::string_view(part.filename)
                              : pdf                  ? "file.pdf"
                                                     : "file");
    file.add_text("file_data", data_url(part));
  }
  ObjectWriter out;
  out.add("type", R"("file")");
  out.add("file", std::move(file).take());
  return std::move(out).take();
}

class ChatBody {
 public:
  explicit ChatBody(Rendering& rendering) : r_(rendering), request_(rendering.request()) {}

  std::string write() {
    body_.add_text("model", r_.target().model);
    for (const auto& item : request_.items) write_item(item);
    flush_system();
    flush_media();
    body_.add("messages", std::move(messages_).take());
    write_tools();
    write_choice();
    write_limits();
    write_reasoning();
    write_format();
    if (!request_.verbosity.empty()) body_.add_text("verbosity", request_.verbosity);
    if (!request_.user.empty()) body_.add_text("user", short_user(request_.user));
    r_.copy_openai_fields(body_);
    if (request_.stream) {
      body_.add("stream", "true");
      if (r_.target().asks_usage) body_.add("stream_options", R"({"include_usage":true})");
    }
    return std::move(body_).take();
  }

 private:
  // Media of a result, which this wire's tool messages cannot hold, follow as the user's.
  void flush_media() {
    if (media_.empty()) return;
    ObjectWriter message;
    message.add("role", R"("user")");
    message.add("content", std::move(media_).take());
    messages_.add(std::move(message).take());
    media_ = {};
  }

  bool add_media(const Part& part, ArrayWriter& content) {
    switch (part.kind) {
      case Part::Kind::image:
        if (!part.file_id.empty()) break;
        content.add(image_part(part));
        return true;
      case Part::Kind::file:
        if (!part.url.empty() || (!part.file_id.empty() && request_.from == Wire::messages)) break;
        content.add(file_part(part));
        return true;
      default:
        break;
    }
    r_.refuse(part.where);
    return false;
  }

  void add_text(ArrayWriter& content, std::string_view text) {
    ObjectWriter part;
    part.add("type", R"("text")");
    part.add_text("text", text);
    content.add(std::move(part).take());
  }

  void add_part(const Part& part, ArrayWriter& content) {
    if (part.kind == Part::Kind::text || part.kind == Part::Kind::refusal)
      add_text(content, part.text);
    else
      add_media(part, content);
  }

  void write_content(ObjectWriter& message, const std::vector<Part>& parts) {
    if (const auto text = plain_text(parts)) return message.add_text("content", *text);
    ArrayWriter content;
    for (const auto& part : parts) add_part(part, content);
    message.add("content", std::move(content).take());
  }

  void write_call(ArrayWriter& calls, const Part& part) {
    ObjectWriter call;
    call.add_text("id", part.id);
    ObjectWriter inner;
    inner.add_text("name", flat_name(part.space, part.name));
    if (part.custom && r_.target().custom_tools) {
      call.add("type", R"("custom")");
      inner.add_text("input", part.arguments);
      call.add("custom", std::move(inner).take());
    } else {
      call.add("type", R"("function")");
      // What the model wrote goes back as it wrote it, whether or not it is JSON.
      if (part.custom)
        inner.add_text("arguments", r_.arguments_of(part));
      else
        inner.add_text("arguments", part.arguments.empty() ? "{}" : std::string_view(part.arguments));
      call.add("function", std::move(inner).take());
    }
    calls.add(std::move(call).take());
  }

  void write_assistant(const Item& item) {
    ObjectWriter message;
    message.add("role", R"("assistant")");
    std::vector<Part> said;
    ArrayWriter calls;
    bool thought = false;
    for (const auto& part : item.parts) {
      if (part.kind == Part::Kind::tool_call) {
        write_call(calls, part);
      } else if (part.kind != Part::Kind::thinking) {
        said.push_back(part);
      } else if (r_.takes(part, Wire::chat) && !thought) {
        thought = true;  // the members can stand here once
        const auto document = json::Document::parse(part.raw);
        if (!document) continue;
        for (const auto& member : document->root().members())
          message.begin_raw(member.raw_key()) += member.value.raw();
      }
    }
    if (said.empty() && calls.empty()) return;
    if (said.empty())
      message.add("content", "null");
    else
      write_content(message, said);
    if (!calls.empty()) message.add("tool_calls", std::move(calls).take());
    messages_.add(std::move(message).take());
  }

  void write_result(const Item& item) {
    std::string text = item.is_error ? "Error: " : "";
    if (item.is_error) r_.drop("messages[].content[].is_error");
    std::size_t texts = 0;
    for (const auto& part : item.parts) {
      if (part.kind == Part::Kind::text || part.kind == Part::Kind::refusal) {
        if (texts++ > 0) text += "\n\n";
        text += part.text;
      } else if (add_media(part, media_)) {
        r_.drop(part.where);
        text += texts++ > 0 ? "\n\n(see the next message)" : "(see the next message)";
      }
    }
    ObjectWriter message;
    message.add("role", R"("tool")");
    message.add_text("tool_call_id", item.call_id);
    message.add_text("content", text);
    messages_.add(std::move(message).take());
  }

  void write_item(const Item& item) {
    if (item.role == Item::Role::system) return write_system(item);
    flush_system();
    if (item.role == Item::Role::tool_result) return write_result(item);
    if (item.role == Item::Role::user && !media_.empty()) {
      for (const auto& part : item.parts) add_part(part, media_);
      return flush_media();
    }
    flush_media();
    if (item.role == Item::Role::assistant) return write_assistant(item);
    ObjectWriter message;
    message.add("role", R"("user")");
    write_content(message, item.parts);
    messages_.add(std::move(message).take());
  }

  // Many templates take one system message; what stands together becomes one. `system` is what every provider
  // of this wire knows; OpenAI reads it as `developer` where it must.
  void write_system(const Item& item) {
    flush_media();
    for (const auto& part : item.parts) {
      if (part.kind != Part::Kind::text) r_.refuse(part.where);
      if (!system_.empty()) system_ += "\n\n";
      system_ += part.text;
    }
  }

  void flush_system() {
    if (system_.empty()) return;
    ObjectWriter message;
    message.add("role", R"("system")");
    message.add_text("content", std::exchange(system_, {}));
    messages_.add(std::move(message).take());
  }

  std::string tool_of(const Tool& tool) {
    const bool native = tool.custom && r_.target().custom_tools;
    ObjectWriter inner;
    inner.add_text("name", flat_name(tool.space, tool.name));
    if (!tool.description.empty()) inner.add_text("description", tool.description);
    if (native) {
      if (!tool.grammar.empty()) inner.add("format", R"({"type":"grammar","grammar":)" + tool.grammar + "}");
    } else if (tool.custom) {
      if (!tool.grammar.empty()) r_.target().lenient ? r_.drop(Wish::grammar) : r_.refuse(Wish::grammar);
      inner.add("parameters", custom_schema(tool));
    } else {
      if (!tool.schema.empty()) inner.add("parameters", tool.schema);
      if (tool.strict.value_or(false)) inner.add("strict", "true");
    }
    ObjectWriter out;
    out.add("type", native ? R"("custom")" : R"("function")");
    out.add(native ? "custom" : "function", std::move(inner).take());
    return std::move(out).take();
  }

  void write_tools() {
    if (request_.tools.empty()) return;
    ArrayWriter tools;
    for (const auto& tool : request_.tools) tools.add(tool_of(tool));
    body_.add("tools", std::move(tools).take());
    if (request_.parallel) body_.add_flag("parallel_tool_calls", *request_.parallel);
  }

  std::string named(std::string_view name, bool custom) const {
    const char* const kind = custom && r_.target().custom_tools ? "custom" : "function";
    ObjectWriter inner;
    inner.add_text("name", name);
    ObjectWriter out;
    out.add_text("type", kind);
    out.add(kind, std::move(inner).take());
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
    ObjectWriter inner;
    inner.add_text("mode", word);
    inner.add("tools", std::move(tools).take());
    ObjectWriter out;
    out.add("type", R"("allowed_tools")");
    out.add("allowed_tools", std::move(inner).take());
    body_.add("tool_choice", std::move(out).take());
  }

  void write_limits() {
    if (const auto most = r_.max_output())
      body_.add_number(r_.target().old_limit ? "max_tokens" : "max_completion_tokens", *most);
    r_.write_openai_sampling(body_);
    if (request_.stop.empty()) return;
    ArrayWriter stops;
    for (const auto& stop : request_.stop) stops.add_text(stop);
    body_.add("stop", std::move(stops).take());
  }

  void write_reasoning() {
    const auto effort = effort_of(request_.reasoning);
    if (effort.empty()) {
      if (request_.reasoning.disabled) r_.drop(Wish::reasoning);
      return;
    }
    if (!r_.target().reasons) return r_.drop(Wish::reasoning);
    body_.add_text("reasoning_effort", effort);
  }

  void write_format() {
    const auto& format = request_.format;
    if (format.kind == OutputFormat::Kind::json) body_.add("response_format", R"({"type":"json_object"})");
    if (format.kind != OutputFormat::Kind::schema) return;
    ObjectWriter inner;
    inner.add_text("name", format.name.empty() ? "output" : std::string_view(format.name));
    if (!format.description.empty()) inner.add_text("description", format.description);
    if (!format.schema.empty()) inner.add("schema", format.schema);
    // Messages holds to the schema always, OpenAI's wires only where they are asked to.
    if (format.strict || request_.from == Wire::messages)
      inner.add_flag("strict", format.strict.value_or(true));
    ObjectWriter out;
    out.add("type", R"("json_schema")");
    out.add("json_schema", std::move(inner).take());
    body_.add("response_format", std::move(out).take());
  }

  Rendering& r_;
  const Request& request_;
  ObjectWriter body_;
  ArrayWriter messages_, media_;
  std::string system_;
};

}  // namespace

std::string write_chat(Rendering& rendering) { return ChatBody(rendering).write(); }

}  // namespace sallyport::llm
