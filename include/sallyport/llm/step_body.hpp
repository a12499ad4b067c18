#pragma once
/// A request body as one step of a route wants it.

#include <string>

#include "sallyport/json/document.hpp"
#include "sallyport/llm/route.hpp"

namespace sallyport::llm {

/// Whether step_body() would change anything.
bool changes_body(const Step& step);

/// The body with `default_params` where it has no such member, `override_params` in place of its own, and
/// then without what `drop_params` names. Members that none of them touch keep their bytes and their order;
/// new ones stand at the end. Requires: `body` is an object; anything else comes back as it is.
std::string step_body(json::Value body, const Step& step);

}  // namespace sallyport::llm
