#include "sallyport/llm/envelope.hpp"

#include "client_requests.hpp"

namespace sallyport::llm::test {
namespace {

TEST_CASE("an envelope says what a call is about") {
  struct Row {
    Wire wire;
    std::string body;
    std::string told;  // model, stream, usage, user; or the hint
  };
  const Row rows[] = {
      {Wire::chat, R"({"model":"m"})", "m 0 0 "},
      {Wire::chat, R"({"model":"m","stream":true,"stream_options":{"include_usage":true},"user":"u"})",
       "m 1 1 u"},
      {Wire::chat, R"({"model":"m","stream":null,"stream_options":null,"user":"u","safety_identifier":"s"})",
       "m 0 0 s"},
      {Wire::responses, R"({"model":"m","stream":true,"stream_options":{"include_usage":true}})", "m 1 0 "},
      {Wire::messages, R"({"model":"m","metadata":{"user_id":"u"},"user":"no"})", "m 0 0 u"},
      {Wire::chat, R"({"stream":true})", "model: must be a string that names a model"},
      {Wire::chat, R"({"model":""})", "model: must be a string that names a model"},
      {Wire::chat, R"({"model":7})", "model: must be a string that names a model"},
      {Wire::chat, R"({"model":"m","stream":"yes"})", "stream: must be true or false"},
      {Wire::chat, R"(["m"])", "body: must be an object"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.body);
    const auto document = parsed(row.body);
    const auto envelope = read_envelope(row.wire, document.root());
    const auto text = envelope ? fmt::format("{} {:d} {:d} {}", envelope->model, envelope->stream,
                                             envelope->wants_usage, envelope->user)
                               : envelope.error().hint;
    CHECK(text == row.told);
    if (!envelope) CHECK(envelope.error().code == Code::bad_request);
  }
}

TEST_CASE("a body of the Responses wire is known by its input") {
  const auto shaped = [](const std::string& body) {
    const auto document = parsed(body);
    return is_responses_shaped(document.root());
  };
  CHECK(shaped(R"({"model":"m","input":"Hi"})"));
  CHECK(shaped(R"({"input":[],"messages":null})"));
  CHECK_FALSE(shaped(R"({"messages":[]})"));
  CHECK_FALSE(shaped(R"({"messages":[],"input":"x"})"));
  CHECK_FALSE(shaped(R"([])"));
}

TEST_CASE("the same wire gets the body that came, but for what was to change") {
  struct Row {
    std::string why, body;
    Rewrite rewrite;
    std::string out;
  };
  const Row rows[] = {
      {"the model, where it stood",
       R"({ "b" : 1.10, "model":"alias", "t":"\u00e9" })",
       {.model = "real"},
       R"({"b":1.10,"model":"real","t":"\u00e9"})"},
      {"nothing", R"({"model":"m","x":[ 1, 2 ]})", {}, R"({"model":"m","x":[ 1, 2 ]})"},
      {"a model that was missing", R"({"x":1})", {.model = "m"}, R"({"x":1,"model":"m"})"},
      {"overrides, in place and at the end",
       R"({"model":"a","temperature":1})",
       {.model = "m", .overrides = R"({"temperature":0.5,"seed":{"a": 1},"model":"lost"})"},
       R"({"model":"m","temperature":0.5,"seed":{"a": 1}})"},
      {"usage is asked for",
       R"({"model":"m","stream":true})",
       {.ask_usage = true},
       R"({"model":"m","stream":true,"stream_options":{"include_usage":true}})"},
      {"usage beside other options",
       R"({"stream_options":{"include_usage":false,"include_obfuscation":false}})",
       {.ask_usage = true},
       R"({"stream_options":{"include_obfuscation":false,"include_usage":true}})"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.why);
    const auto document = parsed(row.body);
    CHECK(rewrite(document.root(), row.rewrite) == row.out);
  }
}

}  // namespace
}  // namespace sallyport::llm::test
