#include "sallyport/core/secret.hpp"

#include <openssl/crypto.h>

namespace sallyport {

void Secret::wipe() noexcept {
  // A moved-from or shortened string still holds the old bytes up to its capacity.
  value_.resize(value_.capacity());
  OPENSSL_cleanse(value_.data(), value_.size());
  value_.clear();
}

}  // namespace sallyport
