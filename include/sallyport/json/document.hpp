#pragma once
/// The one door for JSON: bytes go in, a checked document with raw slices comes out.
///
/// One scan validates (RFC 8259 grammar, UTF-8 with paired surrogate escapes, depth, and by rule: no
/// duplicate keys, no BOM) and notes where every value begins and ends. Payloads travel as the bytes that
/// came; nothing is re-serialised. Threads: a Document is immutable after parse.

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sallyport/core/error.hpp"

namespace sallyport::json {

enum class Kind : std::uint8_t { null, boolean, number, string, array, object };

/// What a document must hold to besides the grammar.
struct Rules {
  bool unique_keys = true;  ///< compared after escapes are decoded
  int max_depth = 64;       ///< nesting of arrays and objects
};
inline constexpr Rules kStrict{};                        ///< from clients and configuration
inline constexpr Rules kUpstream{.unique_keys = false};  ///< from upstreams: grammar, UTF-8 and depth only

class Document;

/// A value inside a Document. Borrows: the Document (and stays valid when the Document is moved).
/// A default-constructed one stands for nothing yet and only takes assignment.
class Value {
 public:
  Value() = default;
  Kind kind() const;
  bool is(Kind k) const { return kind() == k; }
  /// The bytes of this value as they came, without surrounding white space.
  std::string_view raw() const;

  /// Decoded text of a string; nullopt for every other kind.
  std::optional<std::string> string() const;
  /// The text of a string that has no escapes, without a copy; nullopt if it has some or is no string.
  std::optional<std::string_view> plain() const;
  /// A number written without fraction and exponent that fits; nullopt otherwise (1.0 and 1e2 are not
  /// integers here).
  std::optional<std::int64_t> integer() const;
  std::optional<double> number() const;
  std::optional<bool> boolean() const;

  /// Member of an object by decoded key, exact bytes; nullopt when absent or when this is no object.
  /// With duplicate keys (kUpstream) the last one wins.
  std::optional<Value> find(std::string_view key) const;
  std::size_t size() const;  ///< members or elements; 0 for scalars

  class Member;
  class Members;
  class Elements;
  /// In document order. Empty when this is no object.
  Members members() const;
  /// In document order. Empty when this is no array.
  Elements elements() const;

 private:
  friend class Document;
  friend struct Tape;
  Value(const struct Tape* tape, std::uint32_t at) : tape_(tape), at_(at) {}
  const struct Tape* tape_ = nullptr;
  std::uint32_t at_ = 0;
};

/// A name and its value inside an object.
class Value::Member {
 public:
  Value value;
  std::string key() const;                            ///< decoded
  std::optional<std::string_view> plain_key() const;  ///< without a copy; nullopt if the key has escapes
  std::string_view raw_key() const;                   ///< as it came, with its quotes
  bool is(std::string_view name) const;               ///< the decoded key has exactly these bytes

 private:
  friend class Members;
  Member(Value key, Value its) : value(its), key_(key) {}
  Value key_;
};

/// A range over the members of one object: `for (const auto& member : value.members())`.
class Value::Members {
 public:
  class Iterator {
   public:
    using value_type = Member;
    using difference_type = std::ptrdiff_t;
    Iterator() = default;
    Member operator*() const;
    Iterator& operator++();
    Iterator operator++(int) { return std::exchange(*this, std::next(*this)); }
    bool operator==(const Iterator& other) const { return at_ == other.at_; }

   private:
    friend class Members;
    Iterator(const struct Tape* tape, std::uint32_t at) : tape_(tape), at_(at) {}
    const struct Tape* tape_ = nullptr;
    std::uint32_t at_ = 0;
  };
  Iterator begin() const { return {tape_, first_}; }
  Iterator end() const { return {tape_, last_}; }

 private:
  friend class Value;
  const struct Tape* tape_ = nullptr;
  std::uint32_t first_ = 0, last_ = 0;
};

/// A range over the elements of one array: `for (const auto element : value.elements())`.
class Value::Elements {
 public:
  class Iterator {
   public:
    using value_type = Value;
    using difference_type = std::ptrdiff_t;
    Iterator() = default;
    Value operator*() const;
    Iterator& operator++();
    Iterator operator++(int) { return std::exchange(*this, std::next(*this)); }
    bool operator==(const Iterator& other) const { return at_ == other.at_; }

   private:
    friend class Elements;
    Iterator(const struct Tape* tape, std::uint32_t at) : tape_(tape), at_(at) {}
    const struct Tape* tape_ = nullptr;
    std::uint32_t at_ = 0;
  };
  Iterator begin() const { return {tape_, first_}; }
  Iterator end() const { return {tape_, last_}; }

 private:
  friend class Value;
  const struct Tape* tape_ = nullptr;
  std::uint32_t first_ = 0, last_ = 0;
};

class Document {
 public:
  /// At most 1 GiB: offsets have 32 bits.
  static constexpr std::size_t kMaxBytes = std::size_t{1} << 30;
  /// Owns `bytes` from here on.
  /// Errors: Code::bad_json; the hint names the byte offset and what is wrong there.
  static Result<Document> parse(std::string bytes, Rules rules = kStrict);
  Document(Document&&) noexcept;
  Document& operator=(Document&&) noexcept;
  ~Document();

  Value root() const;
  const std::string& bytes() const;
  /// What it holds beside `bytes()`: up to four times as much.
  std::size_t index_bytes() const;

 private:
  Document();
  std::unique_ptr<struct Tape> tape_;  // stable address, so that values survive a move
};

/// `text` as a JSON string with quotes; bytes that are not UTF-8 become U+FFFD.
std::string quote(std::string_view text);
void append_quoted(std::string& out, std::string_view text);

/// RFC 8785 canonical form of a value (sorted keys, shortest numbers), for digests. Outside of that RFC's
/// domain nothing is dropped, so that a digest sees every change: duplicate keys all stay, in document order,
/// and a number beyond the range of a double keeps its own text.
std::string canonical(const Value& value);

/// RFC 6901 pointer; nullopt when it leads nowhere or is malformed.
std::optional<Value> at_pointer(Value root, std::string_view pointer);

}  // namespace sallyport::json
