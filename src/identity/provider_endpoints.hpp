#pragma once
/// Where people sign in elsewhere: the endpoints of OpenID providers, as their metadata names them.

#include <map>
#include <mutex>
#include <string>

#include "sallyport/core/clock.hpp"
#include "sallyport/core/task.hpp"
#include "sallyport/identity/issuers.hpp"
#include "sallyport/net/client.hpp"

namespace sallyport::identity {

struct Endpoints {
  std::string authorization, token;
  bool sends_iss = false;  ///< RFC 9207: an answer without `iss` is none of its
};

/// Threads: any shard's.
class ProviderEndpoints {
 public:
  /// Remembered for limits::kClientKept, a failure for limits::kRefusalKept. Errors: unavailable; what is
  /// wrong is in the log.
  Task<Result<Endpoints>> find(net::Client& client, const Issuer& issuer, SteadyTime now);

 private:
  static Task<Result<Endpoints>> fetch(net::Client& client, const Issuer& issuer);
  struct Known {
    Result<Endpoints> endpoints;
    SteadyTime until{};
  };
  std::mutex mutex_;
  std::map<std::string, Known> known_;  // by the fingerprint of the document
};

}  // namespace sallyport::identity
