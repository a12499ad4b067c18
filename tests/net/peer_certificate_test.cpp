// What is read in the certificate of the other side.
#include <doctest/doctest.h>
#include <openssl/asn1.h>
#include <openssl/x509.h>

#include <memory>

#include "../../src/net/certificate.hpp"

namespace sallyport::net {
namespace {

std::shared_ptr<const ClientCertificate> with_end(const char* time) {
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(X509_new(), &X509_free);
  REQUIRE(ASN1_TIME_set_string(X509_getm_notAfter(certificate.get()), time) == 1);
  return read_certificate(*certificate);
}

}  // namespace

TEST_CASE("a certificate without a well-defined end, of the year 9999, has not expired (RFC 5280 4.1.2.5)") {
  CHECK(with_end("20270131120001Z")->expires == time_of_seconds(1801396801));
  CHECK(with_end("99991231235959Z")->expires > system_clock().now());
}

}  // namespace sallyport::net
