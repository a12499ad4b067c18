#include "sallyport/identity/certificate_names.hpp"

#include <array>
#include <utility>
#include <vector>

namespace sallyport::identity {
namespace {

using From = CertificateNames::From;
constexpr std::array<std::pair<std::string_view, From>, 4> kSources{{{"subject_cn", From::subject_cn},
                                                                     {"san_uri", From::san_uri},
                                                                     {"san_dns", From::san_dns},
                                                                     {"san_email", From::san_email}}};

}  // namespace

std::optional<CertificateNames> CertificateNames::parse(std::string_view text) {
  const auto colon = text.find(':');
  const auto word = text.substr(0, colon);
  for (const auto& [name, source] : kSources) {
    if (name != word) continue;
    CertificateNames out{.from = source};
    if (colon == text.npos) return out;
    const auto pattern = text.substr(colon + 1);
    const auto star = pattern.find('*');
    if (star == pattern.npos || pattern.find('*', star + 1) != pattern.npos) return std::nullopt;
    out.before = pattern.substr(0, star);
    out.after = pattern.substr(star + 1);
    return out;
  }
  return std::nullopt;
}

std::string CertificateNames::name_in(const net::ClientCertificate& certificate) const {
  std::vector<std::string> texts;
  if (from == From::subject_cn) texts.push_back(certificate.subject_cn);
  if (from == From::san_uri) texts = certificate.uris;
  if (from == From::san_dns) texts = certificate.dns_names;
  if (from == From::san_email) texts = certificate.emails;
  std::string out;
  for (const std::string_view text : texts) {
    if (text.size() <= before.size() + after.size() || !text.starts_with(before) || !text.ends_with(after))
      continue;
    const auto name = text.substr(before.size(), text.size() - before.size() - after.size());
    // Two names are none: nobody could say whose certificate it is.
    if (!out.empty() && out != name) return {};
    out = name;
  }
  return out;
}

}  // namespace sallyport::identity
