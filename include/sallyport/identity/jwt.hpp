#pragma once
/// Signed tokens: JWT (RFC 7519) over JWS compact form (RFC 7515), and the key sets that verify them (RFC
/// 7517, 7518). Pure: no clock, no fetching. What verifies a token is said by the configuration of its
/// issuer, never by the token (RFC 8725).

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sallyport/core/clock.hpp"
#include "sallyport/core/crypto.hpp"
#include "sallyport/core/error.hpp"
#include "sallyport/json/document.hpp"

namespace sallyport::identity {

/// Signatures with a public key; those with a shared secret and "none" do not exist here.
enum class Algorithm : std::uint8_t { rs256, rs384, rs512, ps256, ps384, ps512, es256, es384, es512 };
inline constexpr std::size_t kAlgorithms = 9;
/// "RS256" ...; exact bytes (RFC 7518 §3.1). nullopt for everything else.
std::optional<Algorithm> algorithm_of(std::string_view name);
std::string_view name_of(Algorithm algorithm);

/// The public keys of one issuer. Immutable; any thread.
class KeySet {
 public:
  /// A JWK Set. Keys of other kinds and uses are passed over. Errors: bad_json; bad_request when no key is
  /// left that can verify a signature, naming why the last one was passed over (too short, a point off the
  /// curve, ...).
  static Result<KeySet> parse(std::string_view json);

  KeySet(KeySet&&) noexcept;
  KeySet& operator=(KeySet&&) noexcept;
  ~KeySet();

  std::size_t size() const;
  bool has(std::string_view kid) const;
  /// Whether a key with this print is in it, whatever it is called.
  bool has(const Digest& print) const;
  /// The print of the key of this set that made that signature (for EC: r and s side by side); nullopt where
  /// none did. Without a `kid` every key that fits the algorithm is tried, at most kTried.
  std::optional<Digest> signer(Algorithm algorithm, std::optional<std::string_view> kid,
                               std::string_view signed_bytes, std::string_view signature) const;

  static constexpr std::size_t kKeys = 64;  ///< taken from one set
  static constexpr std::size_t kTried = 8;
  static constexpr int kRsaBits = 2048;  ///< at least (RFC 7518 §3.3); at most kRsaMost
  static constexpr int kRsaMost = 8192;

 private:
  struct Key;
  explicit KeySet(std::vector<Key> keys);
  std::vector<Key> keys_;
};

/// The parts of a compact JWS; nothing of it is verified. Owns what it points to.
struct Jws {
  json::Document header, payload;
  std::string signed_bytes;  ///< header.payload as they came
  std::string signature;
  Algorithm algorithm;
  std::optional<std::string> kid;
  std::string type;  ///< `typ` in lower case without "application/"; empty: none
};
/// Errors: unauthenticated: not three parts of base64url, no JSON object, larger than limits::kToken, an
/// algorithm that is not one of ours, a `crit` (RFC 7515 §4.1.11), a `kid` that is no text of 1 to 256 bytes.
/// `jku`, `jwk`, `x5u` and `x5c` are never looked at.
Result<Jws> read_jws(std::string_view token);

/// NumericDate (RFC 7519 section 2): seconds, with a fraction allowed. nullopt for anything else.
std::optional<SystemTime> date_of(const json::Value& value);
/// The texts of `aud`: one, or a list of them.
std::vector<std::string> audiences_of(const json::Value& claims);

/// What a token of an issuer must hold to.
struct TokenRules {
  std::string issuer;                                   ///< exact bytes of `iss`
  std::vector<Algorithm> algorithms;                    ///< those that this issuer signs with
  std::vector<std::string> types{"", "jwt", "at+jwt"};  ///< of `typ`
  std::chrono::seconds leeway{30};                      ///< for `exp` and `nbf`; at most a minute
};

/// A token whose signature, issuer and times were found good. Whom it is for is asked with every use.
struct VerifiedToken {
  json::Document claims;
  std::string issuer;
  SystemTime expires{};                       ///< leeway included
  SystemTime asks_again = SystemTime::max();  ///< when its issuer is to be asked about it again
  std::optional<Digest> key{};                ///< print of the key that signed it; none: its issuer was asked
  std::vector<std::string> audiences{};
  /// `aud` names one of them, exactly.
  bool is_for(std::string_view resource, std::span<const std::string> others) const;
};

/// Why a token is refused: `unknown_key` may be cured by fetching the issuer's keys again, nothing else is.
enum class TokenFault : std::uint8_t { none, unknown_key, refused };

/// Errors: unauthenticated. The hint says which check failed, for the log; callers are told less.
Result<VerifiedToken> verify_token(Jws token, const KeySet& keys, const TokenRules& rules, SystemTime now,
                                   TokenFault* fault = nullptr);

}  // namespace sallyport::identity
