#include "sallyport/admin/log.hpp"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <iterator>
#include <memory>
#include <utility>

#include "log_sink.hpp"
#include "sallyport/core/clock.hpp"
#include "sallyport/json/document.hpp"

namespace sallyport::admin {
namespace {

std::string_view text_of(const spdlog::string_view_t& text) { return {text.data(), text.size()}; }

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

// Text for a line: as it is, or as a JSON string when something in it could be mistaken for more than a
// value.
void append_visible(std::string& out, std::string_view text, std::string_view also = {}) {
  bool plain = true;
  for (const char c : text) plain = plain && !is_control(c) && !also.contains(c);
  if (plain) {
    out += text;
  } else {
    json::append_quoted(out, text);
  }
}

class LineFormatter final : public spdlog::formatter {
 public:
  explicit LineFormatter(bool json) : json_(json) {}
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& to) override {
    std::string line;
    const std::string time = rfc3339(std::chrono::time_point_cast<SystemTime::duration>(message.time));
    const auto level = text_of(spdlog::level::to_string_view(message.level));
    if (json_) {
      line.append(R"({"time":")")
          .append(time)
          .append(R"(","level":")")
          .append(level)
          .append(R"(","message":)");
      json::append_quoted(line, text_of(message.payload));
      line += "}\n";
    } else {
      line.append(time).append(" ").append(level).append(" ");
      append_visible(line, text_of(message.payload));
      line += '\n';
    }
    to.append(line.data(), line.data() + line.size());
  }
  std::unique_ptr<spdlog::formatter> clone() const override { return std::make_unique<LineFormatter>(json_); }

 private:
  const bool json_;
};

// The access line is complete when it comes here.
class BareFormatter final : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& to) override {
    to.append(message.payload.data(), message.payload.data() + message.payload.size());
    to.push_back('\n');
  }
  std::unique_ptr<spdlog::formatter> clone() const override { return std::make_unique<BareFormatter>(); }
};

std::shared_ptr<spdlog::logger> make_logger(const char* name, const std::string& file,
                                            const std::shared_ptr<PatientWriter>& otherwise) {
  spdlog::sink_ptr sink;
  if (file.empty()) {
    sink = std::make_shared<PatientSink>(otherwise);
  } else {
    sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(file);
  }
  return std::make_shared<spdlog::logger>(name, std::move(sink));
}

// Set once by start_logging, before the shards run.
std::shared_ptr<spdlog::logger> access_logger;
bool access_json = false;

}  // namespace

Result<void> start_logging(const LogOptions& options) {
  const auto level = spdlog::level::from_str(options.level);
  if (level == spdlog::level::off || level == spdlog::level::trace || level == spdlog::level::critical) {
    return client_error(Code::bad_request,
                        "log level must be debug, info, warn or error, not " + options.level);
  }
  try {
    const auto standard_error =
        std::make_shared<PatientWriter>(STDERR_FILENO, std::make_unique<LineFormatter>(options.json));
    auto program = make_logger("sallyport", options.file, standard_error);
    program->set_formatter(std::make_unique<LineFormatter>(options.json));
    program->set_level(level);
    program->flush_on(spdlog::level::info);
    std::shared_ptr<spdlog::logger> access;
    if (options.access) {
      access = make_logger("access", options.access_file, standard_error);
      access->set_formatter(std::make_unique<BareFormatter>());
      access->flush_on(spdlog::level::info);
    }
    spdlog::set_default_logger(std::move(program));
    access_logger = std::move(access);
    access_json = options.json;
  } catch (const spdlog::spdlog_ex& error) {
    return fail(Code::storage, Blame::admin, std::string("cannot open the log: ") + error.what());
  }
  return {};
}

std::string format_access(const gateway::AccessLine& line, std::int64_t millis, bool as_json) {
  const std::pair<std::string_view, std::string_view> texts[] = {
      {"call", line.call},         {"client", line.client}, {"principal", line.principal},
      {"endpoint", line.endpoint}, {"era", line.era},       {"method", line.method},
      {"target", line.target},     {"code", line.code}};
  const std::pair<std::string_view, std::int64_t> numbers[] = {
      {"status", line.status},
      {"us", line.micros},
      {"in", static_cast<std::int64_t>(line.bytes_in)},
      {"out", static_cast<std::int64_t>(line.bytes_out)}};
  const std::string time = rfc3339(time_of_millis(millis));
  std::string out;
  out.reserve(320);
  out.append(as_json ? R"({"time":")" : "").append(time).append(as_json ? "\"" : "");
  for (const auto& [key, value] : texts) {
    if (as_json) {
      if (value.empty()) continue;
      out.append(",\"").append(key).append("\":");
      json::append_quoted(out, value);
    } else {
      out.append(" ").append(key).append("=");
      if (value.empty()) {
        out += '-';
      } else {
        append_visible(out, value, " \"=");
      }
    }
  }
  for (const auto& [key, value] : numbers) {
    out.append(as_json ? ",\"" : " ").append(key).append(as_json ? "\":" : "=").append(std::to_string(value));
  }
  if (as_json) out += '}';
  return out;
}

void log_access(const gateway::AccessLine& line) {
  if (!access_logger) return;
  access_logger->info("{}", format_access(line, unix_millis(system_clock().now()), access_json));
}

}  // namespace sallyport::admin
