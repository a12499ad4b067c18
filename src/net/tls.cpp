#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>
#include <system_error>

#include "certificate.hpp"
#include "channel_impl.hpp"

namespace sallyport::net {

namespace {

// A BIO over the channel's descriptor that never raises SIGPIPE.
Channel::Impl& bio_channel(BIO* bio) { return *static_cast<Channel::Impl*>(BIO_get_data(bio)); }

int bio_read(BIO* bio, char* into, std::size_t size, std::size_t* count) {
  BIO_clear_retry_flags(bio);
  const ssize_t n = bio_channel(bio).receive(into, size);
  if (n > 0) {
    *count = static_cast<std::size_t>(n);
    return 1;
  }
  *count = 0;
  if (n == 0) BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
  if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) BIO_set_retry_read(bio);
  return 0;
}

int bio_write(BIO* bio, const char* bytes, std::size_t size, std::size_t* count) {
  BIO_clear_retry_flags(bio);
  iovec part{const_cast<char*>(bytes), size};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  const ssize_t n = bio_channel(bio).transmit(message, size);
  if (n >= 0) {
    *count = static_cast<std::size_t>(n);
    return 1;
  }
  *count = 0;
  if (errno == EAGAIN || errno == EWOULDBLOCK) BIO_set_retry_write(bio);
  return 0;
}

long bio_control(BIO* bio, int command, long, void*) {
  if (command == BIO_CTRL_FLUSH) return 1;
  if (command == BIO_CTRL_EOF) return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0 ? 1 : 0;
  return 0;
}

BIO_METHOD* socket_method() {
  static BIO_METHOD* const method = [] {
    BIO_METHOD* m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "channel");
    BIO_meth_set_read_ex(m, bio_read);
    BIO_meth_set_write_ex(m, bio_write);
    BIO_meth_set_ctrl(m, bio_control);
    BIO_meth_set_create(m, [](BIO* bio) {
      BIO_set_init(bio, 1);
      return 1;
    });
    return m;
  }();
  return method;
}

bool attach(Channel::Impl& impl, const TlsContext& context) {
  impl.tls.reset(SSL_new(context.get()));
  BIO* const bio = impl.tls ? BIO_new(socket_method()) : nullptr;
  if (bio == nullptr) return false;
  BIO_set_data(bio, &impl);
  SSL_set_bio(impl.tls.get(), bio, bio);
  return true;
}

Step outcome(Channel::Impl& impl, int result) {
  switch (SSL_get_error(impl.tls.get(), result)) {
    case SSL_ERROR_NONE:
      return Step::done;
    case SSL_ERROR_WANT_READ:
      return Step::want_read;
    case SSL_ERROR_WANT_WRITE:
      return Step::want_write;
    case SSL_ERROR_ZERO_RETURN:
      return Step::done;
    default:
      impl.tls_broken = true;
      return Step::failed;
  }
}

Failure tls_failure(const std::string& doing) {
  return fail(Code::upstream_broken, Blame::upstream, doing + ": " + tls_reason());
}

Task<Result<void>> shake_hands(Channel::Impl& impl) {
  for (;;) {
    ERR_clear_error();
    errno = 0;
    const Step step = impl.is_open() ? outcome(impl, SSL_do_handshake(impl.tls.get())) : Step::failed;
    if (step == Step::done && SSL_is_init_finished(impl.tls.get()) == 1) co_return Result<void>{};
    if (step == Step::done) {  // the peer said goodbye in the middle
      impl.tls_broken = true;
      co_return fail(Code::upstream_broken, Blame::upstream, "TLS handshake: closed");
    }
    if (step == Step::failed) {
      if (const long verdict = SSL_get_verify_result(impl.tls.get()); verdict != X509_V_OK) {
        ERR_clear_error();
        co_return fail(Code::upstream_broken, Blame::upstream,
                       std::string("TLS certificate: ") + X509_verify_cert_error_string(verdict));
      }
      co_return tls_failure("TLS handshake");
    }
    if (!co_await Ready{.impl = impl, .who = Polled::Waiter::reader, .direction = step}) {
      impl.tls_broken = true;
      co_return fail(Code::upstream_broken, Blame::upstream, "TLS handshake: closed");
    }
  }
}

SSL_CTX* new_context(const SSL_METHOD* method) {
  SSL_CTX* const ctx = SSL_CTX_new(method);
  if (ctx == nullptr) return nullptr;
  SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
  SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode(
      ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_read_ahead(ctx, 1);  // a record's head and body in one recv
  return ctx;
}

int choose_http1(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* in,
                 unsigned in_size, void*) {
  static constexpr unsigned char kHttp1[] = "\x08http/1.1";
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_size, kHttp1, sizeof kHttp1 - 1, in, in_size) !=
      OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_NOACK;
  }
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

Failure bad_file(const std::string& what, const std::string& file) {
  return fail(Code::unavailable, Blame::admin, what + " " + file + ": " + tls_reason());
}

}  // namespace

std::string tls_reason() {
  const unsigned long error = ERR_get_error();
  ERR_clear_error();
  if (error == 0) return errno != 0 ? std::system_category().message(errno) : "connection closed";
  const char* const reason = ERR_reason_error_string(error);
  return reason != nullptr ? reason : "TLS error " + std::to_string(error);
}

Step tls_read(Channel::Impl& impl, std::span<char> into, std::size_t& count) {
  count = 0;
  if (!impl.is_open()) return Step::failed;
  ERR_clear_error();
  errno = 0;
  const int result = SSL_read_ex(impl.tls.get(), into.data(), into.size(), &count);
  return outcome(impl, result);
}

Step tls_write(Channel::Impl& impl, std::string_view bytes, std::size_t& count) {
  count = 0;
  if (!impl.is_open() || impl.tls_broken) return Step::failed;
  ERR_clear_error();
  errno = 0;
  const int result = SSL_write_ex(impl.tls.get(), bytes.data(), bytes.size(), &count);
  const Step step = outcome(impl, result);
  return step == Step::done && count == 0 ? Step::failed : step;
}

bool tls_readable(Channel::Impl& impl, bool& gone) {
  char byte;
  std::size_t count = 0;
  ERR_clear_error();
  const int result = SSL_peek_ex(impl.tls.get(), &byte, 1, &count);
  const Step step = outcome(impl, result);
  ERR_clear_error();
  gone = step == Step::failed || (step == Step::done && count == 0);
  return step == Step::done || step == Step::failed;
}

void tls_close_notify(Channel::Impl& impl) {
  if (impl.tls_broken || SSL_is_init_finished(impl.tls.get()) == 0) return;
  ERR_clear_error();
  SSL_shutdown(impl.tls.get());
  ERR_clear_error();
}

Task<Result<void>> Channel::accept_tls(std::shared_ptr<TlsContext> tls) {
  if (!attach(*impl_, *tls)) co_return tls_failure("TLS session");
  SSL_set_accept_state(impl_->tls.get());
  co_return co_await shake_hands(*impl_);
}

Task<Result<void>> Channel::connect_tls(std::shared_ptr<TlsContext> tls, std::string host) {
  if (!attach(*impl_, *tls)) co_return tls_failure("TLS session");
  SSL* const ssl = impl_->tls.get();
  SSL_set_connect_state(ssl);
  in6_addr literal;
  const bool is_ip =
      ::inet_pton(AF_INET, host.c_str(), &literal) == 1 || ::inet_pton(AF_INET6, host.c_str(), &literal) == 1;
  const bool named =
      is_ip ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host.c_str()) == 1
            : SSL_set1_host(ssl, host.c_str()) == 1 && SSL_set_tlsext_host_name(ssl, host.c_str()) == 1;
  if (!named) co_return tls_failure("TLS host name");
  SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  co_return co_await shake_hands(*impl_);
}

std::shared_ptr<const ClientCertificate> Channel::certificate() const {
  SSL* const ssl = impl_->tls.get();
  X509* const shown = ssl == nullptr ? nullptr : SSL_get0_peer_certificate(ssl);
  if (shown == nullptr || SSL_get_verify_result(ssl) != X509_V_OK) return nullptr;
  return read_certificate(*shown);
}

Result<std::shared_ptr<TlsContext>> make_server_tls(const std::string& cert_file, const std::string& key_file,
                                                    const std::string& client_ca_file, bool client_required) {
  ERR_clear_error();
  errno = 0;
  SSL_CTX* const ctx = new_context(TLS_server_method());
  if (ctx == nullptr) return bad_file("TLS context for", cert_file);
  auto tls = std::make_shared<TlsContext>(ctx);
  // A peer that leaves without close_notify has merely left: message framing tells whether anything is
  // missing.
  SSL_CTX_set_options(ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_alpn_select_cb(ctx, choose_http1, nullptr);
  if (SSL_CTX_use_certificate_chain_file(ctx, cert_file.c_str()) != 1)
    return bad_file("certificate", cert_file);
  if (SSL_CTX_use_PrivateKey_file(ctx, key_file.c_str(), SSL_FILETYPE_PEM) != 1)
    return bad_file("private key", key_file);
  if (SSL_CTX_check_private_key(ctx) != 1) return bad_file("private key", key_file);
  if (client_ca_file.empty()) return tls;
  STACK_OF(X509_NAME)* const names = SSL_load_client_CA_file(client_ca_file.c_str());
  if (names == nullptr || SSL_CTX_load_verify_file(ctx, client_ca_file.c_str()) != 1) {
    sk_X509_NAME_pop_free(names, X509_NAME_free);
    return bad_file("certificates of clients' authorities", client_ca_file);
  }
  SSL_CTX_set_client_CA_list(ctx, names);
  SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | (client_required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), nullptr);
  // A resumed session would bring a certificate that nobody has looked at again.
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
  SSL_CTX_set_num_tickets(ctx, 0);
  return tls;
}

Result<std::shared_ptr<TlsContext>> make_client_tls(const std::string& ca_file) {
  ERR_clear_error();
  errno = 0;
  SSL_CTX* const ctx = new_context(TLS_client_method());
  if (ctx == nullptr) return bad_file("TLS context for", ca_file);
  auto tls = std::make_shared<TlsContext>(ctx);
  SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, nullptr);
  static constexpr unsigned char kHttp1[] = "\x08http/1.1";
  SSL_CTX_set_alpn_protos(ctx, kHttp1, sizeof kHttp1 - 1);
  if (ca_file.empty()) {
    if (SSL_CTX_set_default_verify_paths(ctx) != 1) return bad_file("system certificates", "");
  } else if (SSL_CTX_load_verify_file(ctx, ca_file.c_str()) != 1) {
    return bad_file("certificates", ca_file);
  }
  return tls;
}

}  // namespace sallyport::net
