#include "sallyport/core/crypto.hpp"

#include <doctest/doctest.h>

#include <set>
#include <thread>
#include <vector>

#include "sallyport/core/bytes.hpp"

using namespace sallyport;

TEST_CASE("SHA-256 gives the vectors of FIPS 180-4") {
  CHECK(sha256_hex("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(sha256_hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(sha256_hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  CHECK(sha256_hex(std::string(1000000, 'a')) ==
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_CASE("HMAC-SHA-256 gives the vectors of RFC 4231, also with an empty key") {
  const auto mac = [](std::string_view key, std::string_view bytes) {
    return hex(view(hmac_sha256(key, bytes)));
  };
  CHECK(mac(std::string(20, '\x0b'), "Hi There") ==
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  CHECK(mac("Jefe", "what do ya want for nothing?") ==
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  CHECK(mac(std::string(131, '\xaa'), "Test Using Larger Than Block-Size Key - Hash Key First") ==
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
  CHECK(mac("", "") == "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

TEST_CASE("what was sealed opens only with the same key and binding, and only unchanged") {
  const std::string key = random_bytes(32);
  for (const std::size_t size : {0U, 1U, 16U, 1000U}) {
    const std::string plain = random_bytes(size);
    const std::string sealed = seal(key, plain, "who");
    CHECK(unseal(key, sealed, "who").value() == plain);
    CHECK_FALSE(unseal(key, sealed, "whom").has_value());
    CHECK_FALSE(unseal(key, sealed, "").has_value());
    CHECK_FALSE(unseal(random_bytes(32), sealed, "who").has_value());
    CHECK_FALSE(unseal("short", sealed, "who").has_value());
    for (std::size_t i = 0; i < sealed.size(); i += 7) {
      auto changed = sealed;
      changed[i] = static_cast<char>(changed[i] ^ 1);
      CHECK(unseal(key, changed, "who").error().code == Code::bad_request);
    }
    for (std::size_t cut = 1; cut <= sealed.size(); cut += 5)
      CHECK_FALSE(unseal(key, std::string_view(sealed).substr(cut), "who").has_value());
  }
}

TEST_CASE("AES-256-GCM opens a vector of the GCM specification (case 14 key and nonce, zeros)") {
  const std::string key(32, '\0');
  const std::string nonce(12, '\0');
  const auto body = unhex("cea7403d4d606b6e074ec5d3baf39d18").value();
  const auto tag = unhex("d0d1c8a799996bf0265b98b5d48ab919").value();
  CHECK(unseal(key, nonce + body + tag, "").value() == std::string(16, '\0'));
}

TEST_CASE("sealing the same text twice gives different bytes") {
  const std::string key = random_bytes(32);
  CHECK(seal(key, "x", "") != seal(key, "x", ""));
}

TEST_CASE("Ed25519 gives the first vectors of RFC 8032 and refuses changed messages") {
  const auto key =
      signing_key_from(unhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb").value());
  REQUIRE(key.has_value());
  CHECK(hex(key->public_key) == "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
  const auto signature = sign(*key, "\x72");
  CHECK(hex(signature) ==
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b"
        "2eae"
        "b4302aeeb00d291612bb0c00");
  CHECK(verify(key->public_key, "\x72", signature));
  CHECK_FALSE(verify(key->public_key, "\x73", signature));
  CHECK_FALSE(verify(key->public_key, "\x72", signature.substr(1)));
  CHECK_FALSE(verify("short", "\x72", signature));
  CHECK_FALSE(verify(make_signing_key().public_key, "\x72", signature));
  CHECK(verify(key->public_key, "", sign(*key, "")));
  CHECK_FALSE(signing_key_from("short").has_value());
}

TEST_CASE("random ids do not repeat and are plain text") {
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) seen.insert(random_id());
  CHECK(seen.size() == 1000);
  CHECK(random_id(16).size() == 22);
  CHECK(random_bytes(0).empty());
}

TEST_CASE("digests may be computed by several threads at once") {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([] {
      for (int i = 0; i < 1000; ++i) {
        if (sha256(std::to_string(i)) != sha256(std::to_string(i))) std::abort();
        if (hmac_sha256("k", "v") != hmac_sha256("k", "v")) std::abort();
      }
    });
  for (auto& thread : threads) thread.join();
}
