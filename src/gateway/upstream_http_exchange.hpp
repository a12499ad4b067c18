#pragma once
/// One request to an upstream over Streamable HTTP and its answer, whether that comes as JSON or on a stream
/// that may be lost and taken up again.

#include <optional>
#include <string>

#include "sallyport/core/limits.hpp"
#include "sallyport/mcp/sse.hpp"
#include "upstream_http_link.hpp"

namespace sallyport::gateway::http {

/// Who hears what comes ahead of an answer on its stream. Must outlive the exchange.
class Hearing {
 public:
  virtual ~Hearing() = default;
  virtual void notification(const mcp::Envelope& notification) = 0;
  /// An error breaks the exchange.
  virtual Result<void> request(const mcp::Envelope& request) = 0;
  /// The stream ended whole, without the answer: it will be taken up again.
  virtual void pause() = 0;
};

struct Posted {
  int status = 0;
  std::string session{};  ///< Mcp-Session-Id of the response
  std::optional<UpstreamAnswer> answer{};
  bool tied = true;            ///< `answer` names the request; not so in errors of a server that read none
  bool names_session = false;  ///< of an HTTP error: its text speaks of a session
};

/// POSTs `call` as request `id`. `own_params` replaces what the call would compose. Errors: those of
/// net::Client; upstream_broken for what is no answer to this request. An HTTP error without a JSON-RPC
/// answer, or with an error that names another request or none, is no error here. Without a hearing
/// notifications are dropped, and a request breaks the exchange.
Task<Result<Posted>> post(Link& link, const UpstreamCall& call, Identity identity, std::string id,
                          std::string own_params, Within within, Hearing* hearing = nullptr);

/// True for what a legacy server may ask a client.
bool is_question(mcp::Method method);
/// Which of its requests a `notifications/cancelled` takes back; empty where it does not say.
mcp::Id withdrawn_id(const mcp::Envelope& cancelled);

/// Answers what an upstream asks without a call to carry it: ping, and all else with an error. At most
/// limits::kUpstreamQuestions of these answers are on their way at once for one stream.
class Replies {
 public:
  explicit Replies(std::shared_ptr<Link> link) : link_(std::move(link)) {}
  /// Errors: upstream_broken when it asks faster than it takes answers.
  Result<void> pong(Identity identity, const mcp::Id& id);
  Result<void> refuse(Identity identity, const mcp::Id& id, int code, std::string_view message);

 private:
  Result<void> send(Identity identity, std::string message);
  const std::shared_ptr<Link> link_;
  std::shared_ptr<int> under_way_;
};

/// Reads messages from an event stream, one after the other. Keeps where it can be taken up again.
class MessageStream {
 public:
  struct Message {
    json::Document document;
    mcp::Envelope envelope;
  };
  explicit MessageStream(net::ClientResponse response)
      : response_(std::move(response)), reader_(std::in_place, limits::kSseEvent) {}

  /// The next message, or nothing when the stream has ended, whole or not (`lost` says why). Errors:
  /// upstream_broken for what is no message; timeout, cancelled.
  Task<Result<std::optional<Message>>> next();
  /// Why the stream ended, where it did.
  const Error& lost() const { return lost_; }
  bool ended_whole() const { return ended_whole_; }
  /// Another message has already arrived.
  bool has_more() const;
  const std::string& last_id() const { return last_id_; }
  Duration retry() const;
  /// The stream goes on in another response.
  void go_on(net::ClientResponse response);
  net::ClientResponse release() { return std::move(response_); }

 private:
  net::ClientResponse response_;
  std::optional<mcp::SseReader> reader_;
  std::vector<mcp::SseEvent> events_;
  net::HeldBytes held_;  // for an event of which the end has not come
  std::size_t at_ = 0;
  std::string last_id_;
  std::optional<int> retry_;
  Error lost_;
  bool ended_whole_ = false;
};

/// Finds out the era: a modern probe first; what refuses it in a way no modern server would is legacy (MCP
/// 2026-07-28, lifecycle: backward compatibility). Errors say what the upstream did.
Task<Result<UpstreamIdentity>> handshake(Link& link, Within within);
/// A legacy session that knows `capabilities`.
Task<Result<UpstreamIdentity>> initialize(Link& link, std::string capabilities, Within within);

}  // namespace sallyport::gateway::http
