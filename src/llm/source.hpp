#pragma once
/// A request while it is read: each object knows which of its members were understood.

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "sallyport/core/error.hpp"
#include "sallyport/core/limits.hpp"
#include "sallyport/json/document.hpp"
#include "sallyport/llm/request.hpp"

namespace sallyport::llm {

/// What is being made, and the first thing that is wrong. After that nothing that is read matters.
struct Reading {
  Request request;
  std::optional<Error> error;
  std::unordered_set<std::string> custom_calls{};  ///< ids of calls of custom tools that were read

  /// The client's fault: "messages[3].role: must be a string".
  void refuse(std::string_view where, std::string_view what);
  /// A field without a member of its own; each name once, places without their numbers.
  void note(std::string_view where, Field::Weight weight, std::string raw = {});
};

/// "messages[3].name" as "messages[].name", cut to limits::kFieldName and without bytes that headers or logs
/// would stumble over.
std::string general(std::string_view where);

/// One object of the body. Borrows: the document and the Reading. Null counts as absent everywhere.
class Source {
 public:
  /// Refuses what is no object.
  Source(json::Value value, std::string where, Reading& reading);

  bool good() const { return good_; }
  const std::string& where() const { return where_; }
  std::string place(std::string_view name) const;
  json::Value value() const { return value_; }
  Reading& reading() const { return *reading_; }

  /// A member, which counts as understood from here on.
  std::optional<json::Value> take(std::string_view name);
  /// The same of one kind; another kind is refused. Empty or nullopt where absent.
  std::string text(std::string_view name);
  std::string need_text(std::string_view name);
  std::optional<std::int64_t> integer(std::string_view name);
  std::optional<bool> flag(std::string_view name);
  std::string number(std::string_view name);  ///< as it came
  std::string object(std::string_view name);  ///< as it came
  std::optional<json::Value> array(std::string_view name);

  /// Understood, and without meaning for another wire.
  void ignore(std::initializer_list<std::string_view> names);
  /// Understood as a field without a member of its own.
  void note(std::string_view name, Field::Weight weight);
  /// What was not understood is noted as advisory. Call it last.
  void rest();

 private:
  std::optional<json::Value> take_kind(std::string_view name, json::Kind kind, std::string_view what);
  json::Value value_;
  std::string where_;
  Reading* reading_;
  bool good_ = false;
  std::vector<std::string_view> known_;
};

/// "messages[3]" and the like.
std::string at(std::string_view where, std::size_t index);

// Each wire's own reader. Errors are left in the Reading.
void read_chat(json::Value body, Reading& reading);
void read_responses(json::Value body, Reading& reading);
void read_messages(json::Value body, Reading& reading);

/// Reads each of `tools` with `read(tool, place)`; refuses more than limits::kRequestTools in all.
template <class Read>
void read_tools(std::optional<json::Value> tools, const std::string& where, Reading& reading, Read read) {
  if (!tools) return;
  if (tools->size() + reading.request.tools.size() > limits::kRequestTools)
    return reading.refuse(where, "has more tools than a request may");
  std::size_t i = 0;
  for (const auto tool : tools->elements()) read(tool, at(where, i++));
}

/// A data: URL as base64 of a media type, anything else as a URL.
void set_url(Part& part, std::string url);
/// Appends to the last item where that is the assistant's, else to a new one.
void append_to_assistant(Request& request, Part part);

}  // namespace sallyport::llm
