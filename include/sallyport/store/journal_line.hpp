#pragma once
/// One record of the journal as one line: `{"seq":N,"t":MS,"type":"T",...,"prev":"HEX"}`.
///
/// `prev` is always the last member: the SHA-256 of the bytes of the line before, without its newline; the
/// first line of a chain carries 64 zeros. Everything here is pure.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sallyport/core/crypto.hpp"

namespace sallyport::store {

/// Where a chain ends: its last record and the digest of that record's line.
struct ChainHead {
  std::uint64_t seq = 0;  ///< 0: no record yet
  Digest hash{};          ///< of the last line; zeros when there is none
  bool operator==(const ChainHead&) const = default;
};

/// Begins a line at the end of `out`.
void begin_line(std::string& out, const ChainHead& head, std::int64_t millis, std::string_view type);
/// Adds `,"key":"value"`; an empty value is left out. Requires: `key` needs no escapes.
void add_text(std::string& out, std::string_view key, std::string_view value);
void add_number(std::string& out, std::string_view key, std::int64_t value);
/// `value` is JSON on one line; an empty one is left out.
void add_raw(std::string& out, std::string_view key, std::string_view value);
void add_hex(std::string& out, std::string_view key, std::string_view bytes);
/// `,"prev":"..."}` and the newline; `begin` is where the line began in `out`. Moves `head` on to this line.
void end_line(std::string& out, std::size_t begin, ChainHead& head);
/// What the line says besides its place in the chain: from `"t":` up to, not including, `,"prev":`.
std::string_view body_of(std::string_view line_with_newline);
/// The same record at another place of the chain.
void repeat_line(std::string& out, std::string_view body, ChainHead& head);

/// What readers look at first. Borrows the line; texts are raw, as they stand between their quotes.
struct LineView {
  std::uint64_t seq = 0;
  std::int64_t millis = 0;
  std::string_view type;
  std::string_view prev;  ///< 64 hex digits
  /// A top-level member's raw value (strings without quotes, escapes as written); empty when absent.
  std::string_view member(std::string_view key) const;
  std::string_view line;
};
/// nullopt for what is no line of a journal: it must begin with seq, t and type and end with prev.
std::optional<LineView> parse_line(std::string_view line);

/// SHA-256 over salt, then payload: what a record keeps of arguments and results.
Digest salted_digest(std::string_view salt, std::string_view payload, std::string& scratch);

}  // namespace sallyport::store
