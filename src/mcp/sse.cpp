#include "sallyport/mcp/sse.hpp"

#include <charconv>
#include <memory>

namespace sallyport::mcp {

namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

std::optional<int> retry_from(std::string_view digits) {
  if (digits.empty() || digits.find_first_not_of("0123456789") != std::string_view::npos) return std::nullopt;
  int milliseconds = 0;
  const char* const begin = std::to_address(digits.begin());
  if (std::from_chars(begin, begin + digits.size(), milliseconds).ec != std::errc()) return std::nullopt;
  return milliseconds;
}

void append_id_line(std::string& out, std::string_view id) {
  out += "id: ";
  for (const char c : id) {
    if (c != '\r' && c != '\n' && c != '\0') out += c;
  }
  out += '\n';
}

}  // namespace

SseReader::SseReader(std::size_t max_event) : max_event_(max_event) {}

Result<std::vector<SseEvent>> SseReader::feed(std::string_view bytes) {
  std::vector<SseEvent> out;
  // Most streams end their lines with LF alone, and that is found many bytes at a time.
  const bool has_cr = bytes.find('\r') != std::string_view::npos;
  while (!dead_ && !bytes.empty()) {
    if (after_cr_) {
      after_cr_ = false;
      if (bytes.front() == '\n') {
        bytes.remove_prefix(1);
        continue;
      }
    }
    const std::size_t end = has_cr ? bytes.find_first_of("\r\n") : bytes.find('\n');
    const bool complete = end != std::string_view::npos;
    const std::string_view piece = bytes.substr(0, end);
    size_ += piece.size() + (complete ? 1 : 0);
    if (size_ > max_event_) {
      dead_ = true;
      break;
    }
    if (!complete) {
      partial_ += piece;
      break;
    }
    after_cr_ = bytes[end] == '\r';
    bytes.remove_prefix(end + 1);
    if (partial_.empty()) {
      line(piece, out);
    } else {
      partial_ += piece;
      line(partial_, out);
      partial_.clear();
    }
  }
  if (dead_ && out.empty()) {
    partial_ = {};
    event_ = {};
    return fail(Code::too_large, Blame::upstream, "an event of the stream is over its bound");
  }
  return out;
}

void SseReader::line(std::string_view text, std::vector<SseEvent>& out) {
  if (at_start_) {
    at_start_ = false;
    if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  }
  if (!text.empty()) {
    const std::size_t colon = text.find(':');
    if (colon == 0) return;
    std::string_view value = colon == std::string_view::npos ? std::string_view{} : text.substr(colon + 1);
    if (value.starts_with(' ')) value.remove_prefix(1);
    return field(text.substr(0, colon), value);
  }
  size_ = 0;
  last_id_ = event_.last_id;
  SseEvent next;
  next.last_id = event_.last_id;
  if (has_data_) {
    if (event_.type.empty()) event_.type = "message";
    out.push_back(std::move(event_));
  }
  event_ = std::move(next);
  has_data_ = false;
}

void SseReader::field(std::string_view name, std::string_view value) {
  if (name == "data") {
    if (has_data_) event_.data += '\n';
    event_.data += value;
    has_data_ = true;
  } else if (name == "event") {
    event_.type = value;
  } else if (name == "id") {
    if (value.find('\0') == std::string_view::npos) event_.last_id = value;
  } else if (name == "retry") {
    // It counts from its line on, even where the event is never finished (HTML, 9.2.6).
    if (const auto delay = retry_from(value)) event_.retry = retry_ = delay;
  }
}

std::string sse_frame(std::string_view data, std::string_view id) {
  std::string out;
  out.reserve(data.size() + id.size() + 32);
  out += "event: message\n";
  if (!id.empty()) append_id_line(out, id);
  out += "data: ";
  const std::size_t begin = out.size();
  out += data;
  for (std::size_t at = out.find_first_of("\r\n", begin); at != std::string::npos;
       at = out.find_first_of("\r\n", at + 1)) {
    out[at] = ' ';
  }
  out += "\n\n";
  return out;
}

std::string sse_priming_frame(std::string_view id, std::optional<int> retry) {
  std::string out;
  append_id_line(out, id);
  if (retry) out += "retry: " + std::to_string(*retry) + '\n';
  out += "data:\n\n";
  return out;
}

}  // namespace sallyport::mcp
