#include "sallyport/identity/password.hpp"

#include <argon2.h>

#include <algorithm>

#include "sallyport/core/bytes.hpp"
#include "sallyport/core/crypto.hpp"
#include "sallyport/core/limits.hpp"

namespace sallyport::identity {
namespace {

// RFC 9106 section 4 recommends 64 MiB and three passes for machines with little memory.
constexpr std::uint32_t kPasses = 3;
constexpr std::uint32_t kMemory = 64 * 1024;  // KiB
constexpr std::uint32_t kLanes = 1;
constexpr std::size_t kSalt = 16, kHash = 32, kEncoded = 128;

}  // namespace

std::string password_problem(const Secret& password) {
  const std::string_view text = password.reveal();
  if (!is_utf8(text)) return "is not UTF-8";
  if (text.size() > limits::kPasswordBytes) return "is longer than 1024 bytes";
  const auto letters =
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U; });
  if (static_cast<std::size_t>(letters) < limits::kPasswordShortest) return "is shorter than 12 characters";
  return "";
}

Result<std::string> hash_password(const Secret& password) {
  const std::string_view text = password.reveal();
  const std::string salt = random_bytes(kSalt);
  std::string out(kEncoded, '\0');
  const int error = argon2id_hash_encoded(kPasses, kMemory, kLanes, text.data(), text.size(), salt.data(),
                                          salt.size(), kHash, out.data(), out.size());
  if (error != ARGON2_OK)
    return fail(Code::unavailable, Blame::us, std::string("Argon2id: ") + argon2_error_message(error));
  out.resize(out.find('\0'));
  return out;
}

bool is_password(const Secret& password, const std::string& encoded) {
  static const Result<std::string> kNobody = hash_password(Secret(random_bytes(kHash)));
  const std::string_view text = password.reveal();
  const std::string& held_against = encoded.empty() && kNobody ? *kNobody : encoded;
  const bool fits = argon2id_verify(held_against.c_str(), text.data(), text.size()) == ARGON2_OK;
  return fits && !encoded.empty();
}

}  // namespace sallyport::identity
