#pragma once
/// What consent shows: what one person may use at an endpoint.

#include <optional>
#include <string>
#include <string_view>

#include "sallyport/identity/login_pages.hpp"
#include "sallyport/policy/rules.hpp"

namespace sallyport::gateway {

struct Call;

/// For somebody who has signed in here. nullopt: there is no such endpoint, or the person may not enter it.
std::optional<identity::Offer> offer_to(Call& call, policy::Principal who, std::string_view path);

}  // namespace sallyport::gateway
