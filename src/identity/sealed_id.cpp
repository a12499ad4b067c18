#include "sallyport/identity/sealed_id.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>

#include "sallyport/core/bytes.hpp"
#include "sallyport/core/crypto.hpp"

namespace sallyport::identity {
namespace {

constexpr std::size_t kTokenBytes = 1024 * 1024;  // what we seal is smaller, an upstream's state included

/// Purpose and binding as one text; the length keeps ("ab", "c") and ("a", "bc") apart.
std::string associated(std::string_view purpose, std::string_view bound) {
  return fmt::format("{}:{}{}", purpose.size(), purpose, bound);
}

}  // namespace

Sealer::Sealer(std::vector<Secret> keys) : keys_(std::move(keys)) {
  const bool usable = !keys_.empty() &&
                      std::ranges::all_of(keys_, [](const Secret& key) { return key.reveal().size() == 32; });
  if (!usable) std::abort();
}

std::string Sealer::seal(std::string_view purpose, std::string_view bound, std::string_view payload) const {
  return base64url(sallyport::seal(keys_.front().reveal(), payload, associated(purpose, bound)));
}

Result<std::string> Sealer::open(std::string_view purpose, std::string_view bound,
                                 std::string_view token) const {
  if (token.size() <= kTokenBytes) {
    if (const auto sealed = unbase64url(token)) {
      const auto data = associated(purpose, bound);
      for (const Secret& key : keys_)
        if (auto payload = unseal(key.reveal(), *sealed, data)) return payload;
    }
  }
  return client_error(Code::not_found, "There is nothing with this id.");
}

}  // namespace sallyport::identity
