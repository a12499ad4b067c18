#include "call.hpp"
#include "sallyport/core/limits.hpp"

namespace sallyport::gateway {

Task<Result<void>> take_body(Call& call, std::size_t cap) {
  auto body = co_await call.exchange.read_body(cap);
  if (!body) co_return Failure(body.error());
  call.bytes_in = body->size();
  auto document = json::Document::parse(std::move(*body));
  if (!document) co_return Failure(document.error());
  call.body = std::make_shared<const json::Document>(std::move(*document));
  if (call.bytes_in > limits::kUncounted && !call.held.set(call.bytes_in + call.body->index_bytes()))
    co_return fail(Code::limited, Blame::us, "bytes in flight", true);
  co_return Result<void>();
}

}  // namespace sallyport::gateway
