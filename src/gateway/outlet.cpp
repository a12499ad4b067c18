#include "outlet.hpp"

#include "sallyport/core/limits.hpp"

namespace sallyport::gateway {

bool Outlet::send(std::string frames, net::HeldBytes share) {
  if (shard_.is_current()) {
    push(std::move(frames), std::move(share));
    return true;
  }
  return shard_.post([self = shared_from_this(), bytes = std::move(frames),
                      its = std::move(share)]() mutable { self->push(std::move(bytes), std::move(its)); });
}

void Outlet::end() {
  if (shard_.is_current()) {
    ended_ = true;
    finish();
  } else {
    (void)shard_.post([self = shared_from_this()] {
      self->ended_ = true;
      self->finish();
    });
  }
}

void Outlet::start(net::EventStream& stream, std::string first) {
  stream_ = &stream;
  first += std::exchange(early_, {});
  if (!first.empty()) push(std::move(first));
  if (ended_) finish();
}

void Outlet::leave() {
  left_ = true;
  stream_ = nullptr;
  early_ = {};
  finish();
}

void Outlet::push(std::string frames, net::HeldBytes share) {
  if (left_) return;
  if (!stream_) {
    early_ += frames;
    if (early_.size() > limits::kSseQueue) leave();
  } else if (!stream_->push(std::move(frames), std::move(share))) {
    leave();
  }
}

void Outlet::finish() {
  // Whoever waits goes on in a turn of its own: it may take apart what the caller is still walking through.
  if (over_.delivered() || (!stream_ && !left_)) return;
  shard_.at_turn_end([self = shared_from_this()] { self->over_.deliver(true); });
}

}  // namespace sallyport::gateway
