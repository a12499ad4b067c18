#include "key_check.hpp"

#include <array>
#include <bit>
#include <cstring>

#include "sallyport/core/crypto.hpp"

namespace sallyport::json {
namespace {

constexpr std::uint32_t kFew = 16;

std::uint64_t word_at(const char* p, std::size_t length) {
  std::uint64_t word = 0;
  std::memcpy(&word, p, length);
  return word;
}

/// Cheap and not secret: equal keys have equal marks, and unequal ones seldom do. `readable` bytes may be
/// read.
std::uint64_t mark(std::string_view key, std::size_t readable) {
  const char* const first = key.data();
  const std::size_t length = key.size();
  if (length < 8) {
    // One load of eight bytes and a mask costs less than a copy of a length that is not known.
    const std::uint64_t word =
        readable < 8 ? word_at(first, length) : word_at(first, 8) & ((std::uint64_t{1} << 8 * length) - 1);
    return word | std::uint64_t{length} << 56;
  }
  const std::uint64_t head = word_at(first, 8);
  const std::uint64_t tail = word_at(first + length - 8, 8);
  return (head * 0x9E3779B97F4A7C15U ^ std::rotl(tail, 23)) + length;
}

__extension__ typedef unsigned __int128 Wide;
constexpr std::uint64_t kPrime = (std::uint64_t{1} << 61) - 1;

std::uint64_t reduce(Wide x) {
  const auto folded = static_cast<std::uint64_t>(x & kPrime) + static_cast<std::uint64_t>(x >> 61);
  return folded >= kPrime ? folded - kPrime : folded;
}

/// A polynomial over the prime field 2^61-1 at a secret point (Carter and Wegman): whoever does not know the
/// point cannot choose keys that collide, so a hostile object costs no more than a friendly one.
std::uint64_t hash(std::string_view key) {
  static const std::uint64_t point = [] {
    const std::string bytes = random_bytes(8);
    return word_at(bytes.data(), 8) % (kPrime - 2) + 1;
  }();
  std::uint64_t sum = key.size() + 1;
  std::size_t i = 0;
  for (; i + 7 <= key.size(); i += 7) sum = reduce(Wide{sum} * point + word_at(key.data() + i, 7));
  if (i < key.size()) sum = reduce(Wide{sum} * point + word_at(key.data() + i, key.size() - i));
  return reduce(Wide{sum} * point);
}

}  // namespace

std::optional<std::uint32_t> KeyCheck::repeated(const Tape& tape, std::uint32_t object, std::uint32_t last,
                                                std::uint32_t count) {
  if (count < 2) return std::nullopt;
  return count <= kFew ? among_few(tape, object + 2, last) : among_many(tape, object + 2, last, count);
}

std::optional<std::uint32_t> KeyCheck::among_few(const Tape& tape, std::uint32_t first, std::uint32_t last) {
  std::array<std::uint64_t, kFew> marks;
  std::array<std::uint32_t, kFew> keys;
  std::size_t seen = 0;
  for (std::uint32_t key = first; key != last; key = tape.after(key + 1)) {
    const auto name = text(tape, key);
    const std::size_t readable =
        tape.escaped(key) ? name.size()
                          : static_cast<std::size_t>(tape.bytes.data() + tape.bytes.size() - name.data());
    const std::uint64_t own = mark(name, readable);
    for (std::size_t i = 0; i < seen; ++i)
      if (marks[i] == own && equal(tape, keys[i], key)) return key;
    marks[seen] = own;
    keys[seen++] = key;
  }
  return std::nullopt;
}

std::optional<std::uint32_t> KeyCheck::among_many(const Tape& tape, std::uint32_t first, std::uint32_t last,
                                                  std::uint32_t count) {
  const std::size_t capacity = std::bit_ceil(std::size_t{count} + count / 3);
  table_.assign(capacity, Entry{});
  for (std::uint32_t key = first; key != last; key = tape.after(key + 1)) {
    const std::uint64_t own = hash(text(tape, key));
    const auto tag = static_cast<std::uint32_t>(own >> 29);
    std::size_t place = own & (capacity - 1);
    for (; table_[place].key != 0; place = (place + 1) & (capacity - 1))
      if (table_[place].tag == tag && equal(tape, table_[place].key, key)) return key;
    table_[place] = {.key = key, .tag = tag};
  }
  return std::nullopt;
}

std::string_view KeyCheck::text(const Tape& tape, std::uint32_t key) {
  if (!tape.escaped(key)) return tape.inner(key);
  scratch_.clear();
  append_decoded(scratch_, tape.inner(key));
  return scratch_;
}

bool KeyCheck::equal(const Tape& tape, std::uint32_t a, std::uint32_t b) {
  if (!tape.escaped(a)) return tape.inner(a) == text(tape, b);
  return tape.has_text(b, text(tape, a));
}

}  // namespace sallyport::json
