#pragma once
/// Parameters as browsers and OAuth clients send them: application/x-www-form-urlencoded (WHATWG URL section
/// 5), in a body or behind the question mark.

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sallyport/core/error.hpp"
#include "sallyport/core/secret.hpp"

namespace sallyport::identity {

class Form {
 public:
  /// Errors: bad_request (an escape that is none, bytes that are no UTF-8, control characters, a name twice:
  /// RFC 6749 section 3.1, more than 50 of them).
  static Result<Form> parse(std::string_view encoded);
  /// What stands for this name; empty where it is absent or has no value: OAuth makes no difference.
  const std::string& operator[](std::string_view name) const;

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

/// A text as part of a query.
std::string url_encoded(std::string_view text);
/// `url` with these parameters behind it, whether it has some or not.
std::string with_query(std::string_view url,
                       const std::vector<std::pair<std::string_view, std::string_view>>& parameters);

/// The header line by which a client shows id and secret (RFC 6749 section 2.3.1).
std::string client_authorization(std::string_view id, const Secret& secret);

}  // namespace sallyport::identity
