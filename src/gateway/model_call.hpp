#pragma once
/// What is known of a model call besides what every call has.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sallyport/llm/catalogue.hpp"
#include "sallyport/llm/envelope.hpp"
#include "sallyport/llm/request.hpp"
#include "sallyport/llm/usage.hpp"
#include "sallyport/llm/wire.hpp"
#include "sallyport/llm/wire_error.hpp"

namespace sallyport::gateway {

struct Call;

struct ModelCall {
  llm::Operation operation = llm::Operation::chat;
  llm::Wire asks = llm::Wire::chat;     ///< of the body
  llm::Wire answers = llm::Wire::chat;  ///< that the client reads
  llm::Envelope envelope{};
  std::map<std::string, std::string, std::less<>> metadata{};

  // For the record and for the headers of the answer.
  std::string route{};     ///< name of a stored one
  std::string option{};    ///< path of the step that was called last
  std::string provider{};  ///< what stands before the model in its canonical name
  std::string kind{};      ///< `api` of that provider
  std::string model{};     ///< as the provider calls it
  std::string brought{};   ///< what the request brings along, by target: a JSON object, or empty
  std::string tried{};     ///< JSON objects of the attempts, with commas
  int attempts = 0;
  int retries = 0;                             ///< as x-portkey-retry-attempt-count has it
  std::optional<std::int64_t> first_micros{};  ///< until the first content of a stream
  llm::Usage usage{};
  std::optional<std::int64_t> cost{};  ///< picodollars
  std::vector<std::string> dropped{};  ///< fields that the provider has no place for
  bool streamed = false;               ///< the answer has begun as a stream
  bool late = false;                   ///< the time that the request gave it was over
  bool failed = false;                 ///< the provider said that it failed
  std::size_t sent_bytes = 0;          ///< of that stream
  bool too_long = false;               ///< more went out than records keep: then they keep none of it
  std::string config{};                ///< digest of a config that came with the request
  std::string sent{};                  ///< what went out on the stream, for the record
};

/// The call that this path begins; nullopt for paths that are none of the model API's. HEAD and GET count as
/// what they ask about.
std::optional<ModelCall> model_call_at(std::string_view path);

/// Headers that every answer to a model call carries.
std::vector<std::pair<std::string, std::string>> headers_of(const Call& call);

/// An error of ours as the model wires spell it.
llm::WireError wire_error_of(const Error& error, const Call& call);

/// Notes in `tried` how the last attempt ended, and what it is known to have used.
void add_attempt(ModelCall& call, std::string_view target, int status, std::int64_t micros);

/// The members of the journal's `model`: what the call was and cost. Raw JSON object.
std::string model_record(const ModelCall& call);

}  // namespace sallyport::gateway
