// What clients and browsers send to the built-in authorization server: forms, and clients' own descriptions.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "sallyport/core/bytes.hpp"
#include "sallyport/core/limits.hpp"
#include "sallyport/identity/form.hpp"
#include "sallyport/identity/oauth_client.hpp"

using namespace sallyport;
using namespace sallyport::identity;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

/// Goes into a Location header and onto a page.
bool is_harmless(std::string_view text) {
  for (const char c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return false;
  return is_utf8(text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto form = Form::parse(text)) {
    for (const char* name : {"a", "state", "redirect_uri"}) {
      const std::string& value = (*form)[name];
      require(is_harmless(value));
      const auto again =
          Form::parse(std::string_view(with_query("/x", {{name, value}})).substr(value.empty() ? 2 : 3));
      require(again && (*again)[name] == value);
    }
  }
  if (is_redirect(text)) {
    require(is_harmless(text) && !text.contains('#') && !text.contains(' ') && !text.contains('"'));
    require(!text.starts_with("javascript:") && !text.starts_with("data:") && !text.starts_with("file:"));
    require(!place_of(text).empty());
    require(!may_return_to({.redirects = {"https://elsewhere.example/back"}}, text) ||
            text == "https://elsewhere.example/back");
  }
  auto document = json::Document::parse(std::string(text));
  if (!document) return 0;
  if (const auto client = read_client(document->root())) {
    require(!client->redirects.empty() && client->redirects.size() <= limits::kRedirects);
    require(!client->name.empty() && client->name.size() <= limits::kClientName + 4 &&
            is_harmless(client->name));
    for (const auto& uri : client->redirects) require(is_redirect(uri) && may_return_to(*client, uri));
    static const Sealer sealer({Secret(std::string(32, 'k'))});
    if (const auto id = sealed_client(sealer, *client)) {
      const auto opened = opened_client(sealer, *id);
      require(opened && opened->name == client->name && opened->redirects == client->redirects);
    }
  }
  return 0;
}
