#include "sallyport/llm/request.hpp"

#include "source.hpp"
#include "target.hpp"

namespace sallyport::llm {

Result<Request> read_request(Wire from, json::Value body) {
  Reading reading{.request = {.from = from}, .error = {}};
  switch (from) {
    case Wire::chat:
      read_chat(body, reading);
      break;
    case Wire::responses:
      read_responses(body, reading);
      break;
    case Wire::messages:
      read_messages(body, reading);
      break;
  }
  if (reading.error) return std::unexpected(*std::move(reading.error));
  return std::move(reading.request);
}

Result<Written> write_request(Wire to, const Request& request, const Target& target) {
  Rendering rendering(request, target, to);
  std::string body;
  switch (to) {
    case Wire::chat:
      body = write_chat(rendering);
      break;
    case Wire::responses:
      body = write_responses(rendering);
      break;
    case Wire::messages:
      body = write_messages(rendering);
      break;
  }
  if (auto refused = rendering.refusal()) return std::unexpected(*std::move(refused));
  return Written{.body = std::move(body), .dropped = rendering.dropped()};
}

}  // namespace sallyport::llm
