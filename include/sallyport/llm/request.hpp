#pragma once
/// A model call in no wire's own form: what reading one wire gives and writing another takes.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sallyport/core/error.hpp"
#include "sallyport/json/document.hpp"
#include "sallyport/llm/wire.hpp"

namespace sallyport::llm {

/// A piece of what somebody said. Only the members of its kind are set.
struct Part {
  enum class Kind : std::uint8_t { text, refusal, image, file, audio, thinking, tool_call, opaque };
  Kind kind = Kind::text;
  std::string text{};  ///< text, refusal; readable thinking, which may be empty

  // image, file, audio: exactly one of url, data, file_id
  std::string url{};         ///< http(s)
  std::string data{};        ///< base64
  std::string media_type{};  ///< of data: "image/png"; of audio: its format
  std::string file_id{};     ///< at the provider that keeps the file
  std::string filename{};
  std::string detail{};  ///< OpenAI: low, high, auto

  // tool_call
  std::string id{};
  std::string name{};
  std::string space{};      ///< namespace of the tool (Responses); mostly empty
  std::string arguments{};  ///< JSON text as the model wrote it; of a custom tool: free text
  bool custom = false;

  // thinking, opaque
  Wire origin = Wire::chat;
  std::string raw{};  ///< JSON, byte for byte as `origin` wants it back; empty: nothing can be given back

  std::string where{};  ///< place in the client's body, for refusals: "messages[].content[].source"
};

/// One turn, or one result of a call, in the order of the conversation.
struct Item {
  enum class Role : std::uint8_t { system, user, assistant, tool_result };
  Role role = Role::user;
  std::vector<Part> parts{};
  bool developer = false;     ///< system: under OpenAI's newer name
  bool instructions = false;  ///< system: stands beside the conversation, not in it
  std::string call_id{};      ///< tool_result
  bool custom = false;        ///< tool_result: of a custom tool
  bool is_error = false;      ///< tool_result
};

struct Tool {
  std::string name{};
  std::string space{};  ///< namespace (Responses); mostly empty
  std::string description{};
  std::string schema{};          ///< raw JSON object; empty: none given
  std::optional<bool> strict{};  ///< hold the arguments to the schema
  bool custom = false;           ///< takes free text instead of arguments (OpenAI)
  std::string grammar{};         ///< custom: the raw grammar object {syntax, definition}; empty: any text
};

struct ToolChoice {
  enum class Mode : std::uint8_t { unsaid, automatic, none, required, named };
  Mode mode = Mode::unsaid;
  std::string name{};                  ///< named
  bool custom = false;                 ///< named: a custom tool
  std::vector<std::string> allowed{};  ///< automatic, required: only these; empty: all
};

struct Reasoning {
  bool asked = false;       ///< the client wants the model to think
  bool disabled = false;    ///< the client said that it does not
  bool summary = false;     ///< and wants to read of it
  std::string effort{};     ///< none | minimal | low | medium | high | xhigh | max; empty: unsaid
  std::int64_t budget = 0;  ///< tokens (Messages, older models); 0: unsaid
};

/// What form the answer must have.
struct OutputFormat {
  enum class Kind : std::uint8_t { text, json, schema };
  Kind kind = Kind::text;
  std::string name{};
  std::string description{};
  std::string schema{};  ///< raw JSON object
  std::optional<bool> strict{};
};

/// A field that the form above has no member for.
struct Field {
  enum class Weight : std::uint8_t {
    advisory,   ///< may be left out, and is reported then
    essential,  ///< the answer would be another one without it
    openai,     ///< the same name and meaning on both of OpenAI's wires, advisory elsewhere
    hosted,     ///< a tool that the provider runs
  };
  std::string name{};  ///< as the client's wire names it: "seed", "messages[].name"
  std::string raw{};   ///< JSON; empty where only the name matters
  Weight weight = Weight::advisory;
};

struct Request {
  Wire from = Wire::chat;
  std::string model{};
  bool stream = false;
  std::vector<Item> items{};
  std::vector<Tool> tools{};
  ToolChoice choice{};
  std::optional<bool> parallel{};  ///< several calls in one turn
  std::optional<std::int64_t> max_output{};
  std::string temperature{}, top_p{}, top_k{};  ///< numbers as they came; empty: unsaid
  std::vector<std::string> stop{};
  Reasoning reasoning{};
  OutputFormat format{};
  std::string verbosity{};
  std::string user{};
  std::vector<Field> fields{};
  std::string echo{};  ///< Responses: members of the request that a response object repeats, raw, with commas
};

/// Unknown fields go to Request::fields; nothing is lost without a trace.
/// Errors: bad_request naming the place.
Result<Request> read_request(Wire from, json::Value body);

/// What is known of the model and provider that it goes to.
struct Target {
  std::string model{};
  /// Most tokens that the model can put out; 0: unknown. A higher limit of the request is lowered to it;
  /// Messages demands a limit, and gets this one or 4096 where the request has none.
  std::int64_t max_output = 0;
  bool reasons = true;            ///< the model thinks; else wishes about that are dropped
  bool adaptive_thinking = true;  ///< Messages: else thinking needs a budget of tokens
  /// Else temperature, top_p and top_k are dropped: models that choose them themselves, and Messages from its
  /// version 2026-10-21 on.
  bool sampling = true;
  bool custom_tools = false;  ///< chat: the provider knows custom tools; else they go as functions
  bool old_limit = false;     ///< chat: the provider knows max_tokens only
  bool asks_usage = true;     ///< chat: the provider knows stream_options.include_usage
  /// Hosted tools, and the grammars of custom tools that go as functions, are dropped instead of refused.
  bool lenient = false;
};

struct Written {
  std::string body{};
  /// What the target has no place for, as the client's wire names it; each once, in order.
  std::vector<std::string> dropped{};
};

/// Errors: bad_request whose hint begins "unsupported_by_target:" and lists the fields, or names the call
/// whose arguments are no JSON object.
Result<Written> write_request(Wire to, const Request& request, const Target& target);

}  // namespace sallyport::llm
