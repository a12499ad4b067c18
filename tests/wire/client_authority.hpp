#pragma once
/// An authority that makes clients' certificates, and a client that shows them, over OpenSSL alone.

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <memory>
#include <string>

#include "gateway_fixture.hpp"
#include "net/certificate.hpp"

namespace sallyport::testing {

struct KeyFree {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(SSL* ssl) const { SSL_free(ssl); }
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  void operator()(SSL_SESSION* session) const { SSL_SESSION_free(session); }
};
template <class T>
using Held = std::unique_ptr<T, KeyFree>;

/// A certificate with its key.
struct Proof {
  Held<X509> certificate;
  Held<EVP_PKEY> key;
};

class ClientAuthority {
 public:
  ClientAuthority() : own_(made("Authority", "", "critical,CA:TRUE", "", 3600, nullptr)) {
    file = directory_.path + "/ca.pem";
    std::FILE* const out = std::fopen(file.c_str(), "w");
    PEM_write_X509(out, own_.certificate.get());
    std::fclose(out);
  }
  /// `names`: subjectAltName as OpenSSL writes it, "URI:spiffe://a/b"; empty: none. `lasts`: seconds from
  /// now.
  Proof issues(const std::string& cn, const std::string& names = "", long lasts = 3600,
               const std::string& usage = "clientAuth") const {
    return made(cn, names, "critical,CA:FALSE", usage, lasts, &own_);
  }
  std::string file;

 private:
  static void add(X509* to, int nid, const std::string& value) {
    if (value.empty()) return;
    X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value.c_str());
    REQUIRE(extension != nullptr);
    X509_add_ext(to, extension, -1);
    X509_EXTENSION_free(extension);
  }
  static Proof made(const std::string& cn, const std::string& names, const std::string& constraints,
                    const std::string& usage, long lasts, const Proof* by) {
    static long serial = 1;
    Proof out{.certificate = Held<X509>(X509_new()), .key = Held<EVP_PKEY>(EVP_EC_gen("P-256"))};
    X509* const certificate = out.certificate.get();
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -7200);
    X509_gmtime_adj(X509_getm_notAfter(certificate), lasts);
    X509_set_pubkey(certificate, out.key.get());
    X509_NAME* const subject = X509_get_subject_name(certificate);
    if (!cn.empty())
      X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                                 reinterpret_cast<const unsigned char*>(cn.data()),
                                 static_cast<int>(cn.size()), -1, 0);
    X509_set_issuer_name(certificate, by ? X509_get_subject_name(by->certificate.get()) : subject);
    add(certificate, NID_basic_constraints, constraints);
    add(certificate, NID_ext_key_usage, usage);
    add(certificate, NID_subject_alt_name, names);
    X509_sign(certificate, by ? by->key.get() : out.key.get(), EVP_sha256());
    return out;
  }

  TempDirectory directory_;
  Proof own_;
};

/// One TLS connection to this machine.
class TlsClient {
 public:
  /// `proof` null: shows none. `resumed`: a session of an earlier connection.
  TlsClient(std::uint16_t port, const Proof* proof, SSL_SESSION* resumed = nullptr,
            int version = TLS1_3_VERSION)
      : context_(SSL_CTX_new(TLS_client_method())), socket_(RawSocket::to(port)) {
    SSL_CTX_set_max_proto_version(context_.get(), version);
    if (proof) {
      SSL_CTX_use_certificate(context_.get(), proof->certificate.get());
      SSL_CTX_use_PrivateKey(context_.get(), proof->key.get());
    }
    ssl_.reset(SSL_new(context_.get()));
    const timeval patience{.tv_sec = 20, .tv_usec = 0};
    ::setsockopt(socket_.fd(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    SSL_set_fd(ssl_.get(), socket_.fd());
    if (resumed) SSL_set_session(ssl_.get(), resumed);
    shaken = SSL_connect(ssl_.get()) == 1;
    ERR_clear_error();
  }
  /// Status 0: the connection ended without an answer.
  Response ask(const std::string& bytes) {
    Response out;
    if (!shaken || SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size())) <= 0) return out;
    std::string got;
    char part[4096];
    for (;;) {
      const auto head = got.find("\r\n\r\n");
      if (head != std::string::npos) {
        const auto at = got.find("Content-Length: ");
        const std::size_t length = at < head ? std::stoul(got.substr(at + 16)) : 0;
        if (got.size() >= head + 4 + length) {
          out.status = std::stoi(got.substr(9, 3));
          out.head = got.substr(0, head + 2);
          out.body = got.substr(head + 4, length);
          return out;
        }
      }
      const int n = SSL_read(ssl_.get(), part, sizeof part);
      ERR_clear_error();
      if (n <= 0) return out;
      got.append(part, static_cast<std::size_t>(n));
    }
  }
  bool send(const std::string& bytes) {
    return shaken && SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size())) > 0;
  }
  /// False where the connection ends before.
  bool reads_until(const std::string& text) {
    while (seen_.find(text) == std::string::npos)
      if (!read_more()) return false;
    return true;
  }
  Held<SSL_SESSION> session() const { return Held<SSL_SESSION>(SSL_get1_session(ssl_.get())); }
  bool reused() const { return SSL_session_reused(ssl_.get()) == 1; }
  bool shaken = false;

 private:
  bool read_more() {
    char part[4096];
    const int n = SSL_read(ssl_.get(), part, sizeof part);
    ERR_clear_error();
    if (n > 0) seen_.append(part, static_cast<std::size_t>(n));
    return n > 0;
  }
  std::string seen_;
  Held<SSL_CTX> context_;
  RawSocket socket_;
  Held<SSL> ssl_;
};

}  // namespace sallyport::testing
