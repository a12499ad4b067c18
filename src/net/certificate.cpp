#include "certificate.hpp"

#include <openssl/asn1.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <ctime>

#include "sallyport/core/bytes.hpp"

namespace sallyport::net {
namespace {

/// Its text; empty for what no name looks like, such as one with a NUL that hides what follows.
std::string text_of(const ASN1_STRING* string) {
  unsigned char* bytes = nullptr;
  const int size = ASN1_STRING_to_UTF8(&bytes, string);
  if (size < 0) return {};
  std::string out(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
  OPENSSL_free(bytes);
  const bool controls = std::ranges::any_of(out, [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) == 0x7f;
  });
  return controls || !is_utf8(out) ? std::string() : out;
}

std::string common_name(X509& certificate) {
  X509_NAME* const subject = X509_get_subject_name(&certificate);
  const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (at < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0) return {};
  return text_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
}

SystemTime time_of(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return {};
  return time_of_seconds(::timegm(&parts));
}

void read_names(X509& certificate, ClientCertificate& out) {
  auto* const names =
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(&certificate, NID_subject_alt_name, nullptr, nullptr));
  if (names == nullptr) return;
  for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(names, i);
    int type = 0;
    const void* const value = GENERAL_NAME_get0_value(name, &type);
    auto* const list = type == GEN_URI     ? &out.uris
                       : type == GEN_DNS   ? &out.dns_names
                       : type == GEN_EMAIL ? &out.emails
                                           : nullptr;
    if (list == nullptr) continue;
    if (auto text = text_of(static_cast<const ASN1_STRING*>(value)); !text.empty())
      list->push_back(std::move(text));
  }
  GENERAL_NAMES_free(names);
}

}  // namespace

std::shared_ptr<const ClientCertificate> read_certificate(X509& certificate) {
  auto out = std::make_shared<ClientCertificate>();
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (X509_digest(&certificate, EVP_sha256(), digest, &size) == 1)
    out->fingerprint = hex(std::string_view(reinterpret_cast<const char*>(digest), size));
  out->subject_cn = common_name(certificate);
  out->expires = time_of(X509_get0_notAfter(&certificate));
  read_names(certificate, *out);
  return out;
}

}  // namespace sallyport::net
