#include <algorithm>
#include <array>

#include "document_form.hpp"
#include "document_reader.hpp"

namespace sallyport::store {
namespace {

using Json = nlohmann::ordered_json;

std::string quoted(const std::string& text) {
  return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
}

/// Words that YAML 1.1 or 1.2 readers take for something else than text.
bool is_reserved(std::string_view text) {
  static constexpr std::array<std::string_view, 8> kWords = {"true", "false", "null", "yes",
                                                             "no",   "on",    "off",  "y"};
  std::string folded(text);
  std::ranges::transform(folded, folded.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
  return folded == "n" || std::ranges::find(kWords, folded) != kWords.end();
}

bool is_plain(std::string_view text) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  const auto inner = [&](char c) {
    return letter(c) || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '/';
  };
  if (text == kSealed) return true;
  return !text.empty() && text.size() <= 200 && letter(text[0]) && std::ranges::all_of(text, inner) &&
         !is_reserved(text);
}

/// Text of several lines whose every byte survives in a block.
bool fits_block(std::string_view text) {
  if (text.find('\n') == std::string_view::npos || text.ends_with("\n\n") || text[0] == ' ' ||
      text[0] == '\n') {
    return false;
  }
  if (text.find(" \n") != std::string_view::npos || text.ends_with(' ')) return false;
  return std::ranges::all_of(text, [](char c) { return c == '\n' || (c >= 0x20 && c < 0x7f); });
}

class YamlWriter {
 public:
  std::string take() { return std::move(out_); }

  void map(const Json& object, std::size_t indent, bool in_list) {
    bool first = true;
    for (const auto& [key, value] : object.items()) {
      if (!first || !in_list) out_.append(indent, ' ');
      first = false;
      out_ += is_plain(key) ? key : quoted(key);
      out_ += ':';
      under_key(value, indent);
    }
  }

 private:
  void under_key(const Json& value, std::size_t indent) {
    if (value.is_object() && !value.empty()) {
      out_ += '\n';
      map(value, indent + 2, false);
    } else if (value.is_array() && !value.empty()) {
      out_ += '\n';
      for (const Json& item : value) {
        out_.append(indent + 2, ' ');
        out_ += "- ";
        if (item.is_object()) {
          map(item, indent + 4, true);
        } else {
          out_ += scalar(item);
          out_ += '\n';
        }
      }
    } else if (value.is_string() && fits_block(value.get_ref<const std::string&>())) {
      block(value.get_ref<const std::string&>(), indent + 2);
    } else {
      out_ += ' ';
      out_ += scalar(value);
      out_ += '\n';
    }
  }

  static std::string scalar(const Json& value) {
    if (!value.is_string()) return value.dump();
    const std::string& text = value.get_ref<const std::string&>();
    return is_plain(text) ? text : quoted(text);
  }

  void block(std::string_view text, std::size_t indent) {
    const bool ends = text.ends_with('\n');
    out_ += ends ? " |\n" : " |-\n";
    if (ends) text.remove_suffix(1);
    while (true) {
      const auto end = text.find('\n');
      if (const std::string_view row = text.substr(0, end); !row.empty()) {
        out_.append(indent, ' ');
        out_ += row;
      }
      out_ += '\n';
      if (end == std::string_view::npos) return;
      text.remove_prefix(end + 1);
    }
  }

  std::string out_;
};

}  // namespace

std::string to_yaml(const AnyDocument& document) {
  YamlWriter writer;
  writer.map(form_of(document, false), 0, false);
  return writer.take();
}

}  // namespace sallyport::store
