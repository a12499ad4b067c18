#include "usage_text.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <optional>

namespace sallyport::llm {
namespace {

constexpr std::int64_t kMost = std::int64_t{1} << 50;  // sums of several stay far from overflow

std::optional<std::int64_t> count(const std::optional<json::Value>& object, std::string_view name) {
  const auto value = object ? object->find(name) : std::nullopt;
  if (!value || !value->is(json::Kind::number)) return std::nullopt;
  if (const auto whole = value->integer()) return std::clamp<std::int64_t>(*whole, 0, kMost);
  const auto number = value->number();
  return number ? static_cast<std::int64_t>(std::clamp(*number, 0.0, static_cast<double>(kMost))) : 0;
}

struct Names {
  std::string_view input, output, input_details, output_details;
};
constexpr Names kChat{"prompt_tokens", "completion_tokens", "prompt_tokens_details",
                      "completion_tokens_details"};
constexpr Names kResponses{"input_tokens", "output_tokens", "input_tokens_details", "output_tokens_details"};

// Both of OpenAI's wires count what is cached within the input.
bool read_openai(const Names& names, const json::Value& said, Usage& usage) {
  const auto input = count(said, names.input), output = count(said, names.output);
  if (!input && !output) return false;
  const auto in = said.find(names.input_details), out = said.find(names.output_details);
  auto cached = count(in, "cached_tokens");
  if (!cached) cached = count(said, "prompt_cache_hit_tokens");  // DeepSeek
  usage = {.known = true};
  usage.cache_read = std::min(cached.value_or(0), input.value_or(0));
  usage.cache_write_5m =
      std::min(count(in, "cache_write_tokens").value_or(0), input.value_or(0) - usage.cache_read);
  usage.input = input.value_or(0) - usage.cache_read - usage.cache_write_5m;
  usage.output = output.value_or(0);
  usage.reasoning = count(out, "reasoning_tokens").value_or(0);
  // Some providers count reasoning beside the completion; their total tells.
  const auto total = count(said, "total_tokens");
  if (usage.reasoning > 0 && total && *total == input.value_or(0) + usage.output + usage.reasoning)
    usage.output += usage.reasoning;
  usage.reasoning = std::min(usage.reasoning, usage.output);
  return true;
}

bool read_messages(const json::Value& said, Usage& usage) {
  const auto input = count(said, "input_tokens"), output = count(said, "output_tokens");
  if (!input && !output) return false;
  usage.known = true;
  usage.input = input.value_or(usage.input);
  usage.output = output.value_or(usage.output);
  usage.cache_read = count(said, "cache_read_input_tokens").value_or(usage.cache_read);
  const auto written = said.find("cache_creation");
  const auto long_written = count(written, "ephemeral_1h_input_tokens");
  const auto short_written = count(written, "ephemeral_5m_input_tokens");
  const auto total = count(said, "cache_creation_input_tokens");
  if (long_written || short_written) {
    usage.cache_write_1h = long_written.value_or(0);
    usage.cache_write_5m = short_written.value_or(0);
  } else if (total) {
    // A total alone says nothing new about how long: what is known to be for an hour stays so.
    usage.cache_write_1h = std::min(usage.cache_write_1h, *total);
    usage.cache_write_5m = *total - usage.cache_write_1h;
  }
  usage.reasoning = count(said.find("output_tokens_details"), "thinking_tokens").value_or(usage.reasoning);
  usage.reasoning = std::min(usage.reasoning, usage.output);
  return true;
}

}  // namespace

bool read_usage(Wire from, const json::Value& said, Usage& usage) {
  switch (from) {
    case Wire::chat:
      return read_openai(kChat, said, usage);
    case Wire::responses:
      return read_openai(kResponses, said, usage);
    case Wire::messages:
      return read_messages(said, usage);
  }
  return false;
}

std::string write_usage(Wire to, const Usage& usage) {
  const auto written = usage.cache_write_5m + usage.cache_write_1h;
  const auto input = usage.input_total();
  switch (to) {
    case Wire::chat:
      return fmt::format(R"({{"prompt_tokens":{},"completion_tokens":{},"total_tokens":{},)"
                         R"("prompt_tokens_details":{{"cached_tokens":{},"cache_write_tokens":{}}},)"
                         R"("completion_tokens_details":{{"reasoning_tokens":{}}}}})",
                         input, usage.output, input + usage.output, usage.cache_read, written,
                         usage.reasoning);
    case Wire::responses:
      return fmt::format(
          R"({{"input_tokens":{},"input_tokens_details":{{"cached_tokens":{},"cache_write_tokens":{}}},)"
          R"("output_tokens":{},"output_tokens_details":{{"reasoning_tokens":{}}},"total_tokens":{}}})",
          input, usage.cache_read, written, usage.output, usage.reasoning, input + usage.output);
    case Wire::messages:
      return fmt::format(
          R"({{"input_tokens":{},"cache_creation_input_tokens":{},"cache_read_input_tokens":{},)"
          R"("cache_creation":{{"ephemeral_5m_input_tokens":{},"ephemeral_1h_input_tokens":{}}},)"
          R"("output_tokens":{},"output_tokens_details":{{"thinking_tokens":{}}},)"
          R"("inference_geo":null,"server_tool_use":null,"service_tier":null,"speed":null}})",
          usage.input, written, usage.cache_read, usage.cache_write_5m, usage.cache_write_1h, usage.output,
          usage.reasoning);
  }
  return "{}";
}

std::string delta_usage(const Usage& usage) {
  return fmt::format(
      R"({{"input_tokens":{},"cache_creation_input_tokens":{},"cache_read_input_tokens":{},)"
      R"("output_tokens":{},"output_tokens_details":{{"thinking_tokens":{}}},"server_tool_use":null}})",
      usage.input, usage.cache_write_5m + usage.cache_write_1h, usage.cache_read, usage.output,
      usage.reasoning);
}

}  // namespace sallyport::llm
