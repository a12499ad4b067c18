#pragma once
/// The one door for JSON: bytes go in, a checked document with raw slices comes out.
///
/// One scan validates (RFC 8259 grammar, UTF-8 with paired surrogate escapes, depth, and by rule: no duplicate keys, no BOM)
/// and notes where every value begins and ends. Payloads travel as the bytes that came; nothing is re-serialised.
/// Threads: a Document is immutable after parse.

#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
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
class Value {
 public:
  Kind kind() const;
  bool is(Kind k) const { return kind() == k; }
  /// The bytes of this value as they came, without surrounding white space.
  std::string_view raw() const;

  /// Decoded text of a string; nullopt for every other kind.
  std::optional<std::string> string() const;
  /// The text of a string that has no escapes, without a copy; nullopt if it has some or is no string.
  std::optional<std::string_view> plain() const;
  /// A number written without fraction and exponent that fits; nullopt otherwise (1.0 and 1e2 are not integers here).
  std::optional<std::int64_t> integer() const;
  std::optional<double> number() const;
  std::optional<bool> boolean() const;

  /// Member of an object by decoded key, exact bytes; nullopt when absent or when this is no object.
  /// With duplicate keys (kUpstream) the last one wins.
  std::optional<Value> find(std::string_view key) const;
  std::size_t size() const;  ///< members or elements; 0 for scalars

  struct Member;
  class Members;
  class Elements;
  /// In document order. Empty when this is no object.
  Members members() const;
  /// In document order. Empty when this is no array.
  Elements elements() const;

 private:
  friend class Document;
  const struct Tape* tape_ = nullptr;
  std::uint32_t at_ = 0;
};

class Document {
 public:
  /// Owns `bytes` from here on.
  /// Errors: Code::bad_json; the hint names the byte offset and what is wrong there.
  static Result<Document> parse(std::string bytes, Rules rules = kStrict);
  Document(Document&&) noexcept;
  Document& operator=(Document&&) noexcept;
  ~Document();

  Value root() const;
  const std::string& bytes() const;

 private:
  Document();
  std::unique_ptr<struct Tape> tape_;  // stable address, so that values survive a move
};

/// `text` as a JSON string with quotes; bytes that are not UTF-8 become U+FFFD.
std::string quote(std::string_view text);
void append_quoted(std::string& out, std::string_view text);

/// RFC 8785 canonical form of a value (sorted keys, shortest numbers), for digests.
std::string canonical(const Value& value);

/// RFC 6901 pointer; nullopt when it leads nowhere or is malformed.
std::optional<Value> at_pointer(Value root, std::string_view pointer);

}  // namespace sallyport::json
