#pragma once
/// HTTP messages as the rest of the program sees them: transport-neutral, no parser types.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sallyport/core/clock.hpp"

namespace sallyport::net {

/// A header line; views into the head that the owner keeps.
struct Header {
  std::string_view name;   ///< as it came; compare without regard to case
  std::string_view value;  ///< surrounding OWS stripped, otherwise literal
};

/// Header lines in the order they came, all checked (RFC 9110 tokens and field values).
class Headers {
 public:
  std::vector<Header> lines;
  /// First line of that name, whatever the case.
  std::optional<std::string_view> find(std::string_view name) const;
  std::size_t count(std::string_view name) const;
};

enum class Method : std::uint8_t { get, head, post, put, patch, del, options, other };
std::string_view name_of(Method m);

/// What a client's certificate says, which its authority and its key have proved (RFC 5280).
struct ClientCertificate {
  std::string fingerprint;                           ///< SHA-256 of it, as hex
  std::string subject_cn;                            ///< empty: none, or more than one
  std::vector<std::string> uris, dns_names, emails;  ///< of subjectAltName
  SystemTime expires{};
};

/// Who is on the other end of a connection.
struct Peer {
  std::string ip;  ///< textual address; "unix" for a local socket
  std::uint16_t port = 0;
  bool loopback = false;
  bool tls = false;
  std::optional<std::uint32_t> uid;                        ///< of a local socket's peer (SO_PEERCRED)
  std::shared_ptr<const ClientCertificate> certificate{};  ///< null: none was asked for, or shown
};

/// A request whose head has passed the strict check. Move-only; views stay valid when it is moved.
struct Request {
  Request() = default;
  Request(Request&&) = default;
  Request& operator=(Request&&) = default;

  std::vector<char> head;  ///< owns the bytes that the views below point into
  Method method = Method::other;
  std::string_view target;  ///< as it came
  std::string_view
      path;  ///< before '?'; checked: begins with '/', no "//", no dot segments, no '%', ';', '\\'
  std::string_view query;  ///< after '?', may be empty
  Headers headers;
  /// Forwarded and X-Forwarded-* lines, which are never among `headers`: only a peer that settings name as a
  /// trusted proxy may be believed. Spellings with '_' are dropped altogether.
  Headers forwarded;
  bool keep_alive = true;
  std::optional<std::uint64_t> content_length;
  bool chunked = false;
  bool expect_continue = false;
  int minor_version = 1;
};

/// A whole answer. Content-Length, Date and Connection are written by the connection.
struct Reply {
  int status = 200;
  std::string content_type{};  ///< empty: no Content-Type
  std::string body{};
  std::vector<std::pair<std::string, std::string>> headers{};
  bool close = false;  ///< end the connection after this reply
};

std::string_view reason_of(int status);

}  // namespace sallyport::net
