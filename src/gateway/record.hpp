#pragma once
/// What the journal keeps of a call that has come to its end (DESIGN 3.8).

#include "call.hpp"

namespace sallyport::gateway {

std::int64_t micros_since(SteadyTime start);

/// The outcome of a call whose intent was written, or why it was refused, or that it was answered here. Every
/// path through the pipeline comes by once.
void record(const Call& call, const Result<Answer>& answer);

}  // namespace sallyport::gateway
