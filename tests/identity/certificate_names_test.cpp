// Which agent a client's certificate stands for.
#include "sallyport/identity/certificate_names.hpp"

#include <doctest/doctest.h>

using sallyport::identity::CertificateNames;
using sallyport::net::ClientCertificate;

TEST_CASE("a certificate names an agent where the settings say, and only where it names one") {
  const ClientCertificate shown{.fingerprint = {},
                                .subject_cn = "bot",
                                .uris = {"spiffe://a/agent/x", "spiffe://b/agent/y"},
                                .dns_names = {"one.agents", "two.agents", "elsewhere"},
                                .emails = {"z@agents"}};
  struct Row {
    const char *names, *agent;
  };
  for (const auto& row : {
           Row{"subject_cn", "bot"},
           Row{"subject_cn:*", "bot"},
           Row{"subject_cn:b*t", "o"},
           Row{"subject_cn:bot*", ""},
           Row{"san_uri:spiffe://a/agent/*", "x"},
           Row{"san_uri", ""},  // two of them
           Row{"san_dns:*.agents", ""},
           Row{"san_dns:*where", "else"},
           Row{"san_email:*@agents", "z"},
           Row{"san_email:*@evil", ""},
       }) {
    CAPTURE(row.names);
    const auto names = CertificateNames::parse(row.names);
    REQUIRE(names.has_value());
    CHECK(names->name_in(shown) == row.agent);
  }
  CHECK(CertificateNames().name_in({}).empty());
}

TEST_CASE("what is no place of a name in a certificate is refused") {
  for (const char* wrong :
       {"", "cn", "subject_cn:", "san_uri:spiffe://a/", "san_dns:*.*", "SUBJECT_CN", ":*"}) {
    CAPTURE(wrong);
    CHECK_FALSE(CertificateNames::parse(wrong).has_value());
  }
}
