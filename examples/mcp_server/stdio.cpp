#include "mcp_server/stdio.hpp"

#include <iostream>

namespace mcp_server {
namespace {

void write_line(const Json& message) {
  std::cout << message.dump(-1, ' ', false, Json::error_handler_t::replace) << '\n' << std::flush;
}

}  // namespace

void serve_stdio(const Server& server) {
  const Notify notify = [](const Json& notification) {
    write_line(notification);
    return std::cout.good();
  };
  for (std::string line; std::getline(std::cin, line);) {
    if (line.empty()) continue;
    const Json message = Json::parse(line, nullptr, false);
    if (!message.is_object()) {
      write_line(error_body(nullptr, {kParseError, "a line must hold one JSON object"}));
      continue;
    }
    const Answer answer = server.handle(message, notify);
    if (answer.body) write_line(*answer.body);
  }
}

}  // namespace mcp_server
