#pragma once
/// A request on its way to another wire: what the target takes, and what had to be left out.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sallyport/core/error.hpp"
#include "sallyport/json/object_writer.hpp"
#include "sallyport/llm/request.hpp"

namespace sallyport::llm {

/// What several wires know under different names.
enum class Wish : std::uint8_t {
  max_output,
  temperature,
  top_p,
  top_k,
  stop,
  reasoning,
  format,
  verbosity,
  user,
  grammar,
};

/// Collects the places that `dropped` and the refusal list, each once.
class Rendering {
 public:
  Rendering(const Request& request, const Target& target, Wire to);

  const Request& request() const { return request_; }
  const Target& target() const { return target_; }

  /// As the client's wire names it.
  std::string_view name_of(Wish wish) const;
  void drop(std::string_view where);
  void drop(Wish wish) { drop(name_of(wish)); }
  void refuse(std::string_view where);
  void refuse(Wish wish) { refuse(name_of(wish)); }
  /// The call's own fault: its arguments cannot be what the target demands.
  void fail(std::string hint);

  std::vector<std::string> dropped() const { return dropped_; }
  std::optional<Error> refusal() const;

  /// The limit to ask for, at most what the model can put out; nullopt: none was asked for.
  std::optional<std::int64_t> max_output() const;
  /// temperature, top_p and top_k on both of OpenAI's wires: what the target takes of them.
  void write_openai_sampling(json::ObjectWriter& body);
  /// Members with the same name on both of OpenAI's wires.
  void copy_openai_fields(json::ObjectWriter& body) const;
  /// Why a thought cannot go along: it is another wire's. Counts it as dropped.
  bool takes(const Part& thought, Wire to);
  /// The arguments as one raw JSON object; of a custom call that goes as a function: {"input": ...}.
  std::string arguments_of(const Part& call);

 private:
  const Request& request_;
  const Target& target_;
  std::vector<std::string> dropped_, refused_;
  std::optional<Error> failure_;
};

std::string write_chat(Rendering& rendering);
std::string write_responses(Rendering& rendering);
std::string write_messages(Rendering& rendering);

/// A tool's name where the wire knows no namespaces: "space__name".
std::string flat_name(std::string_view space, std::string_view name);
/// Parameters of a function that stands for a custom tool: one string, `input`.
std::string custom_schema(const Tool& tool);
/// The text of a call of such a function; nullopt: these are no such arguments.
std::optional<std::string> custom_input(std::string_view arguments);
/// The tool of the request that an answer calls by the name that it was sent under; null: none.
const Tool* tool_called(const Request* request, std::string_view name);
/// The effort that was asked for, by name or by a budget; empty: unsaid.
std::string effort_of(const Reasoning& reasoning);
/// The user's name as OpenAI takes it: of longer ones the digest, so that the same user stays the same.
std::string short_user(const std::string& user);
/// "data:image/png;base64,..."
std::string data_url(const Part& part);
/// Text parts joined by blank lines; nullopt: there are others among them.
std::optional<std::string> plain_text(const std::vector<Part>& parts);

}  // namespace sallyport::llm
