#include "sallyport/core/crypto.hpp"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <memory>

#include "sallyport/core/bytes.hpp"
#include "sallyport/core/freed.hpp"

namespace sallyport {
namespace {

using MdCtx = std::unique_ptr<EVP_MD_CTX, Freed<EVP_MD_CTX_free>>;
using MacCtx = std::unique_ptr<EVP_MAC_CTX, Freed<EVP_MAC_CTX_free>>;
using CipherCtx = std::unique_ptr<EVP_CIPHER_CTX, Freed<EVP_CIPHER_CTX_free>>;
using Pkey = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;

constexpr std::size_t kKey = 32;
constexpr std::size_t kNonce = 12;
constexpr std::size_t kTag = 16;
constexpr std::size_t kSignature = 64;

// A digest that cannot be computed means a broken library or exhausted memory: going on would not be safe.
void must(bool done) {
  if (!done) std::abort();
}

// Fetched once: a fetch by name takes locks and costs more than the digest of a short message.
EVP_MD* sha256_method() {
  static EVP_MD* const method = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  must(method != nullptr);
  return method;
}
EVP_MAC* hmac_method() {
  static EVP_MAC* const method = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
  must(method != nullptr);
  return method;
}
EVP_CIPHER* gcm_method() {
  static EVP_CIPHER* const method = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);
  must(method != nullptr);
  return method;
}

const unsigned char* in(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }
unsigned char* out(std::string& text, std::size_t at) {
  return reinterpret_cast<unsigned char*>(text.data()) + at;
}

using Update = int (*)(EVP_CIPHER_CTX*, unsigned char*, int*, const unsigned char*, int);

// OpenSSL counts in int: larger inputs go in pieces.
bool feed(Update update, EVP_CIPHER_CTX* ctx, unsigned char* to, std::string_view from) {
  constexpr std::size_t kPiece = std::numeric_limits<int>::max() / 2;
  while (!from.empty()) {
    const auto piece = from.substr(0, kPiece);
    int written = 0;
    if (update(ctx, to, &written, in(piece), static_cast<int>(piece.size())) != 1) return false;
    if (to) to += written;
    from.remove_prefix(piece.size());
  }
  return true;
}

EVP_CIPHER_CTX* cipher_context() {
  thread_local const CipherCtx ctx(EVP_CIPHER_CTX_new());
  must(ctx != nullptr);
  return ctx.get();
}

}  // namespace

Digest sha256(std::string_view bytes) {
  thread_local const MdCtx ctx(EVP_MD_CTX_new());
  Digest digest;
  must(ctx != nullptr && EVP_DigestInit_ex2(ctx.get(), sha256_method(), nullptr) == 1 &&
       EVP_DigestUpdate(ctx.get(), bytes.data(), bytes.size()) == 1 &&
       EVP_DigestFinal_ex(ctx.get(), digest.data(), nullptr) == 1);
  return digest;
}

std::string sha256_hex(std::string_view bytes) {
  const Digest digest = sha256(bytes);
  return hex(view(digest));
}

Digest hmac_sha256(std::string_view key, std::string_view bytes) {
  thread_local const MacCtx ctx(EVP_MAC_CTX_new(hmac_method()));
  char name[] = "SHA256";
  const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
                               OSSL_PARAM_construct_end()};
  const unsigned char empty = 0;  // a null key would mean "the key of the last call"
  Digest digest;
  std::size_t length = 0;
  must(ctx != nullptr && EVP_MAC_init(ctx.get(), key.empty() ? &empty : in(key), key.size(), params) == 1 &&
       EVP_MAC_update(ctx.get(), in(bytes), bytes.size()) == 1 &&
       EVP_MAC_final(ctx.get(), digest.data(), &length, digest.size()) == 1 && length == digest.size());
  return digest;
}

std::string random_bytes(std::size_t n) {
  std::string bytes(n, '\0');
  must(n == 0 || RAND_bytes_ex(nullptr, out(bytes, 0), n, 0) == 1);
  return bytes;
}

std::string random_id(std::size_t n) { return base64url(random_bytes(n)); }

std::string seal(std::string_view key, std::string_view plain, std::string_view bound) {
  must(key.size() == kKey);
  std::string sealed(kNonce + plain.size() + kTag, '\0');
  must(RAND_bytes(out(sealed, 0), kNonce) == 1);
  EVP_CIPHER_CTX* const ctx = cipher_context();
  int written = 0;
  must(EVP_EncryptInit_ex2(ctx, gcm_method(), in(key), in(sealed), nullptr) == 1 &&
       feed(EVP_EncryptUpdate, ctx, nullptr, bound) &&
       feed(EVP_EncryptUpdate, ctx, out(sealed, kNonce), plain) &&
       EVP_EncryptFinal_ex(ctx, out(sealed, kNonce + plain.size()), &written) == 1 &&
       EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, kTag, out(sealed, kNonce + plain.size())) == 1);
  return sealed;
}

Result<std::string> unseal(std::string_view key, std::string_view sealed, std::string_view bound) {
  const auto refuse = [] { return client_error(Code::bad_request, "this was not sealed here"); };
  if (key.size() != kKey || sealed.size() < kNonce + kTag) return refuse();
  const auto body = sealed.substr(kNonce, sealed.size() - kNonce - kTag);
  std::array<unsigned char, kTag> tag;
  std::ranges::copy(sealed.substr(sealed.size() - kTag), tag.begin());
  std::string plain(body.size(), '\0');
  unsigned char rest[1];
  EVP_CIPHER_CTX* const ctx = cipher_context();
  int written = 0;
  const bool genuine = EVP_DecryptInit_ex2(ctx, gcm_method(), in(key), in(sealed), nullptr) == 1 &&
                       feed(EVP_DecryptUpdate, ctx, nullptr, bound) &&
                       feed(EVP_DecryptUpdate, ctx, out(plain, 0), body) &&
                       EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, kTag, tag.data()) == 1 &&
                       EVP_DecryptFinal_ex(ctx, rest, &written) == 1;
  if (!genuine) return refuse();
  return plain;
}

SigningKey make_signing_key() {
  const Secret raw(random_bytes(kKey));
  auto key = signing_key_from(raw.reveal());
  must(key.has_value());
  return *std::move(key);
}

Result<SigningKey> signing_key_from(std::string_view private_raw) {
  const Pkey key(
      EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, in(private_raw), private_raw.size()));
  std::string public_raw(kKey, '\0');
  std::size_t length = public_raw.size();
  if (private_raw.size() != kKey || !key ||
      EVP_PKEY_get_raw_public_key(key.get(), out(public_raw, 0), &length) != 1)
    return fail(Code::bad_request, Blame::admin, "an Ed25519 private key has 32 bytes");
  return SigningKey{Secret(std::string(private_raw)), std::move(public_raw)};
}

std::string sign(const SigningKey& key, std::string_view message) {
  const auto raw = key.private_key.reveal();
  const Pkey pkey(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, in(raw), raw.size()));
  const MdCtx ctx(EVP_MD_CTX_new());
  std::string signature(kSignature, '\0');
  std::size_t length = signature.size();
  must(pkey && ctx && EVP_DigestSignInit(ctx.get(), nullptr, nullptr, nullptr, pkey.get()) == 1 &&
       EVP_DigestSign(ctx.get(), out(signature, 0), &length, in(message), message.size()) == 1 &&
       length == kSignature);
  return signature;
}

bool verify(std::string_view public_raw, std::string_view message, std::string_view signature) {
  if (public_raw.size() != kKey || signature.size() != kSignature) return false;
  const Pkey pkey(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, in(public_raw), public_raw.size()));
  const MdCtx ctx(EVP_MD_CTX_new());
  return pkey && ctx && EVP_DigestVerifyInit(ctx.get(), nullptr, nullptr, nullptr, pkey.get()) == 1 &&
         EVP_DigestVerify(ctx.get(), in(signature), signature.size(), in(message), message.size()) == 1;
}

}  // namespace sallyport
