#pragma once
/// Ids that carry their meaning, sealed: session ids, cursors, later request state and task ids (DESIGN 3.9).

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sallyport/core/clock.hpp"
#include "sallyport/core/error.hpp"
#include "sallyport/core/secret.hpp"

namespace sallyport::identity {

/// Seals small JSON payloads into visible-ASCII tokens bound to a purpose, a principal and an endpoint.
/// Threads: immutable after construction.
class Sealer {
 public:
  /// keys[0] seals, all open. Requires: at least one key of 32 bytes.
  explicit Sealer(std::vector<Secret> keys);
  /// `purpose` "session", "cursor" ... `bound` = principal and endpoint as one string.
  std::string seal(std::string_view purpose, std::string_view bound, std::string_view payload) const;
  /// Errors: not_found for anything that this Sealer did not make for this purpose and `bound`.
  Result<std::string> open(std::string_view purpose, std::string_view bound, std::string_view token) const;

 private:
  std::vector<Secret> keys_;
};

}  // namespace sallyport::identity
