#pragma once
/// The program log and the access log. Neither is the record of what happened: that is the journal.
///
/// No secret reaches them: a Secret has no formatter and no conversion to text, so that passing one to a log
/// statement does not compile, and nobody logs headers, bodies or arguments. Every message stands on one
/// line; control characters in it are escaped, so that what a peer sent cannot forge a line.

#include <string>

#include "sallyport/core/error.hpp"
#include "sallyport/gateway/gateway.hpp"

namespace sallyport::admin {

struct LogOptions {
  bool json = false;           ///< one JSON object per line instead of text
  std::string level = "info";  ///< debug | info | warn | error
  std::string file{};          ///< program log; empty: standard error
  bool access = false;         ///< write the access log
  std::string access_file{};   ///< empty: standard error
};

/// Sets up spdlog's default logger. Called at start, before other threads. Errors: bad_request (level),
/// storage (files).
Result<void> start_logging(const LogOptions& options);

/// One line per finished request: time, call, client, principal, endpoint, era, method, target, status, code,
/// duration, bytes. Nothing while the access log is off. Threads: any; file writes are serialised by spdlog.
void log_access(const gateway::AccessLine& line);

/// The line as log_access writes it, without newline; `millis` is Unix time.
std::string format_access(const gateway::AccessLine& line, std::int64_t millis, bool as_json);

}  // namespace sallyport::admin
