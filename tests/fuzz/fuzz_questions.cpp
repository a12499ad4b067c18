/// What clients bring back and what upstreams ask: event ids, ids of questions, sealed states, capabilities,
/// results whose links are renamed. Nothing crashes; what is read again says the same; JSON stays JSON.

#include <cstdint>
#include <cstdlib>
#include <string>

#include "../../src/gateway/event_log.hpp"
#include "../../src/gateway/questions.hpp"
#include "../../src/gateway/request_state.hpp"
#include "sallyport/gateway/upstream.hpp"
#include "sallyport/identity/sealed_id.hpp"
#include "sallyport/json/document.hpp"
#include "sallyport/mcp/compose.hpp"

using namespace sallyport;
using namespace sallyport::gateway;

namespace {

void must(bool holds) {
  if (!holds) std::abort();
}

const identity::Sealer& sealer() {
  static const identity::Sealer one({Secret(std::string(32, 'k'))});
  return one;
}

void read_ids(const std::string& text) {
  if (const auto id = EventId::parse(text)) must(id->text() == text && id->shard >= 0);
  (void)Questions::shard_of(text);
  must(!open_state(sealer(), text, "someone", "digest", SystemTime{}).has_value());
}

/// What an upstream calls its state comes back to it byte by byte, and to nobody else.
void carry_state(const json::Document& document) {
  if (!document.root().is(json::Kind::string)) return;
  const std::string theirs(document.root().raw());
  const RequestState state{.digest = "digest", .call = theirs, .expires = 60, .upstream = theirs};
  const std::string token = seal_state(sealer(), state, "someone");
  const auto again = open_state(sealer(), token, "someone", "digest", SystemTime{});
  must(again && again->upstream == theirs && again->call == theirs);
  must(!open_state(sealer(), token, "someone else", "digest", SystemTime{}).has_value());
  must(!open_state(sealer(), token, "someone", "another", SystemTime{}).has_value());
}

void ask(const json::Document& document) {
  if (!document.root().is(json::Kind::object)) return;
  const auto task =
      json::Document::parse(mcp::own_task(document.root(), "a \"task\"", "up+"), json::kUpstream);
  must(task && task->root().find("taskId")->string() == "a \"task\"");
  const std::string raw(document.root().raw());
  const std::string carried = wire::carried_capabilities(raw);
  must(json::Document::parse(carried).has_value());
  must(wire::carried_capabilities(carried) == carried);
  for (const auto method : {mcp::Method::elicitation_create, mcp::Method::sampling_create_message}) {
    const Question question{.method = method, .params = raw};
    (void)may_ask(carried, question);
    (void)final_action(question, {.raw = raw});
    for (const bool modern : {true, false})
      must(json::Document::parse(params_for(question, modern)).has_value());
  }
}

void rename(const json::Document& document) {
  const std::string raw(document.root().raw());
  const auto renamed = mcp::prefix_uris(raw, "up+");
  must(json::Document::parse(renamed, json::kUpstream).has_value());
  if (!document.root().is(json::Kind::object)) return;
  if (const auto tool = mcp::prefix_app_resource(document.root(), "up+"))
    must(json::Document::parse(*tool, json::kUpstream).has_value());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  read_ids(text);
  if (const auto document = json::Document::parse(text, json::kUpstream)) rename(*document);
  if (const auto document = json::Document::parse(text)) {
    carry_state(*document);
    ask(*document);
  }
  return 0;
}
