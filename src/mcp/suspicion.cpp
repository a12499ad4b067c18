#include "sallyport/mcp/suspicion.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <initializer_list>

#include "sallyport/core/characters.hpp"
#include "sallyport/core/limits.hpp"
#include "sallyport/mcp/names.hpp"

namespace sallyport::mcp {
namespace {

constexpr std::size_t kFindings = 8;     ///< of one text or definition; a person reads no more
constexpr std::size_t kPathBytes = 200;  ///< shown of where a text stands

bool is_word(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool is_ascii_letter(std::uint32_t c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
char lowered(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

/// Line ends and tabs are what text is made of.
std::string_view hidden(std::uint32_t code) {
  const bool text = code == '\t' || code == '\n' || code == '\r' || joins_letters(code);
  return text ? std::string_view() : hidden_character(code);
}

/// The text as a model may take it: lower case, without what is hidden; and what was hidden.
struct Seen {
  std::string plain;
  std::vector<std::string> findings;
};

Seen look(std::string_view text) {
  Seen out;
  const auto find = [&](std::string_view what) {
    std::string line = fmt::format("contains {}", what);
    if (std::ranges::find(out.findings, line) == out.findings.end()) out.findings.push_back(std::move(line));
  };
  std::uint32_t before = 0;
  std::size_t gap = 0;
  bool gaping = false;
  for (std::string_view rest = text; !rest.empty();) {
    const Letter letter = letter_at(rest);
    const std::size_t bytes = std::max<std::size_t>(letter.bytes, 1);
    if (const auto what = hidden(letter.code); !what.empty()) {
      find(what);
    } else if (joins_letters(letter.code)) {
      // Emoji and several scripts need these; between Latin letters they only hide a word from a search.
      if (is_ascii_letter(before) || joins_letters(before)) find("an invisible character inside a word");
      before = letter.code;
    } else {
      const bool blank = letter.code == ' ' || letter.code == '\n' || letter.code == '\t' ||
                         letter.code == '\r' || letter.code == 0xA0 || letter.code == 0x3000;
      gap = blank ? gap + 1 : 0;
      gaping = gaping || gap > limits::kHiddenGap;
      if (bytes == 1) {
        out.plain += lowered(rest.front());
      } else {
        out.plain += blank ? std::string_view(" ") : rest.substr(0, bytes);
      }
      before = letter.code;
    }
    rest.remove_prefix(bytes);
  }
  if (gaping) out.findings.emplace_back("pushes text out of sight with white space");
  return out;
}

std::vector<std::string_view> words_of(std::string_view plain) {
  std::vector<std::string_view> out;
  for (std::size_t i = 0; i < plain.size();) {
    if (!is_word(plain[i])) {
      ++i;
      continue;
    }
    const std::size_t from = i;
    // An apostrophe stays inside: "don't" is one word.
    while (i < plain.size() &&
           (is_word(plain[i]) || (plain[i] == '\'' && i + 1 < plain.size() && is_word(plain[i + 1]))))
      ++i;
    out.push_back(plain.substr(from, i - from));
  }
  return out;
}

using Words = std::initializer_list<std::string_view>;

/// Groups of words that follow one another with at most `between` others in between.
struct Phrase {
  std::string_view what;
  std::size_t between;
  std::array<Words, 3> groups;
};

constexpr Words kForget = {"ignore", "disregard", "forget", "override", "bypass", "discard"};
constexpr Words kEarlier = {"previous", "prior",    "earlier", "above", "preceding", "existing",
                            "all",      "original", "your",    "any",   "other",     "system"};
constexpr Words kOrders = {"instruction", "instructions", "prompt",    "prompts",    "rules",
                           "guidelines",  "directions",   "directive", "directives", "guardrails"};
constexpr Words kNot = {"not", "never", "don't", "dont", "without", "avoid", "cannot", "mustn't"};
constexpr Words kTell = {"tell",      "telling",  "mention", "mentioning", "inform",
                         "informing", "reveal",   "show",    "showing",    "notify",
                         "notifying", "disclose", "alert",   "alerting",   "revealing"};
constexpr Words kUser = {"user", "human", "operator"};

const Phrase kPhrases[] = {
    {"tells the model to forget its instructions", 3, {kForget, kEarlier, kOrders}},
    {"tells the model to keep something from the user", 3, {kNot, kTell, kUser}},
    {"tells the model to keep something from the user",
     3,
     {Words{"hide", "conceal", "keep"}, Words{"from", "secret"}, kUser}},
    {"tells the model to repeat its system prompt",
     3,
     {Words{"reveal", "repeat", "print", "output", "return", "include", "send"}, Words{"system"},
      Words{"prompt", "message", "instructions"}}},
    {"gives the model another role", 1, {Words{"you"}, Words{"are"}, Words{"now"}}},
    {"gives the model another role",
     1,
     {Words{"new", "real", "actual", "updated"}, Words{"system"},
      Words{"prompt", "instructions", "message"}}},
};

bool in(std::string_view word, const Words& group) { return std::ranges::find(group, word) != group.end(); }

bool follows(const std::vector<std::string_view>& words, std::size_t from, const Phrase& phrase) {
  std::size_t at = from;
  for (std::size_t group = 1; group < phrase.groups.size(); ++group) {
    const std::size_t end = std::min(words.size(), at + phrase.between + 2);
    std::size_t next = at + 1;
    while (next < end && !in(words[next], phrase.groups[group])) ++next;
    if (next >= end) return false;
    at = next;
  }
  return true;
}

struct Mark {
  std::string_view text, what;
};
constexpr Mark kMarks[] = {
    {"<important", "has mark-up that poses as an order to the model"},
    {"<system", "has mark-up that poses as an order to the model"},
    {"</system", "has mark-up that poses as an order to the model"},
    {"<instruction", "has mark-up that poses as an order to the model"},
    {"<secret", "has mark-up that poses as an order to the model"},
    {"<hidden", "has mark-up that poses as an order to the model"},
    {"<|im_start", "has mark-up of a model's own prompt"},
    {"<|system", "has mark-up of a model's own prompt"},
    {"<|endoftext", "has mark-up of a model's own prompt"},
    {"[inst]", "has mark-up of a model's own prompt"},
    {"<<sys>>", "has mark-up of a model's own prompt"},
    {"<!--", "has a comment that renders to nothing"},
    {"~/.ssh", "names a place where secrets lie"},
    {".ssh/id_", "names a place where secrets lie"},
    {"id_rsa", "names a place where secrets lie"},
    {"id_ed25519", "names a place where secrets lie"},
    {".aws/credentials", "names a place where secrets lie"},
    {".cursor/mcp.json", "names a place where secrets lie"},
    {"/etc/shadow", "names a place where secrets lie"},
    {"/etc/passwd", "names a place where secrets lie"},
};

/// Without the white space that could stand inside a mark: "< important >".
std::string tight(std::string_view plain) {
  std::string out;
  for (const char c : plain) {
    const bool after_bracket = !out.empty() && (out.back() == '<' || out.back() == '[');
    if (after_bracket && (c == ' ' || c == '\n' || c == '\t' || c == '\r')) continue;
    out += c;
  }
  return out;
}

void add(std::vector<std::string>& out, std::string line) {
  if (out.size() < kFindings && std::ranges::find(out, line) == out.end()) out.push_back(std::move(line));
}

/// Where a value stands, as a JSON pointer that a person reads.
std::string below(const std::string& path, std::string_view name) {
  return path.size() < kPathBytes ? path + "/" + escaped(name.substr(0, kPathBytes)) : path;
}

void walk(json::Value value, const std::string& path, std::vector<std::string>& out) {
  if (out.size() >= kFindings) return;
  if (const auto text = value.string()) {
    for (const auto& finding : suspicions_in(*text)) add(out, fmt::format("{}: {}", path, finding));
  } else if (value.is(json::Kind::object)) {
    for (const auto& member : value.members()) {
      const std::string name = member.key();
      const std::string here = below(path, name);
      for (const auto& finding : suspicions_in(name)) add(out, fmt::format("{}: its name {}", here, finding));
      walk(member.value, here, out);
    }
  } else if (value.is(json::Kind::array)) {
    std::size_t index = 0;
    for (const json::Value element : value.elements())
      walk(element, below(path, fmt::to_string(index++)), out);
  }
}

}  // namespace

std::vector<std::string> suspicions_in(std::string_view text) {
  std::vector<std::string> out;
  Seen seen = look(text);
  for (auto& finding : seen.findings) add(out, std::move(finding));
  if (text.size() > limits::kDefinitionText)
    add(out, fmt::format("is longer than {} KiB", limits::kDefinitionText / limits::KiB));
  const std::string marks = tight(seen.plain);
  for (const Mark& mark : kMarks) {
    if (marks.find(mark.text) != std::string::npos) add(out, std::string(mark.what));
  }
  const auto words = words_of(seen.plain);
  for (const Phrase& phrase : kPhrases) {
    for (std::size_t i = 0; i < words.size(); ++i) {
      if (!in(words[i], phrase.groups[0]) || !follows(words, i, phrase)) continue;
      add(out, std::string(phrase.what));
      break;
    }
  }
  return out;
}

std::vector<std::string> suspicions(json::Value definition) {
  std::vector<std::string> out;
  walk(definition, "", out);
  return out;
}

std::string shape_of(std::string_view name) {
  std::string out;
  for (std::size_t i = 0; i < name.size(); ++i) {
    const char c = name[i];
    const char next = i + 1 < name.size() ? name[i + 1] : '\0';
    if (c == 'r' && next == 'n') {
      out += 'm';
      ++i;
    } else if (c == 'v' && next == 'v') {
      out += 'w';
      ++i;
    } else if (c == '1' || c == 'I' || c == '|') {
      out += 'l';
    } else if (c == 'O') {
      out += '0';
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace sallyport::mcp
