#include "sallyport/mcp/message.hpp"

#include "sallyport/core/limits.hpp"
#include "sallyport/mcp/twins.hpp"

namespace sallyport::mcp {

namespace {

constexpr std::int64_t kLargestId = (std::int64_t{1} << 53) - 1;  // what every JSON reader keeps exactly

constexpr std::string_view kEnvelopeMembers[] = {"jsonrpc", "id", "method", "params", "result", "error"};
constexpr std::string_view kParamsMembers[] = {
    "name",         "arguments", "uri",          "cursor",          "_meta",         "ref",
    "argument",     "context",   "capabilities", "protocolVersion", "level",         "clientInfo",
    "requestState", "requestId", "taskId",       "inputResponses",  "notifications",
};
constexpr std::string_view kRefMembers[] = {"type", "name", "uri"};
constexpr std::string_view kArgumentMembers[] = {"name", "value"};
constexpr std::string_view kMetaMembers[] = {
    "io.modelcontextprotocol/protocolVersion", "io.modelcontextprotocol/clientCapabilities",
    "io.modelcontextprotocol/clientInfo",      "io.modelcontextprotocol/logLevel",
    "io.modelcontextprotocol/subscriptionId",  "progressToken",
};

enum class Sender : std::uint8_t { client, upstream };

Failure refuse(Sender sender, std::string text) {
  if (sender == Sender::client) return client_error(Code::bad_envelope, std::move(text));
  return fail(Code::upstream_broken, Blame::upstream, "not a JSON-RPC message: " + text);
}

std::optional<Id> id_from(const json::Value& value) {
  if (const auto number = value.integer()) {
    if (*number < -kLargestId || *number > kLargestId) return std::nullopt;
    return Id(value.raw());
  }
  const auto text = value.string();
  if (!text || text->size() > limits::kIdBytes) return std::nullopt;
  return Id(value.raw());
}

// A member that is there; from an upstream `null` counts as absent.
std::optional<json::Value> present(const json::Value& root, std::string_view key, Sender sender) {
  auto value = root.find(key);
  if (value && sender == Sender::upstream && value->is(json::Kind::null)) return std::nullopt;
  return value;
}

Result<void> read_id(const json::Value& root, Sender sender, Id& id) {
  const auto value = root.find("id");
  if (!value) return {};
  // Errors about a message whose id could not be read carry null; whether this is one is decided by the kind.
  if (value->is(json::Kind::null)) return {};
  auto read = id_from(*value);
  if (!read) {
    return refuse(sender,
                  "`id` must be a string of at most 256 bytes or an integer within 2^53, without fraction");
  }
  id = std::move(*read);
  return {};
}

Result<void> read_call(const json::Value& root, const json::Value& method, Sender sender, Envelope& out) {
  auto text = method.string();
  if (!text) return refuse(sender, "`method` must be a string");
  if (present(root, "result", sender) || present(root, "error", sender)) {
    return refuse(sender, "`method` stands beside `result` or `error`");
  }
  const bool has_id = root.find("id").has_value();
  if (has_id && out.id.empty()) return refuse(sender, "`id` of a request must not be null");
  out.kind = has_id ? Envelope::Kind::request : Envelope::Kind::notification;
  out.method = method_from(*text);
  out.method_text = std::move(*text);
  out.params = present(root, "params", sender);
  if (out.params && !out.params->is(json::Kind::object)) return refuse(sender, "`params` must be an object");
  return {};
}

Result<void> read_answer(const json::Value& root, Sender sender, Envelope& out) {
  const auto result = present(root, "result", sender);
  const auto error = present(root, "error", sender);
  if (result.has_value() == error.has_value()) {
    return refuse(sender, "exactly one of `method`, `result` and `error` must be there");
  }
  out.kind = result ? Envelope::Kind::result : Envelope::Kind::error;
  out.payload = result ? result : error;
  if (!out.payload->is(json::Kind::object)) return refuse(sender, "`result` or `error` must be an object");
  if (result && out.id.empty()) return refuse(sender, "a result needs the `id` of its request");
  return {};
}

Result<Envelope> read_message(const json::Value& root, Sender sender, Id& id_out) {
  if (!root.is(json::Kind::object)) return refuse(sender, "a message must be an object");
  Envelope out;
  if (auto read = read_id(root, sender, out.id); !read) return std::unexpected(std::move(read.error()));
  id_out = out.id;
  const auto version = root.find("jsonrpc");
  if (!version || version->string() != "2.0") return refuse(sender, "`jsonrpc` must be \"2.0\"");
  const auto method = present(root, "method", sender);
  auto read = method ? read_call(root, *method, sender, out) : read_answer(root, sender, out);
  if (!read) return std::unexpected(std::move(read.error()));
  return out;
}

Result<void> refuse_twins_within(const std::optional<json::Value>& object, std::string_view key,
                                 std::span<const std::string_view> known) {
  const auto member = object ? object->find(key) : std::nullopt;
  return member ? refuse_twins(*member, known) : Result<void>{};
}

}  // namespace

Result<Envelope> read_client_message(json::Value root, Id& id_out) {
  auto message = read_message(root, Sender::client, id_out);
  if (!message) return message;
  const auto& params = message->params;
  for (const auto& checked : {
           refuse_twins(root, kEnvelopeMembers),
           params ? refuse_twins(*params, kParamsMembers) : Result<void>{},
           refuse_twins_within(params, "_meta", kMetaMembers),
           refuse_twins_within(params, "ref", kRefMembers),
           refuse_twins_within(params, "argument", kArgumentMembers),
       }) {
    if (!checked) return std::unexpected(checked.error());
  }
  return message;
}

Result<Envelope> read_upstream_message(json::Value root) {
  Id id;
  return read_message(root, Sender::upstream, id);
}

}  // namespace sallyport::mcp
