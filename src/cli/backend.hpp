#pragma once
/// Where a command's operations run: in the server that holds the data directory, or here on its files.

#include <memory>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "sallyport/core/error.hpp"

namespace sallyport::cli {

class Backend {
 public:
  enum class Wants : unsigned char { existing, created };
  /// Asks DIR/admin.sock first. Where nobody listens, opens the files under their lock; a short-lived holder
  /// of the lock (another command) is waited for. Errors: not_found (no such data directory), conflict,
  /// storage.
  /// `environment`: of an instance on that directory, where none runs.
  static Result<std::unique_ptr<Backend>> open(const std::string& data, Wants wants,
                                               const std::string& environment = {});
  virtual ~Backend() = default;
  virtual Result<nlohmann::json> run(const std::string& operation, const nlohmann::json& arguments) = 0;
  virtual bool running() const = 0;
};

/// DIR/admin.sock, or where that is too long for a socket address (108 bytes), an equal path that is not. The
/// object keeps the descriptor that such a path leads through.
class SocketPath {
 public:
  explicit SocketPath(const std::string& data);
  ~SocketPath();
  SocketPath(const SocketPath&) = delete;
  SocketPath& operator=(const SocketPath&) = delete;
  const std::string& text() const { return text_; }

 private:
  std::string text_;
  int directory_ = -1;
};

}  // namespace sallyport::cli
