#pragma once
/// The running server: everything wired together, from its data directory to its listeners.

#include <memory>
#include <string>

#include "sallyport/cli/settings.hpp"
#include "sallyport/core/clock.hpp"
#include "sallyport/core/error.hpp"

namespace sallyport::cli {

/// Threads: start() and stop() from one thread that is no shard's; it keeps the process's other threads.
class Server {
 public:
  /// Opens the data directory (one server holds it), the journal and the listeners. When it returns, requests
  /// are served. Errors: conflict (another server), unavailable (address, vault, certificate), storage.
  /// `clock` outlives the server.
  static Result<std::unique_ptr<Server>> start(Settings settings, const Clock& clock = system_clock());
  /// stop(), where that was not called.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  const std::string& public_url() const;
  const std::string& admin_url() const;
  /// The public listener ends its calls within the grace, then the admin listeners, upstreams, journal. Calls
  /// open after that are recorded as cancelled. Errors: storage, when the journal's last records could not be
  /// written.
  Result<void> stop();

  struct Impl;

 private:
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// What clients reach a listener as: settings.public_url, or made of the address it is bound to.
std::string public_url_of(const Settings& settings, const std::string& address);

}  // namespace sallyport::cli
