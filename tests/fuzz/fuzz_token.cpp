// Tokens and key sets of strangers: read or refused, and no key verifies what it did not sign.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "sallyport/core/limits.hpp"
#include "sallyport/identity/jwt.hpp"

using namespace sallyport;
using namespace sallyport::identity;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

/// Nobody signs with this one here.
const KeySet& known() {
  static const auto set =
      KeySet::parse(R"({"keys":[{"kty":"EC","crv":"P-256","x":"axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY",)"
                    R"("y":"T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU","kid":"k1"}]})");
  require(set.has_value());
  return *set;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (auto jws = read_jws(text)) {
    require(size <= limits::kToken);
    require(jws->signed_bytes == text.substr(0, text.rfind('.')));
    require(!jws->kid || (!jws->kid->empty() && jws->kid->size() <= 256));
    require(algorithm_of(name_of(jws->algorithm)) == jws->algorithm);
    TokenRules rules{.issuer = "https://idp.example", .algorithms = {Algorithm::es256}};
    require(!verify_token(std::move(*jws), known(), rules, SystemTime(std::chrono::hours(500'000))));
  }
  if (const auto set = KeySet::parse(text)) {
    require(set->size() > 0 && set->size() <= KeySet::kKeys);
    for (const auto algorithm : {Algorithm::rs256, Algorithm::ps256, Algorithm::es256})
      require(!set->signer(algorithm, std::nullopt, "signed by nobody", std::string(64, 'x')));
  }
  return 0;
}
