/// Bytes as a model request of each wire: nothing crashes; what is accepted can be written for every wire as
/// a body that is JSON, and that wire's own reader takes it; the envelope and the rewritten body agree.
/// Input: one byte that chooses what is known of the target, then the body.

#include <cstdint>
#include <cstdlib>
#include <string>

#include "sallyport/json/document.hpp"
#include "sallyport/llm/envelope.hpp"
#include "sallyport/llm/request.hpp"

using namespace sallyport;

namespace {

constexpr llm::Wire kWires[] = {llm::Wire::chat, llm::Wire::responses, llm::Wire::messages};
// A body holds what was nested in a text before, and members of a call's arguments may repeat.
constexpr json::Rules kWritten{.unique_keys = false, .max_depth = 200};

void must(bool holds) {
  if (!holds) std::abort();
}

llm::Target target_of(unsigned bits) {
  return {.model = "there",
          .max_output = bits & 1 ? 100 : 0,
          .reasons = (bits & 2) == 0,
          .adaptive_thinking = (bits & 4) == 0,
          .sampling = (bits & 8) == 0,
          .custom_tools = (bits & 16) != 0,
          .old_limit = (bits & 32) != 0,
          .lenient = (bits & 64) != 0};
}

void translate(const llm::Request& request, const llm::Target& target) {
  for (const auto to : kWires) {
    const auto written = llm::write_request(to, request, target);
    if (!written) {
      must(written.error().code == Code::bad_request && !written.error().hint.empty());
      continue;
    }
    for (const auto& name : written->dropped)
      must(!name.empty() && name.find_first_of("\r\n") == std::string::npos);
    const auto body = json::Document::parse(written->body, kWritten);
    must(body.has_value());
    must(body->root().find("model")->string() == "there");
    must(llm::read_request(to, body->root()).has_value());
  }
}

void same_wire(llm::Wire wire, json::Value body) {
  if (!body.is(json::Kind::object)) return;
  const auto out = llm::rewrite(body, {.model = "there", .overrides = R"({"x":[1]})", .ask_usage = true});
  const auto again = json::Document::parse(out);
  must(again.has_value() && again->root().find("x")->raw() == "[1]");
  const auto before = llm::read_envelope(wire, body);
  const auto after = llm::read_envelope(wire, again->root());
  if (!before) return;
  must(after && after->model == "there" && after->stream == before->stream && after->user == before->user);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto document = json::Document::parse(std::string(reinterpret_cast<const char*>(data + 1), size - 1));
  if (!document) return 0;
  (void)llm::is_responses_shaped(document->root());
  for (const auto wire : kWires) {
    same_wire(wire, document->root());
    const auto request = llm::read_request(wire, document->root());
    if (request)
      translate(*request, target_of(data[0]));
    else
      must(request.error().code == Code::bad_request && !request.error().hint.empty());
  }
  return 0;
}
