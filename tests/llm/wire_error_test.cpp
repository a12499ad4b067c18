#include "sallyport/llm/wire_error.hpp"

#include "spoken.hpp"

namespace sallyport::llm::test {
namespace {

std::string told_error(const WireError& error) {
  return fmt::format("{}|{}|{}|{}|{}", error.status, error.type, error.code, error.param, error.message);
}

TEST_CASE("errors of any provider are read, whatever their body") {
  struct Row {
    Wire from;
    int status;
    std::string body, told;
  };
  const Row rows[] = {
      {Wire::chat, 429,
       R"({"error":{"message":"later","type":"requests","param":null,"code":"rate_limit_exceeded"}})",
       "429|requests|rate_limit_exceeded||later"},
      {Wire::chat, 400,
       R"({"error":{"message":"bad","type":"invalid_request_error","param":"messages[0]","code":null}})",
       "400|invalid_request_error||messages[0]|bad"},
      {Wire::messages, 529,
       R"({"type":"error","error":{"type":"overloaded_error","message":"busy"},"request_id":"r"})",
       "529|overloaded_error|||busy"},
      {Wire::messages, 400,
       R"({"type":"error","error":{"type":"invalid_request_error","message":"m","details":{"error_code":"x"}}})",
       "400|invalid_request_error|x||m"},
      {Wire::chat, 400, R"([{"error":{"code":400,"message":"bad","status":"INVALID_ARGUMENT"}}])",
       "400|INVALID_ARGUMENT|400||bad"},
      {Wire::chat, 500, R"({"error":"boom"})", "500||||boom"},
      {Wire::chat, 404, R"({"detail":"Not Found"})", "404||||Not Found"},
      {Wire::chat, 422, R"({"message":"no","code":7})", "422||7||no"},
      {Wire::chat, 502, "<html>\n<b>Bad\tGateway</b>\x01\xff</html>",
       "502||||<html> <b>Bad Gateway</b></html>"},
      {Wire::chat, 503, "", "503||||the provider said no more than the status"},
      {Wire::chat, 500, "null", "500||||null"},
      {Wire::chat, 500, R"({"error":[1]})", R"(500||||{"error":[1]})"},
      {Wire::messages, 0, R"({"type":"error","error":{"type":"rate_limit_error","message":"m"}})",
       "429|rate_limit_error|||m"},
      {Wire::messages, 0, R"({"type":"error","error":{"type":"brand_new","message":"m"}})",
       "500|brand_new|||m"},
      {Wire::responses, 0, R"({"type":"error","code":"insufficient_quota","message":"m","param":null})",
       "402||insufficient_quota||m"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.body);
    CHECK(told_error(read_error(row.from, row.status, row.body)) == row.told);
  }
  CHECK(read_error(Wire::chat, 500, std::string(100000, 'x')).message.size() == 2048);
}

TEST_CASE("errors reach clients of any wire under their own names") {
  struct Row {
    std::string why;
    WireError error;
    int openai_status;
    std::string openai;  // type, code
    int messages_status;
    std::string messages;  // type
  };
  const Row rows[] = {
      {"a bad request",
       {.status = 400, .type = "invalid_request_error"},
       400,
       "invalid_request_error null",
       400,
       "invalid_request_error"},
      {"a bad key",
       {.status = 401, .type = "invalid_request_error", .code = "invalid_api_key"},
       401,
       R"(invalid_request_error "invalid_api_key")",
       401,
       "authentication_error"},
      {"no money left, as OpenAI has it",
       {.status = 429, .type = "insufficient_quota", .code = "insufficient_quota"},
       429,
       R"(insufficient_quota "insufficient_quota")",
       402,
       "billing_error"},
      {"no money left, as Anthropic has it",
       {.status = 402, .type = "billing_error"},
       429,
       R"(insufficient_quota "insufficient_quota")",
       402,
       "billing_error"},
      {"forbidden",
       {.status = 403, .type = "permission_error"},
       403,
       "permission_error null",
       403,
       "permission_error"},
      {"no such model, as OpenAI has it",
       {.status = 404, .type = "invalid_request_error", .code = "model_not_found"},
       404,
       R"(invalid_request_error "model_not_found")",
       404,
       "not_found_error"},
      {"no such model, as Anthropic has it",
       {.status = 404, .type = "not_found_error"},
       404,
       R"(invalid_request_error "model_not_found")",
       404,
       "not_found_error"},
      {"too large",
       {.status = 413, .type = "request_too_large"},
       413,
       R"(invalid_request_error "request_too_large")",
       413,
       "request_too_large"},
      {"too fast, as OpenAI has it",
       {.status = 429, .type = "tokens", .code = "rate_limit_exceeded"},
       429,
       R"(tokens "rate_limit_exceeded")",
       429,
       "rate_limit_error"},
      {"too fast, as Anthropic has it",
       {.status = 429, .type = "rate_limit_error"},
       429,
       R"(rate_limit_exceeded "rate_limit_exceeded")",
       429,
       "rate_limit_error"},
      {"their fault", {.status = 500, .type = "api_error"}, 500, "server_error null", 500, "api_error"},
      {"overload, as OpenAI has it",
       {.status = 503, .type = "server_error"},
       503,
       "server_error null",
       529,
       "overloaded_error"},
      {"overload, as Anthropic has it",
       {.status = 529, .type = "overloaded_error"},
       503,
       "server_error null",
       529,
       "overloaded_error"},
      {"unavailable without a word", {.status = 503}, 503, "server_error null", 503, "api_error"},
      {"too late", {.status = 504}, 504, "timeout null", 504, "timeout_error"},
      {"a status that nobody knows",
       {.status = 418},
       418,
       "invalid_request_error null",
       418,
       "invalid_request_error"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.why);
    for (const Wire wire : {Wire::chat, Wire::responses}) {
      CHECK(status_for(wire, row.error) == row.openai_status);
      const auto document = parsed(write_error(wire, row.error, "req"));
      const auto inner = *document.root().find("error");
      CHECK(*inner.find("type")->string() + " " + std::string(inner.find("code")->raw()) == row.openai);
      CHECK(inner.find("param").has_value());
      CHECK(inner.find("message").has_value());
    }
    CHECK(status_for(Wire::messages, row.error) == row.messages_status);
    const auto document = parsed(write_error(Wire::messages, row.error, "req"));
    CHECK(document.root().find("type")->string() == "error");
    CHECK(document.root().find("request_id")->string() == "req");
    CHECK(document.root().find("error")->find("type")->string() == row.messages);
  }
}

TEST_CASE("a conversation that is too long is told in the words that each client looks for") {
  const WireError openai{
      .status = 400, .code = "context_length_exceeded", .message = "This model's maximum is 8"};
  const auto to_messages = parsed(write_error(Wire::messages, openai, {}));
  CHECK(to_messages.root().find("error")->find("message")->string() ==
        "prompt is too long: This model's maximum is 8");
  const WireError anthropic{
      .status = 400, .type = "invalid_request_error", .message = "prompt is too long: 9 tokens > 8 maximum"};
  const auto to_openai = parsed(write_error(Wire::responses, anthropic, {}));
  CHECK(to_openai.root().find("error")->find("code")->string() == "context_length_exceeded");
  const auto same = parsed(write_error(Wire::messages, anthropic, {}));
  CHECK(same.root().find("error")->find("message")->string() == anthropic.message);
}

}  // namespace
}  // namespace sallyport::llm::test
