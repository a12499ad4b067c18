#include "cel_lexer.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include "cel_literal.hpp"
#include "sallyport/core/utf8.hpp"

namespace sallyport::policy::cel {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
bool is_name_start(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(source) {}

  std::expected<std::vector<Token>, SourceError> run() {
    if (!check_utf8()) return std::unexpected(std::move(error_));
    std::vector<Token> tokens;
    do {
      skip_space();
      Token token{.at = at()};
      if (!next(token)) return std::unexpected(std::move(error_));
      token.spelt = source_.substr(token.at, at_ - token.at);
      tokens.push_back(std::move(token));
    } while (tokens.back().word != Word::end);
    return tokens;
  }

 private:
  std::uint32_t at() const { return static_cast<std::uint32_t>(at_); }
  char peek(std::size_t ahead = 0) const {
    return at_ + ahead < source_.size() ? source_[at_ + ahead] : '\0';
  }
  bool wrong(std::size_t where, std::string what) {
    error_ = {static_cast<std::uint32_t>(where), std::move(what)};
    return false;
  }

  bool check_utf8() {
    const char* const end = source_.data() + source_.size();
    for (const char* p = source_.data(); p != end;) {
      const auto length = utf8_length(p, end);
      if (length == 0) return wrong(static_cast<std::size_t>(p - source_.data()), "this is not UTF-8");
      p += length;
    }
    return true;
  }

  void skip_space() {
    while (at_ < source_.size()) {
      const char c = peek();
      if (c == '/' && peek(1) == '/')
        at_ = std::min(source_.find('\n', at_), source_.size());
      else if (c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f')
        ++at_;
      else
        return;
    }
  }

  bool next(Token& token) {
    if (at_ == source_.size()) return true;
    if (const auto prefix = string_prefix()) return string(token, *prefix);
    const char c = peek();
    if (is_name_start(c)) {
      const auto begin = at_;
      while (is_name_start(peek()) || is_digit(peek())) ++at_;
      token.word = Word::name;
      token.text = source_.substr(begin, at_ - begin);
      return true;
    }
    if (is_digit(c) || (c == '.' && is_digit(peek(1)))) return number(token);
    if (c == '`') return quoted_name(token);
    return symbol(token);
  }

  bool symbol(Token& token) {
    static constexpr std::array<std::string_view, 24> symbols{"<=", ">=", "==", "!=", "&&", "||", "(", ")",
                                                              "[",  "]",  "{",  "}",  ".",  ",",  ":", "?",
                                                              "+",  "-",  "*",  "/",  "%",  "!",  "<", ">"};
    token.word = Word::symbol;
    for (const auto candidate : symbols) {
      if (!source_.substr(at_).starts_with(candidate)) continue;
      at_ += candidate.size();
      return true;
    }
    if (peek() == '=') return wrong(at_, "a single '=' means nothing here; compare with '=='");
    if (peek() == '&' || peek() == '|')
      return wrong(at_, std::string("write '") + peek() + peek() + "' for the logical operator");
    return wrong(at_, "this character means nothing here");
  }

  bool quoted_name(Token& token) {
    const auto begin = at_++;
    while (is_name_start(peek()) || is_digit(peek()) ||
           (peek() != '\0' && std::string_view("-./ ").find(peek()) != std::string_view::npos))
      ++at_;
    token.word = Word::quoted_name;
    token.text = source_.substr(begin + 1, at_ - begin - 1);
    if (peek() != '`')
      return wrong(begin, "a name in back quotes takes letters, digits, '_', '-', '.', '/' and spaces");
    ++at_;
    if (token.text.empty()) return wrong(begin, "this name is empty");
    return true;
  }

  bool number(Token& token) {
    const auto begin = at_;
    token.word = Word::integer;
    if (peek() == '0' && (peek(1) == 'x' || peek(1) == 'X')) {
      at_ += 2;
      if (!is_hex(peek())) return wrong(begin, "a hexadecimal number needs digits behind 0x");
      while (is_hex(peek())) ++at_;
    } else {
      while (is_digit(peek())) ++at_;
      if (peek() == '.' && is_digit(peek(1))) {
        token.word = Word::real;
        ++at_;
        while (is_digit(peek())) ++at_;
      }
      if (peek() == 'e' || peek() == 'E') {
        token.word = Word::real;
        ++at_;
        if (peek() == '+' || peek() == '-') ++at_;
        if (!is_digit(peek())) return wrong(begin, "this exponent has no digits");
        while (is_digit(peek())) ++at_;
      }
    }
    token.text = source_.substr(begin, at_ - begin);
    if (token.word == Word::integer && (peek() == 'u' || peek() == 'U')) {
      token.word = Word::uinteger;
      ++at_;
    }
    if (is_name_start(peek()) || is_digit(peek())) return wrong(begin, "this number runs into a name");
    return true;
  }

  struct Prefix {
    bool raw = false, bytes = false;
    std::size_t size = 0;
  };
  /// Of the string that begins here; nothing when none does.
  std::optional<Prefix> string_prefix() const {
    Prefix prefix;
    for (; prefix.size < 3; ++prefix.size) {
      const char c = peek(prefix.size);
      if (c == '"' || c == '\'') return prefix;
      bool& flag = c == 'r' || c == 'R' ? prefix.raw : prefix.bytes;
      if (flag || std::string_view("rRbB").find(c) == std::string_view::npos || c == '\0')
        return std::nullopt;
      flag = true;
    }
    return std::nullopt;
  }

  bool string(Token& token, Prefix prefix) {
    const auto begin = at_;
    at_ += prefix.size;
    std::string quote(1, peek());
    if (peek(1) == quote[0] && peek(2) == quote[0]) quote.assign(3, quote[0]);
    at_ += quote.size();
    const auto inner = at_;
    while (!source_.substr(at_).starts_with(quote)) {
      if (at_ == source_.size()) return wrong(begin, "this string does not end; close it with " + quote);
      if (quote.size() == 1 && (peek() == '\n' || peek() == '\r'))
        return wrong(at_, "a string goes over several lines only between three quotes");
      if (peek() == '\\' && !prefix.raw && at_ + 1 < source_.size()) ++at_;
      ++at_;
    }
    const auto text = source_.substr(inner, at_ - inner);
    at_ += quote.size();
    token.word = prefix.bytes ? Word::bytes : Word::string;
    if (prefix.raw) {
      token.text = text;
      return true;
    }
    auto decoded = unescape(text, prefix.bytes);
    if (!decoded) return wrong(inner + decoded.error().at, std::move(decoded.error().what));
    token.text = *std::move(decoded);
    return true;
  }

  std::string_view source_;
  std::size_t at_ = 0;
  SourceError error_;
};

}  // namespace

std::expected<std::vector<Token>, SourceError> tokens_of(std::string_view source) {
  return Lexer(source).run();
}

}  // namespace sallyport::policy::cel
