#pragma once
/// Clients whose id is the URL of a document about them (OAuth client id metadata documents).

#include <mutex>
#include <string>
#include <unordered_map>

#include "sallyport/core/clock.hpp"
#include "sallyport/core/task.hpp"
#include "sallyport/identity/oauth_client.hpp"
#include "sallyport/net/client.hpp"

namespace sallyport::identity {

/// Fetches them, and remembers for a while what was found or not found. Threads: any shard's.
class ClientDocuments {
 public:
  /// `allow_private`: documents at private addresses, and over http, are fetched too.
  explicit ClientDocuments(bool allow_private) : allow_private_(allow_private) {}

  /// `place`: who wants to know it, see limits::kClientFetchesOfOne. Errors: bad_request
  /// (there is none, or it says something that is not allowed; the hint is for people), limited (too many are
  /// being fetched, or wait for a name server).
  Task<Result<OauthClient>> find(net::Client& client, std::string id, std::string place, SteadyTime now);

 private:
  struct Known {
    Result<OauthClient> client;
    SteadyTime until{};
  };
  std::optional<Result<OauthClient>> known(const std::string& id, SteadyTime now);
  Task<Result<OauthClient>> fetch(net::Client& client, std::string id) const;
  bool begin(const std::string& place);
  void end(const std::string& place);

  const bool allow_private_;
  std::mutex mutex_;
  std::unordered_map<std::string, Known> known_;
  std::size_t fetching_ = 0;
  std::unordered_map<std::string, std::size_t> of_one_;  // fetches by place
};

}  // namespace sallyport::identity
