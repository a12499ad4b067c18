/// Messages requests, as written.

#include <algorithm>
#include <charconv>

#include "sallyport/core/crypto.hpp"
#include "sallyport/json/object_writer.hpp"
#include "target.hpp"

namespace sallyport::llm {
namespace {

using json::ArrayWriter;
using json::ObjectWriter;

constexpr std::int64_t kUnknownLimit = 4096;  // every model of this wire puts out that much
constexpr std::int64_t kLeastBudget = 1024;   // Anthropic refuses less

// The wire's alphabet for ids is narrow. The same id for the same text, so that call and result still meet.
std::string plain_id(std::string_view id) {
  const bool plain = !id.empty() && std::ranges::all_of(id, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
  return plain ? std::string(id) : "call_" + sha256_hex(id).substr(0, 32);
}

bool blank(std::string_view text) { return text.find_first_not_of(" \t\r\n") == std::string_view::npos; }

// Anthropic demands the type that OpenAI's wires let a tool leave out.
std::string input_schema(const std::string& schema) {
  if (schema.empty()) return R"({"type":"object","properties":{}})";
  const auto document = json::Document::parse(schema);
  if (!document || document->root().find("type")) return schema;
  return (document->root().size() > 0 ? R"({"type":"object",)" : R"({"type":"object")") + schema.substr(1);
}

class MessagesBody {
 public:
  explicit MessagesBody(Rendering& rendering) : r_(rendering), request_(rendering.request()) {}

  std::string write() {
    body_.add_text("model", r_.target().model);
    const auto limit =
        r_.max_output().value_or(r_.target().max_output > 0 ? r_.target().max_output : kUnknownLimit);
    body_.add_number("max_tokens", limit);
    for (const auto& item : request_.items) write_item(item);
    flush();
    if (!system_.empty()) body_.add("system", std::move(system_).take());
    body_.add("messages", std::move(messages_).take());
    write_tools();
    write_choice();
    const bool thinks = write_reasoning(limit);
    write_sampling(thinks);
    if (!request_.user.empty()) {
      ObjectWriter metadata;
      metadata.add_text("user_id", request_.user);
      body_.add("metadata", std::move(metadata).take());
    }
    if (!request_.verbosity.empty()) r_.drop(Wish::verbosity);
    if (request_.stream) body_.add("stream", "true");
    return std::move(body_).take();
  }

 private:
  static std::string text_block(std::string_view text) {
    ObjectWriter out;
    out.add("type", R"("text")");
    out.add_text("text", text);
    return std::move(out).take();
  }

  // nullopt: the wire refuses empty text, or the part was refused.
  std::optional<std::string> media_block(const Part& part) {
    const bool image = part.kind == Part::Kind::image, file = part.kind == Part::Kind::file;
    const bool foreign = !part.file_id.empty() || part.url.starts_with("data:");
    if ((!image && !file) || foreign || (part.data.empty() && part.url.empty())) {
      r_.refuse(part.where);
      return std::nullopt;
    }
    if (!part.detail.empty() && part.detail != "auto")
      r_.drop(part.where.substr(0, part.where.rfind(".type:")) + ".detail");
    ObjectWriter source;
    source.add_text("type", part.data.empty() ? "url" : "base64");
    if (part.data.empty()) {
      source.add_text("url", part.url);
    } else {
      source.add_text("media_type", !part.media_type.empty() ? std::string_view(part.media_type)
                                    : image                  ? "image/png"
                                                             : "application/pdf");
      source.add_text("data", part.data);
    }
    ObjectWriter out;
    out.add_text("type", image ? "image" : "document");
    out.add("source", std::move(source).take());
    if (file && !part.filename.empty()) out.add_text("title", part.filename);
    return std::move(out).take();
  }

  std::optional<std::string> block_of(const Part& part) {
    if (part.kind != Part::Kind::text && part.kind != Part::Kind::refusal) return media_block(part);
    if (blank(part.text)) return std::nullopt;
    return text_block(part.text);
  }

  // Turns alternate, so what the same side says in a row becomes one; results stand first in theirs.
  void turn_of(bool assistant) {
    if (assistant != assistant_) flush();
    assistant_ = assistant;
  }

  void flush() {
    if (results_.empty() && blocks_.empty()) return;
    ArrayWriter content = std::exchange(results_, {});
    for (const auto& block : blocks_) content.add(block);
    blocks_.clear();
    ObjectWriter message;
    message.add_text("role", assistant_ ? "assistant" : "user");
    message.add("content", std::move(content).take());
    messages_.add(std::move(message).take());
  }

  void write_system(const Item& item) {
    if (!messages_.empty() || !blocks_.empty() || !results_.empty()) r_.drop("messages[].role:system");
    for (const auto& part : item.parts) {
      if (part.kind != Part::Kind::text)
        r_.refuse(part.where);
      else if (!blank(part.text))
        system_.add(text_block(part.text));
    }
  }

  void write_assistant(const Item& item) {
    turn_of(true);
    for (const auto& part : item.parts) {
      if (part.kind == Part::Kind::thinking) {
        if (r_.takes(part, Wire::messages)) blocks_.push_back(part.raw);
      } else if (part.kind == Part::Kind::tool_call) {
        ObjectWriter call;
        call.add("type", R"("tool_use")");
        call.add_text("id", plain_id(part.id));
        call.add_text("name", flat_name(part.space, part.name));
        call.add("input", r_.arguments_of(part));
        blocks_.push_back(std::move(call).take());
      } else if (auto block = block_of(part)) {
        blocks_.push_back(*std::move(block));
      }
    }
  }

  void write_result(const Item& item) {
    turn_of(false);
    ObjectWriter result;
    result.add("type", R"("tool_result")");
    result.add_text("tool_use_id", plain_id(item.call_id));
    if (const auto text = plain_text(item.parts)) {
      result.add_text("content", *text);
    } else {
      ArrayWriter content;
      for (const auto& part : item.parts) {
        if (const auto block = block_of(part)) content.add(*block);
      }
      result.add("content", std::move(content).take());
    }
    if (item.is_error) result.add("is_error", "true");
    results_.add(std::move(result).take());
  }

  void write_item(const Item& item) {
    switch (item.role) {
      case Item::Role::system:
        return write_system(item);
      case Item::Role::assistant:
        return write_assistant(item);
      case Item::Role::tool_result:
        return write_result(item);
      case Item::Role::user:
        turn_of(false);
        for (const auto& part : item.parts) {
          if (auto block = block_of(part)) blocks_.push_back(*std::move(block));
        }
    }
  }

  void write_tools() {
    // Of tools that are only partly allowed the others are not shown: this wire has no list of its own for
    // it.
    const auto& allowed = request_.choice.allowed;
    ArrayWriter tools;
    for (const auto& tool : request_.tools) {
      if (!allowed.empty() && std::ranges::find(allowed, tool.name) == allowed.end()) continue;
      ObjectWriter out;
      out.add_text("name", flat_name(tool.space, tool.name));
      if (!tool.description.empty()) out.add_text("description", tool.description);
      if (tool.custom) {
        if (!tool.grammar.empty()) r_.target().lenient ? r_.drop(Wish::grammar) : r_.refuse(Wish::grammar);
        out.add("input_schema", custom_schema(tool));
      } else {
        out.add("input_schema", input_schema(tool.schema));
        if (tool.strict.value_or(false)) out.add("strict", "true");
      }
      tools.add(std::move(out).take());
      any_tools_ = true;
    }
    if (any_tools_) body_.add("tools", std::move(tools).take());
  }

  void write_choice() {
    using Mode = ToolChoice::Mode;
    if (!any_tools_) return;
    const auto& choice = request_.choice;
    const bool one = request_.parallel.has_value() && !*request_.parallel;
    if (choice.mode == Mode::unsaid && !one) return;
    ObjectWriter out;
    out.add_text("type", choice.mode == Mode::none       ? "none"
                         : choice.mode == Mode::required ? "any"
                         : choice.mode == Mode::named    ? "tool"
                                                         : "auto");
    if (choice.mode == Mode::named) out.add_text("name", choice.name);
    if (one && choice.mode != Mode::none) out.add("disable_parallel_tool_use", "true");
    body_.add("tool_choice", std::move(out).take());
  }

  // The last turn of the assistant called tools without a thought that can be given back: a model with a
  // budget for thinking refuses to go on from there.
  bool lost_thought() const {
    const auto last = std::find_if(request_.items.rbegin(), request_.items.rend(),
                                   [](const Item& item) { return item.role == Item::Role::assistant; });
    if (last == request_.items.rend()) return false;
    const auto is_call = [](const Part& part) { return part.kind == Part::Kind::tool_call; };
    const auto is_own = [](const Part& part) {
      return part.kind == Part::Kind::thinking && part.origin == Wire::messages && !part.raw.empty();
    };
    return std::ranges::any_of(last->parts, is_call) && std::ranges::none_of(last->parts, is_own);
  }

  std::int64_t budget_of(std::string_view effort, std::int64_t limit) const {
    std::int64_t budget = request_.reasoning.budget;
    if (budget == 0)
      budget = effort == "minimal" || effort == "low" ? 2048
               : effort == "medium" || effort.empty() ? 8192
                                                      : 16384;
    return std::min(budget, limit - 1);
  }

  // Whether the model thinks. `output_config` stands here too, because it holds the effort.
  bool write_reasoning(std::int64_t limit) {
    const auto& wish = request_.reasoning;
    auto effort = effort_of(wish);
    const auto mode = request_.choice.mode;
    const bool forced = mode == ToolChoice::Mode::required || mode == ToolChoice::Mode::named;
    bool thinks = wish.asked;
    const auto budget = budget_of(effort, limit);
    if (thinks && (!r_.target().reasons || (forced && any_tools_) ||
                   (!r_.target().adaptive_thinking && (budget < kLeastBudget || lost_thought())))) {
      r_.drop(Wish::reasoning);
      thinks = false;
    }
    if (thinks) {
      ObjectWriter thinking;
      thinking.add_text("type", r_.target().adaptive_thinking ? "adaptive" : "enabled");
      if (!r_.target().adaptive_thinking) thinking.add_number("budget_tokens", budget);
      if (wish.summary && r_.target().adaptive_thinking) thinking.add("display", R"("summarized")");
      body_.add("thinking", std::move(thinking).take());
    }
    ObjectWriter config;
    if (effort == "minimal") effort = "low";
    if (thinks && r_.target().adaptive_thinking && !effort.empty()) config.add_text("effort", effort);
    write_format(config);
    if (!config.empty()) body_.add("output_config", std::move(config).take());
    return thinks;
  }

  void write_format(ObjectWriter& config) {
    const auto& format = request_.format;
    if (format.kind == OutputFormat::Kind::json) r_.refuse(Wish::format);
    if (format.kind != OutputFormat::Kind::schema) return;
    ObjectWriter out;
    out.add("type", R"("json_schema")");
    out.add("schema", format.schema.empty() ? R"({"type":"object"})" : format.schema);
    config.add("format", std::move(out).take());
  }

  void write_sampling(bool thinks) {
    const bool free = r_.target().sampling && !thinks;
    bool warm = false;
    if (!request_.temperature.empty()) {
      double value = 2;
      const auto& text = request_.temperature;
      std::from_chars(text.data(), text.data() + text.size(), value);
      // OpenAI's scale goes to 2, this one to 1, which is also what it is where nothing is said.
      warm = free && value <= 1;
      warm ? body_.add("temperature", text) : r_.drop(Wish::temperature);
    }
    // Models since Opus 4.1 refuse the two together.
    if (!request_.top_p.empty()) free && !warm ? body_.add("top_p", request_.top_p) : r_.drop(Wish::top_p);
    if (!request_.top_k.empty()) free ? body_.add("top_k", request_.top_k) : r_.drop(Wish::top_k);
    if (request_.stop.empty()) return;
    ArrayWriter stops;
    for (const auto& stop : request_.stop) stops.add_text(stop);
    body_.add("stop_sequences", std::move(stops).take());
  }

  Rendering& r_;
  const Request& request_;
  ObjectWriter body_;
  ArrayWriter system_, messages_, results_;
  std::vector<std::string> blocks_;
  bool assistant_ = false, any_tools_ = false;
};

}  // namespace

std::string write_messages(Rendering& rendering) { return MessagesBody(rendering).write(); }

}  // namespace sallyport::llm
