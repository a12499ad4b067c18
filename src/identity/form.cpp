#include "sallyport/identity/form.hpp"

#include <algorithm>

#include "sallyport/core/bytes.hpp"

namespace sallyport::identity {
namespace {

constexpr std::size_t kFields = 50;

Failure refused(std::string hint) { return client_error(Code::bad_request, std::move(hint)); }

std::optional<std::string> decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+') {
      out += ' ';
    } else if (text[i] == '%') {
      const auto byte = i + 2 < text.size() ? unhex(lower(text.substr(i + 1, 2))) : std::nullopt;
      if (!byte || byte->size() != 1) return std::nullopt;
      out += *byte;
      i += 2;
    } else {
      out += text[i];
    }
  }
  const bool controls = std::ranges::any_of(out, [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) == 0x7f;
  });
  if (controls || !is_utf8(out)) return std::nullopt;
  return out;
}

}  // namespace

Result<Form> Form::parse(std::string_view encoded) {
  Form out;
  while (!encoded.empty()) {
    const auto field = encoded.substr(0, encoded.find('&'));
    encoded.remove_prefix(std::min(encoded.size(), field.size() + 1));
    if (field.empty()) continue;
    const auto equals = std::min(field.find('='), field.size());
    auto name = decoded(field.substr(0, equals));
    auto value = decoded(field.substr(std::min(field.size(), equals + 1)));
    if (!name || !value)
      return refused("A parameter is not encoded as forms are, or holds control characters.");
    const bool twice = std::ranges::any_of(out.fields_, [&](const auto& one) { return one.first == *name; });
    if (twice) return refused("A parameter stands there twice.");
    if (out.fields_.size() == kFields) return refused("There are too many parameters.");
    out.fields_.emplace_back(std::move(*name), std::move(*value));
  }
  return out;
}

const std::string& Form::operator[](std::string_view name) const {
  static const std::string kNone;
  const auto found = std::ranges::find_if(fields_, [&](const auto& one) { return one.first == name; });
  return found == fields_.end() ? kNone : found->second;
}

std::string url_encoded(std::string_view text) {
  static constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string_view("-._~").contains(c);
    if (plain) {
      out += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out += '%';
    out += kDigits[byte >> 4U];
    out += kDigits[byte & 15U];
  }
  return out;
}

std::string with_query(std::string_view url,
                       const std::vector<std::pair<std::string_view, std::string_view>>& parameters) {
  std::string out(url);
  for (const auto& [name, value] : parameters) {
    if (value.empty()) continue;
    out += out.contains('?') ? (out.ends_with('?') || out.ends_with('&') ? "" : "&") : "?";
    out.append(name).append("=").append(url_encoded(value));
  }
  return out;
}

std::string client_authorization(std::string_view id, const Secret& secret) {
  // Both are form-encoded before they are joined.
  return "Authorization: Basic " + base64(url_encoded(id) + ":" + url_encoded(secret.reveal())) + "\r\n";
}

}  // namespace sallyport::identity
