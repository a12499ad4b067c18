#pragma once
/// How clients come to the built-in authorization server.

namespace sallyport::identity {

struct LoginOptions {
  bool registration = true;      ///< whoever wants to may register (RFC 7591)
  bool private_clients = false;  ///< documents of clients at private addresses, over http too
};

}  // namespace sallyport::identity
