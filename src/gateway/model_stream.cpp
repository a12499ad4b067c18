// A provider's stream on its way to the client.
#include "frame_splitter.hpp"
#include "model_attempt.hpp"
#include "model_headers.hpp"
#include "record.hpp"
#include "sallyport/core/limits.hpp"
#include "sallyport/mcp/sse.hpp"

namespace sallyport::gateway {
namespace {

/// Sent and not yet taken: then the provider is read no further until the client has caught up.
constexpr std::size_t kAhead = 128 * limits::KiB;
/// After this a client hears that its call is under way, even if another provider can no longer be tried:
/// unless the route itself says how long this one may take.
constexpr auto kPatience = std::chrono::seconds(10);
constexpr auto kTail = std::chrono::seconds(1);

/// The chunk that a chat stream has for its usage alone: it has no choices at all.
bool is_usage_chunk(std::string_view block) {
  constexpr std::string_view kChoices = "\"choices\"";
  const auto blank = [&](std::size_t at) {
    return std::min(block.find_first_not_of(" \t", at), block.size());
  };
  const auto found = block.find(kChoices);
  if (found == std::string_view::npos) return false;
  const std::size_t colon = blank(found + kChoices.size());
  const std::size_t open = colon < block.size() && block[colon] == ':' ? blank(colon + 1) : block.size();
  const std::size_t close = open < block.size() && block[open] == '[' ? blank(open + 1) : block.size();
  return close < block.size() && block[close] == ']' && block.find("\"usage\"") != std::string_view::npos;
}

/// Held back at most, until something real was said.
constexpr std::size_t kHeldBack = 256 * limits::KiB;

/// What arrived of one stream, and what of it is to be sent.
struct Passage {
  Passage(llm::Wire from, llm::Wire to, llm::Writing writing)
      : splitter(limits::kSseEvent), sse(limits::kSseEvent), reader(from), writer(to, std::move(writing)) {}
  FrameSplitter splitter;
  mcp::SseReader sse;
  llm::EventReader reader;
  llm::EventWriter writer;
  std::vector<llm::Event> events;
  std::string ready;                     ///< to be sent
  std::optional<llm::WireError> failed;  ///< what the provider says went wrong
  std::optional<Error> broken;

  /// Takes one block. `relayed`: its bytes are sent as they are, unless the client did not ask for them.
  void take(std::string_view block, bool relayed, bool hides_usage) {
    auto frames = sse.feed(block);
    if (!frames) {
      broken = frames.error();
      return;
    }
    events.clear();
    for (const mcp::SseEvent& frame : *frames) {
      if (auto read = reader.read(frame.type, frame.data, events); !read) {
        broken = read.error();
        return;
      }
    }
    write(relayed);
    if (relayed && !(hides_usage && is_usage_chunk(block))) ready += block;
  }
  void write(bool relayed) {
    for (const llm::Event& event : events) {
      if (event.kind == llm::Event::Kind::failed) failed = event.error;
      if (!relayed) writer.write(event, ready);
    }
  }
  void finish(bool relayed) {
    events.clear();
    if (auto ended = reader.finish(events); !ended) broken = ended.error();
    write(relayed);
  }
};

}  // namespace

Attempted ModelAttempt::failed_stream(const llm::WireError& error, const net::ClientResponse& response,
                                      std::string frames) const {
  net::Reply reply{.status = llm::status_for(model_.answers, error), .content_type = "application/json"};
  reply.headers = answer_headers(response.headers(), relayed_);
  if (!same_ || wire_ != llm::Wire::responses) {
    reply.body = llm::write_error(model_.answers, error, call_.id);
    return refused(error, std::move(reply));
  }
  // Clients of this wire read in response.failed what to do, and some take an HTTP 429 for the end.
  model_.failed = true;
  reply.status = 200;
  reply.content_type = "text/event-stream";
  reply.body = std::move(frames);
  return {.status = error.status, .answer = Answer(std::move(reply))};
}

Task<Attempted> ModelAttempt::stream(net::ClientResponse response) {
  const bool hides_usage =
      wire_ == llm::Wire::chat && !model_.envelope.wants_usage && provider_.kind->stream_options;
  Passage passage(wire_, model_.answers, writing());
  net::Deadline patience(call_.here.shard);
  if (!step_.timeout) {
    patience.set(kPatience, [&] {
      begin_stream(response);
      send(std::exchange(passage.ready, {}));
    });
  }
  std::size_t ahead = 0;
  for (bool over = false; !over;) {
    auto some = co_await response.some();
    if (!some) {
      passage.broken = some.error();
    } else if (some->empty()) {
      // A last event may lack its blank line.
      if (const std::string rest = passage.splitter.rest() + "\n\n";
          rest.size() > 2 && !passage.reader.ended())
        passage.take(rest, same_, hides_usage);
      if (!passage.broken) passage.finish(same_);
      over = true;
    } else {
      auto cut = passage.splitter.feed(*some, [&](std::string_view block) {
        passage.take(block, same_, hides_usage);
        return !passage.broken && !passage.reader.ended();
      });
      if (!cut) passage.broken = cut.error();
      over = passage.reader.ended();
    }
    if (!model_.streamed) {
      // Until something real was said another provider may still be asked.
      if (passage.broken || passage.failed) price(passage.reader.usage());
      if (passage.broken) co_return failed(*passage.broken);
      if (passage.failed) co_return failed_stream(*passage.failed, response, std::move(passage.ready));
      if (!over && !passage.reader.content_began() && passage.ready.size() < kHeldBack) continue;
      patience.clear();
      begin_stream(response);
    }
    if (passage.broken) {
      const Attempted told = failed(*passage.broken);
      // The client has had the provider's own beginning.
      if (same_) passage.writer = llm::EventWriter(wire_, writing_behind(passage.reader));
      passage.writer.fail(wire_error_of(told.answer.error(), call_), passage.ready);
      send(std::exchange(passage.ready, {}));
      price(passage.reader.usage());
      co_return Attempted{.status = told.status, .answer = told.answer, .settled = true};
    }
    ahead += passage.ready.size();
    send(std::exchange(passage.ready, {}));
    if (ahead > kAhead) {
      ahead = 0;
      if (!co_await call_.stream->taken()) {
        price(passage.reader.usage());
        co_return Attempted{
            .status = 0,
            .answer = fail(Code::cancelled, Blame::client, "the client took the stream no further"),
            .settled = true,
            .says_something = false};
      }
    }
  }
  price(passage.reader.usage());
  if (passage.failed) model_.failed = true;
  net::finish_in_background(std::move(response), kTail);
  co_return Attempted{.status = 200, .answer = Answer(Streamed{}), .settled = true};
}

}  // namespace sallyport::gateway
