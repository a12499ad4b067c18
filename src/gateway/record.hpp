#pragma once
/// What the journal keeps of a call that has come to its end (DESIGN 3.8).

#include "call.hpp"

namespace sallyport::gateway {

std::int64_t micros_since(SteadyTime start);

/// How much of a payload records keep, as the journal counts it.
int capture_of(store::Capture capture);

/// Writes what is about to be called and comes back when that stands. `arguments` as they go upstream;
/// `continues`: the call whose question this one answers. Errors: unavailable, and then nothing may be sent.
Task<Result<void>> intend(Call& call, std::string_view arguments, std::string_view continues);

/// The outcome of a call whose intent was written, or why it was refused, or that it was answered here. Every
/// path through the pipeline comes by once.
void record(const Call& call, const Result<Answer>& answer);

}  // namespace sallyport::gateway
