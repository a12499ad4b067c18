#pragma once
/// What the other side's certificate says.

#include <openssl/x509.h>

#include <memory>

#include "sallyport/net/http.hpp"

namespace sallyport::net {

/// Names with bytes that no name has (NUL, controls, no UTF-8) are left out; so is a subject with several
/// common names.
std::shared_ptr<const ClientCertificate> read_certificate(X509& certificate);

}  // namespace sallyport::net
