/// Our streams, answers and requests against OpenAI's own description of its API, read from $SALLYPORT_SHARED
/// (default ../shared); where that is missing these tests say so and check what needs no description.

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <set>

#include "client_requests.hpp"
#include "openapi.hpp"
#include "provider_streams.hpp"

namespace sallyport::llm::test {
namespace {

using Json = nlohmann::json;

const OpenApi* openapi() {
  static const std::unique_ptr<OpenApi> kDescription = [] {
    const char* shared = std::getenv("SALLYPORT_SHARED");
    const char* source = std::getenv("SALLYPORT_SOURCE");
    const std::filesystem::path root = shared   ? std::filesystem::path(shared)
                                       : source ? std::filesystem::path(source) / "../shared"
                                                : std::filesystem::path("../shared");
    std::ifstream file(root / "data/openai-openapi-2.3.0.json");
    return file ? std::make_unique<OpenApi>(Json::parse(file)) : nullptr;
  }();
  if (!kDescription) MESSAGE("OpenAI's API description is not here: schemas were not checked");
  return kDescription.get();
}

// Streams of every case and wire, as clients of `to` get them.
std::vector<std::pair<std::string, std::string>> streams_to(Wire to, const Request* request = nullptr) {
  std::vector<std::pair<std::string, std::string>> out;
  for (const auto& each : cases()) {
    for (const Wire from : kAllWires) {
      if (each.stream(from).empty()) continue;
      out.emplace_back(fmt::format("{} from {}", each.name, llm::name_of(from)),
                       write_stream(to, read_stream(from, each.stream(from)), request));
    }
  }
  return out;
}

TEST_CASE("every chunk to chat clients fits the schema, and ids and times are those of one completion") {
  for (const auto& [name, stream] : streams_to(Wire::chat)) {
    CAPTURE(name);
    bool role = false, finished = false;
    for (const auto& frame : frames_of(stream)) {
      if (frame.data == "[DONE]") continue;
      const auto chunk = Json::parse(frame.data);
      if (chunk.contains("error")) continue;
      CAPTURE(frame.data);
      if (openapi()) CHECK(openapi()->check("CreateChatCompletionStreamResponse", chunk) == "");
      CHECK(chunk["id"] == "resp_1");
      CHECK(chunk["model"] == "alias");
      if (chunk["choices"].empty()) {
        CHECK(finished);
        continue;
      }
      CHECK_FALSE(finished);
      CHECK(chunk["choices"][0]["delta"].contains("role") == !role);
      role = true;
      finished = !chunk["choices"][0]["finish_reason"].is_null();
    }
  }
}

/// What a client that follows the rules knows of a response while its stream comes.
class ResponseState {
 public:
  void take(const Json& event) {
    CHECK(event["sequence_number"] == sequence_++);
    const auto type = event["type"].get<std::string>();
    CHECK_FALSE(ended_);
    if (type == "response.created") CHECK(sequence_ == 1);
    if (type == "response.output_item.added") added(event);
    if (event.contains("item_id")) part_of(event);
    if (type == "response.output_item.done") done(event);
    for (const auto* const end : {"completed", "incomplete", "failed"}) {
      if (type == std::string("response.") + end) ended(event["response"], end);
    }
  }
  bool ended() const { return ended_; }

 private:
  struct Item {
    std::string id, type, text;
    std::set<std::int64_t> open, closed;
    bool done = false;
  };

  void added(const Json& event) {
    const auto index = event["output_index"].get<std::int64_t>();
    CHECK(index == static_cast<std::int64_t>(items_.size()));
    CHECK(ids_.insert(event["item"]["id"].get<std::string>()).second);
    items_[index] = {
        .id = event["item"]["id"], .type = event["item"]["type"], .text = {}, .open = {}, .closed = {}};
  }

  void part_of(const Json& event) {
    auto& item = items_[event["output_index"].get<std::int64_t>()];
    CHECK(item.id == event["item_id"].get<std::string>());
    CHECK_FALSE(item.done);
    const auto type = event["type"].get<std::string>();
    const auto index = event.contains("content_index")   ? event["content_index"].get<std::int64_t>()
                       : event.contains("summary_index") ? event["summary_index"].get<std::int64_t>()
                                                         : -1;
    if (type.ends_with("part.added")) {
      CHECK(index == static_cast<std::int64_t>(item.closed.size()));
      CHECK(item.open.insert(index).second);
      item.text.clear();
    } else if (type.ends_with("part.done")) {
      CHECK(item.open.erase(index) == 1);
      item.closed.insert(index);
    } else if (index >= 0) {
      CHECK(item.open.contains(index));
    }
    if (type.ends_with(".delta")) item.text += event["delta"].get<std::string>();
    for (const auto* const whole : {"text", "arguments", "input", "refusal"}) {
      if (type.ends_with(".done") && event.contains(whole)) CHECK(event[whole] == item.text);
    }
  }

  void done(const Json& event) {
    auto& item = items_[event["output_index"].get<std::int64_t>()];
    CHECK(item.id == event["item"]["id"].get<std::string>());
    CHECK(item.type == event["item"]["type"].get<std::string>());
    CHECK(item.open.empty());
    item.done = true;
    output_[event["output_index"].get<std::int64_t>()] = event["item"];
  }

  void ended(const Json& response, const std::string& status) {
    ended_ = true;
    CHECK(response["status"] == status);
    std::vector<Json> output;
    for (const auto& [index, item] : output_) output.push_back(item);
    CHECK(response["output"] == Json(output));
    if (status == "failed") return;
    for (const auto& [index, item] : items_) CHECK(item.done);
    CHECK(response["usage"]["total_tokens"].is_number_integer());
  }

  std::int64_t sequence_ = 0;
  std::map<std::int64_t, Item> items_;
  std::map<std::int64_t, Json> output_;
  std::set<std::string> ids_;
  bool ended_ = false;
};

TEST_CASE("every event to clients of Responses fits the schema, and what they build of it is the response") {
  const auto request = read_body(
      Wire::responses,
      R"({"model":"alias","input":"Hi","instructions":"x","tools":[{"type":"function","name":"weather","parameters":{"type":"object"}},{"type":"custom","name":"time"}],"text":{"format":{"type":"text"}},"reasoning":{"effort":"low"},"metadata":{"a":"b"},"user":"u"})");
  for (const Request* const own : {static_cast<const Request*>(nullptr), &request}) {
    for (const auto& [name, stream] : streams_to(Wire::responses, own)) {
      CAPTURE(name);
      ResponseState state;
      for (const auto& frame : frames_of(stream)) {
        CAPTURE(frame.data);
        const auto event = Json::parse(frame.data);
        CHECK(event["type"] == frame.type);
        if (openapi()) CHECK(openapi()->check("ResponseStreamEvent", event) == "");
        state.take(event);
      }
      CHECK(state.ended());
    }
  }
}

TEST_CASE("whole answers of OpenAI's wires fit the schema") {
  if (!openapi()) return;
  for (const auto& each : cases()) {
    for (const Wire from : kAllWires) {
      if (each.stream(from).empty()) continue;
      const auto events = read_stream(from, each.stream(from));
      if (events.back().kind == Event::Kind::failed) continue;
      CAPTURE(each.name);
      CHECK(openapi()->check("CreateChatCompletionResponse",
                             Json::parse(*write_answer(Wire::chat, events, writing()))) == "");
      CHECK(openapi()->check("Response", Json::parse(*write_answer(Wire::responses, events, writing()))) ==
            "");
    }
  }
}

TEST_CASE("requests to OpenAI's wires fit the schema") {
  if (!openapi()) return;
  for (const auto& each : request_cases()) {
    for (const Wire from : kAllWires) {
      if (each.body(from).empty()) continue;
      CAPTURE(each.name);
      CAPTURE(llm::name_of(from));
      const auto request = read_body(from, each.body(from));
      for (const bool custom : {false, true}) {
        const auto chat = write_request(Wire::chat, request, {.model = "m", .custom_tools = custom});
        CAPTURE(chat->body);
        CHECK(openapi()->check("CreateChatCompletionRequest", Json::parse(chat->body)) == "");
      }
      const auto responses = write_request(Wire::responses, request, {.model = "m"});
      if (!responses) continue;
      CAPTURE(responses->body);
      CHECK(openapi()->check("CreateResponse", Json::parse(responses->body)) == "");
    }
  }
}

TEST_CASE("the walker finds what does not fit") {
  if (!openapi()) return;
  const auto* const api = openapi();
  CHECK(api->check("CompletionUsage", Json::parse(R"({"prompt_tokens":1,"completion_tokens":1})")) ==
        ": lacks total_tokens");
  CHECK(api->check("ResponseStreamEvent", Json::parse(R"({"type":"response.output_text.delta"})")) != "");
  CHECK(
      api->check(
          "CreateChatCompletionStreamResponse",
          Json::parse(
              R"({"id":"x","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"odd"}]})")) !=
      "");
}

}  // namespace
}  // namespace sallyport::llm::test
