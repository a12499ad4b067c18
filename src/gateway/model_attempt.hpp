#pragma once
/// One call to one provider: the request in its wire, its answer in the client's.

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "call.hpp"
#include "model_call.hpp"
#include "sallyport/llm/event_reader.hpp"
#include "sallyport/llm/event_writer.hpp"
#include "sallyport/llm/request.hpp"
#include "sallyport/llm/route.hpp"

namespace sallyport::gateway {

/// What became of it.
struct Attempted {
  int status = 0;  ///< the provider's; 408: its time was over; 0: it could not be reached
  std::optional<std::chrono::milliseconds> wait{};  ///< that it asks for before the next
  Result<Answer> answer;                            ///< the client's, where nothing else is tried
  bool settled = false;                             ///< whatever it was, nothing else may be tried
  bool unable = false;         ///< this provider has no place for the request, and was not called
  bool says_something = true;  ///< of the provider: not so where nothing was sent, or the client left
};

/// Threads: the call's shard. Everything it is made of outlives it.
class ModelAttempt {
 public:
  /// `asked`: the client's body as the step has it.
  ModelAttempt(Call& call, const Clock& clock, const llm::Step& step, const ModelPlace& place,
               json::Value asked);
  Task<Attempted> run();

 private:
  /// What goes to the provider. Errors: bad_request where the call cannot be put into its wire.
  Result<void> compose();
  /// A call that compose() has refused.
  Attempted not_called(const Error& error) const;
  Result<std::string> body_of_request();
  /// What is known of where a translated call goes.
  llm::Target target() const;
  Attempted failed(const Error& error) const;
  /// The provider's own refusal: `reply` as it came, where the client reads the same wire.
  Attempted refused(const llm::WireError& error, net::Reply reply) const;
  /// The provider's stream says that it failed before its first content. `frames`: as they came.
  Attempted failed_stream(const llm::WireError& error, const net::ClientResponse& response,
                          std::string frames) const;
  Task<Attempted> read(net::ClientResponse response);
  Attempted whole(const net::ClientResponse& response, std::string body);
  /// A whole answer to a client that waits for a stream.
  Attempted as_stream(const net::ClientResponse& response, const std::vector<llm::Event>& events);
  Task<Attempted> stream(net::ClientResponse response);
  void price(const llm::Usage& usage);
  llm::Writing writing() const;
  /// What goes on behind a stream that was relayed until now.
  llm::Writing writing_behind(const llm::EventReader& heard) const;
  net::Reply stream_head(const net::ClientResponse& response) const;
  /// The answer begins as a stream: from here on no other provider can be asked.
  void begin_stream(const net::ClientResponse& response);
  /// Sends what is there of the stream.
  void send(std::string bytes, net::HeldBytes share = {});

  Call& call_;
  ModelCall& model_;
  const Clock& clock_;
  const llm::Step& step_;
  const ModelPlace& place_;
  const json::Value asked_;
  const ProviderEntry& provider_;
  const llm::Wire wire_;                 ///< in which the provider is spoken to
  const bool same_;                      ///< the client asks and reads in it too
  const bool relayed_;                   ///< its bytes go through as they are
  std::optional<llm::Request> request_;  ///< where it is translated
  bool unable_ = false;                  ///< the provider has no place for the request
  std::string path_, body_, headers_;
  Cancel cancel_;  ///< of this attempt alone
  net::Deadline timer_;
};

}  // namespace sallyport::gateway
