#pragma once
/// MCP over Streamable HTTP, for a server on this machine: binds 127.0.0.1 and refuses foreign Host and
/// Origin headers, so that a web page which points its own name here (DNS rebinding) reaches nothing.
///
/// modern requests stand alone and their headers must repeat what the body says; legacy requests belong to a
/// session. There is no stream for messages outside a call (GET answers 405), because these servers never
/// start a conversation.

#include <memory>
#include <string>

#include "mcp_server/server.hpp"

namespace mcp_server {

class HttpEndpoint {
 public:
  /// Borrows: `server`.
  explicit HttpEndpoint(const Server& server);
  ~HttpEndpoint();
  HttpEndpoint(const HttpEndpoint&) = delete;
  HttpEndpoint& operator=(const HttpEndpoint&) = delete;

  /// Port 0 picks a free one. Returns the port. Throws std::runtime_error when it is taken.
  int bind(int port);
  /// Serves /mcp until `stop`.
  void run();
  /// Threads: any.
  void stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mcp_server
