#pragma once
/// What people see when they log a client in: sign-in, consent, and what went wrong. Plain HTML without
/// scripts.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sallyport/net/http.hpp"

namespace sallyport::identity {

/// A tool as consent shows it.
struct OfferedTool {
  std::string name, title;
  bool only_reads = false;  ///< as its server says of it
};
/// What one person may use at an endpoint.
struct Offer {
  std::string title;  ///< of the endpoint
  std::vector<OfferedTool> tools{};
  std::size_t prompts = 0, resources = 0;
  std::optional<std::size_t> models{};  ///< where the endpoint is that of model calls, which has nothing else
};

/// Somewhere else to sign in.
struct ProviderLink {
  std::string name, title;
};

struct SignInPage {
  std::string client{}, place{};   ///< who asks, and where it wants to be sent back to
  std::string request{}, query{};  ///< go with the form
  std::string name{}, problem{};   ///< as typed before, and why it comes again
  std::vector<ProviderLink> providers{};
  bool passwords = true;  ///< some people have one here
  bool other = false;     ///< somebody wants to be somebody else, wherever
};
struct ConsentPage {
  std::string client, host, place;  ///< host: that vouches for the client's name; empty: nobody does
  std::string user, resource, request, query;
  std::vector<std::string> scopes{};  ///< that it asks for beside the one that every client has
  Offer offer;
};

net::Reply sign_in_page(const SignInPage& page, int status = 200);
net::Reply consent_page(const ConsentPage& page);
/// `request`: of a form that leads to another account; empty: none.
net::Reply problem_page(int status, std::string_view title, std::string_view text,
                        std::string_view request = {}, std::string_view query = {});

}  // namespace sallyport::identity
