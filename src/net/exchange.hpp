#pragma once
/// One request and its response on one upstream connection.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pool.hpp"
#include "sallyport/net/channel.hpp"
#include "sallyport/net/client.hpp"
#include "sallyport/net/response.hpp"

namespace sallyport::net {

/// A connection in the making. Whoever waits may be told earlier that it is over; the dialling then ends by
/// itself.
struct Dial {
  struct Made {
    Channel channel;
    Ticket ticket;
  };
  Slot<Result<Made>> made;
};

/// The exchange behind a ClientResponse. Made once and used again: its buffers carry every request without
/// allocating. Threads: its shard's.
struct ClientResponse::Impl {
  explicit Impl(Shard& shard) : deadline(shard) {}

  /// Writes the request's head and gathers its pieces. Errors: internal, when the request could not be framed
  /// safely.
  Result<void> compose(const ClientRequest& request, const Pool& pool);
  /// From here on the deadline and the cancellation end whatever is under way.
  void guard(SteadyTime until, Cancel* cancel);

  /// Takes a read's result while the head is awaited; true when the head is whole.
  Result<bool> took_head(Result<std::size_t> read);
  /// What came while the request was still being written.
  struct Early {
    explicit Early(Shard& shard) : stalled(shard) {}
    Slot<Result<bool>> head;
    Deadline stalled;
  };
  /// Reads beside the writing from here on, until the head is whole or nothing more can come; then the
  /// writing ends as well, unless the answer lets it go on. The exchange stays until `head` is delivered.
  std::shared_ptr<Early> read_early();
  /// Once the writing has ended: an answer without a body that came beside it is over now.
  Result<void> end_early();
  /// Takes a read's result while the body is awaited.
  Result<void> took_body(Result<std::size_t> read);
  /// Where the next read of the head, or of the body, goes.
  std::span<char> head_room();
  std::span<char> body_room();
  /// The next run of body bytes among those that have arrived; empty when there are none.
  Result<std::string_view> next_run();
  /// Appends what has arrived of the body; true when that was its end. Errors, after which the exchange has
  /// ended: too_large beyond `cap` bytes in all, and those of a body.
  Result<bool> gather(std::string& into, std::size_t cap);
  /// Counts `bytes` of the body as held. After an error the exchange has ended.
  Result<void> hold(std::size_t bytes);
  /// Takes the result of a read that went straight to the body's reader. After an error the exchange has
  /// ended.
  Result<void> took_directly(const Result<std::size_t>& read);

  /// Remembers the first error and closes. What ended the exchange from outside wins over what broke because
  /// of it.
  Failure broke(Error error);
  Failure crowded(const Origin& origin);
  Failure unsent(Error error);
  /// Error of an exchange that was ended from outside, or nothing.
  std::optional<Error> ended() const;
  /// Forgets the exchange and keeps its buffers.
  void reset();

  std::shared_ptr<Pools> pools;  ///< set while the exchange is in use
  Ticket ticket;
  std::optional<Channel> channel;
  std::shared_ptr<Dial> dial;
  Deadline deadline;
  Cancel::Watch watch;

  std::string out;                       ///< request head
  std::vector<std::string_view> pieces;  ///< request head and body
  bool kept = false;                     ///< the channel came from the pool
  bool sent = false;                     ///< the first byte may have left
  bool reusable = true;                  ///< false when the request did not get out whole
  bool uploading = false;                ///< the answer is read beside the writing
  ResponseHead head;
  bool done = false;       ///< the body has ended
  std::uint64_t left = 0;  ///< of a body with Content-Length
  std::optional<Error> failed;
  HeldBytes held;  ///< by what whole() has read

 private:
  static Task<> read_beside(Impl& x, std::shared_ptr<Early> early);
  void end_write_when_stalled(Early& early);
  enum class Why : std::uint8_t { none, timeout, cancelled };
  void end(Why why);
  Result<void> begin_body(std::size_t head_bytes);
  Result<void> finish();
  Result<void> passed(std::size_t count);
  void grow_head();

  Why why_ = Why::none;
  bool head_method_ = false;
  ChunkDecoder chunks_;
  // Bytes that arrived and wait: [begin_, end_) of `data_`, which is the head's buffer or, for large bodies,
  // a larger one.
  std::unique_ptr<char[]> head_buffer_;
  std::size_t head_capacity_ = 0;
  std::size_t head_end_ = 0;  // the head itself, which headers() looks into
  std::unique_ptr<char[]> body_buffer_;
  char* data_ = nullptr;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::size_t seen_ = 0;
  int interim_ = 0;
  bool large_ = false;
};

}  // namespace sallyport::net
