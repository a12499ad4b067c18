/// The two ends of a benchmark, as cheap as they can be, so that what is measured is what stands between
/// them.
///
///   peer serve                  an MCP server (2026-07-28) with one tool; prints "ready: URL". It answers a
///   tools/call of an older session alike, and asks for no session
///   peer serve CERT KEY         the same over TLS
///   It is a provider of models too: chat completions, messages and responses, whole and streamed
///   peer first PORT N PATH BODY HEADER...  asks N times, one after the other, for the stream that the file
///   BODY asks for; prints "first P50 P99 end P50": microseconds to the first word and, of the whole stream,
///   to its end peer hold PORT N HEADER...  opens N connections with one request each, prints "held N", keeps
///   them until its input ends
///
/// It trusts its input: one reader's buffer, no limits. Not an example of how to write a server.

#include <unistd.h>

#include <algorithm>
#include <boost/asio.hpp>
#include <boost/asio/ssl.hpp>
#include <charconv>
#include <chrono>
#include <fstream>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include "model_answers.hpp"

namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using Socket = tcp::socket;

const std::string kText(360, 'x');  // with its envelope an answer has about 500 bytes

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

/// The raw `id` of a request whose envelope comes first.
std::string_view id_of(std::string_view body) {
  const auto at = body.find("\"id\":");
  if (at == std::string_view::npos) return {};
  const auto begin = at + 5;
  const auto end = body[begin] == '"' ? body.find('"', begin + 1) + 1 : body.find_first_of(",}", begin);
  return body.substr(begin, end - begin);
}

std::string answer(std::string_view body) {
  const auto id = id_of(body);
  if (id.empty()) return "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n";
  std::string status = "200 OK", payload = "\"result\":{\"resultType\":\"complete\",";
  if (contains(body, "\"server/discover\"")) {
    payload +=
        R"("supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"ttlMs":60000,"cacheScope":"public"})";
  } else if (contains(body, "\"tools/list\"")) {
    payload += R"("tools":[{"name":"echo","description":"Says the same thing each time.",)"
               R"("inputSchema":{"type":"object"}}],"ttlMs":60000,"cacheScope":"public"})";
  } else if (contains(body, "\"tools/call\"")) {
    payload += R"("content":[{"type":"text","text":")" + kText + R"("}],"isError":false})";
  } else {
    status = "404 Not Found";
    payload = R"("error":{"code":-32601,"message":"no such method"})";
  }
  payload = "{\"jsonrpc\":\"2.0\",\"id\":" + std::string(id) + "," + payload + "}";
  return "HTTP/1.1 " + status +
         "\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(payload.size()) +
         "\r\n\r\n" + payload;
}

const bench::ModelAnswers* model_asked(std::string_view request) {
  for (const auto& one : bench::model_answers())
    if (request.substr(5).starts_with(one.path)) return &one;  // after "POST "
  return nullptr;
}

std::size_t content_length(std::string_view head) {
  for (const std::string_view name : {"\r\nContent-Length: ", "\r\ncontent-length: "}) {
    const auto at = head.find(name);
    if (at == std::string_view::npos) continue;
    std::size_t value = 0;
    std::from_chars(head.data() + at + name.size(), head.data() + head.size(), value);
    return value;
  }
  return 0;
}

template <class Stream>
asio::awaitable<void> converse(Stream socket) {
  std::string buffer;
  for (;;) {
    const auto [problem, head] = co_await asio::async_read_until(
        socket, asio::dynamic_buffer(buffer), "\r\n\r\n", asio::as_tuple(asio::use_awaitable));
    if (problem) co_return;
    const std::size_t whole = head + content_length(std::string_view(buffer).substr(0, head));
    if (buffer.size() < whole) {
      const auto rest = asio::transfer_exactly(whole - buffer.size());
      const auto [cut, size] = co_await asio::async_read(socket, asio::dynamic_buffer(buffer), rest,
                                                         asio::as_tuple(asio::use_awaitable));
      if (cut) co_return;
    }
    const std::string_view asked = buffer;
    const std::string_view body = asked.substr(head, whole - head);
    std::string made;
    std::vector<std::string_view> writes;
    if (const auto* model = model_asked(asked)) {
      if (contains(body, "\"stream\":true")) {
        writes.assign(model->stream.begin(), model->stream.end());
      } else {
        writes.emplace_back(model->whole);
      }
    } else {
      writes.emplace_back(made = answer(body));
    }
    buffer.erase(0, whole);
    for (const auto& write : writes) {
      const auto [broken, sent] =
          co_await asio::async_write(socket, asio::buffer(write), asio::as_tuple(asio::use_awaitable));
      if (broken) co_return;
    }
  }
}

asio::awaitable<void> converse_over_tls(Socket socket, asio::ssl::context& tls) {
  asio::ssl::stream<Socket> stream(std::move(socket), tls);
  const auto [refused] =
      co_await stream.async_handshake(asio::ssl::stream_base::server, asio::as_tuple(asio::use_awaitable));
  if (!refused) co_await converse(std::move(stream));
}

asio::awaitable<void> accept(tcp::acceptor& acceptor, asio::ssl::context* tls) {
  for (;;) {
    Socket socket = co_await acceptor.async_accept(asio::use_awaitable);
    socket.set_option(tcp::no_delay(true));
    asio::co_spawn(acceptor.get_executor(),
                   tls ? converse_over_tls(std::move(socket), *tls) : converse(std::move(socket)),
                   asio::detached);
  }
}

int serve(const char* cert, const char* key) {
  asio::io_context io(1);
  asio::ssl::context tls(asio::ssl::context::tls_server);
  if (cert) {
    tls.use_certificate_chain_file(cert);
    tls.use_private_key_file(key, asio::ssl::context::pem);
  }
  tcp::acceptor acceptor(io, {asio::ip::address_v4::loopback(), 0});
  std::cout << "ready: " << (cert ? "https" : "http") << "://127.0.0.1:" << acceptor.local_endpoint().port()
            << "/mcp" << std::endl;
  asio::co_spawn(io, accept(acceptor, cert ? &tls : nullptr), asio::detached);
  io.run();
  return 0;
}

std::string small_request(std::string_view headers) {
  const std::string body = R"({"jsonrpc":"2.0","id":1,"method":"server/discover","params":{"_meta":{)"
                           R"("io.modelcontextprotocol/protocolVersion":"2026-07-28",)"
                           R"("io.modelcontextprotocol/clientCapabilities":{}}}})";
  return "POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
         "Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2026-07-28\r\n"
         "Mcp-Method: server/discover\r\n" +
         std::string(headers) + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

int first(unsigned short port, std::size_t count, const std::string& path, const char* file,
          const std::string& headers) {
  using Clock = std::chrono::steady_clock;
  std::ifstream in(file);
  const std::string body{std::istreambuf_iterator<char>(in), {}};
  const std::string request = "POST " + path +
                              " HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n" + headers +
                              "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  asio::io_context io(1);
  Socket socket(io);
  socket.connect({asio::ip::address_v4::loopback(), port});
  socket.set_option(tcp::no_delay(true));
  std::vector<double> firsts, ends;
  for (std::size_t made = 0; made < count; ++made) {
    const auto begin = Clock::now();
    const auto since = [&] {
      return std::chrono::duration<double, std::micro>(Clock::now() - begin).count();
    };
    asio::write(socket, asio::buffer(request));
    std::string answer;
    bool begun = false;
    while (!answer.ends_with("\r\n0\r\n\r\n")) {
      std::array<char, 65536> buffer{};
      answer.append(buffer.data(), socket.read_some(asio::buffer(buffer)));
      if (!begun && contains(answer, "word ")) {
        begun = true;
        firsts.push_back(since());
      }
      if (!answer.starts_with("HTTP/1.1 200")) {
        std::cerr << "peer: refused: " << answer << '\n';
        return 1;
      }
    }
    if (!begun) {
      std::cerr << "peer: no word in: " << answer << '\n';
      return 1;
    }
    ends.push_back(since());
  }
  std::ranges::sort(firsts);
  std::ranges::sort(ends);
  std::cout << "first " << firsts[count / 2] << ' ' << firsts[count * 99 / 100] << " end " << ends[count / 2]
            << std::endl;
  return 0;
}

int hold(unsigned short port, std::size_t count, const std::string& headers) {
  asio::io_context io(1);
  const std::string request = small_request(headers);
  std::vector<Socket> held;
  for (std::size_t made = 0; made < count; ++made) {
    Socket socket(io);
    socket.connect({asio::ip::address_v4::loopback(), port});
    asio::write(socket, asio::buffer(request));
    std::string head;
    asio::read_until(socket, asio::dynamic_buffer(head), "\r\n\r\n");
    if (!head.starts_with("HTTP/1.1 200")) {
      std::cerr << "peer: refused: " << head;
      return 1;
    }
    held.push_back(std::move(socket));
  }
  std::cout << "held " << count << std::endl;
  char byte = 0;
  while (::read(STDIN_FILENO, &byte, 1) > 0) {
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view mode = argc > 1 ? argv[1] : "";
  try {
    if (mode == "serve") return argc > 3 ? serve(argv[2], argv[3]) : serve(nullptr, nullptr);
    if (mode == "first" && argc >= 6) {
      std::string headers;
      for (int at = 6; at < argc; ++at) headers += std::string(argv[at]) + "\r\n";
      return first(static_cast<unsigned short>(std::stoi(argv[2])), std::stoul(argv[3]), argv[4], argv[5],
                   headers);
    }
    if (mode == "hold" && argc >= 4) {
      std::string headers;
      for (int at = 4; at < argc; ++at) headers += std::string(argv[at]) + "\r\n";
      return hold(static_cast<unsigned short>(std::stoi(argv[2])), std::stoul(argv[3]), headers);
    }
  } catch (const std::exception& problem) {
    std::cerr << "peer: " << problem.what() << '\n';
    return 1;
  }
  std::cerr << "usage: peer serve [CERT KEY] | peer first PORT N PATH BODY HEADER... | peer hold PORT N "
               "HEADER...\n";
  return 2;
}
