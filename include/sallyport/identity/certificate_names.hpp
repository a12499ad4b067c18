#pragma once
/// Which agent a client's certificate stands for.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sallyport/net/http.hpp"

namespace sallyport::identity {

/// Where in a certificate the name stands, and what stands around it there.
struct CertificateNames {
  enum class From : std::uint8_t { subject_cn, san_uri, san_dns, san_email } from = From::subject_cn;
  std::string before{}, after{};
  /// "subject_cn", "san_uri:spiffe://acme.example/agent/*": a '*' is the name. nullopt for anything else.
  static std::optional<CertificateNames> parse(std::string_view text);
  /// The agent's name; empty where the certificate names none, or several.
  std::string name_in(const net::ClientCertificate& certificate) const;
};

}  // namespace sallyport::identity
