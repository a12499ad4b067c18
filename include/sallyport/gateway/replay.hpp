#pragma once
/// Recorded calls, decided again by other policies.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sallyport/core/clock.hpp"
#include "sallyport/gateway/snapshot.hpp"

namespace sallyport::gateway {

/// What the journal has of a call, or of one that the policies refused.
struct RecordedCall {
  std::string id{}, principal{}, endpoint{}, method{};
  std::string target{};  ///< canonical; empty: refused at the endpoint's door
  std::string rule{};    ///< that decided it then
  std::string client_ip{};
  std::int64_t millis = 0;
  bool allowed = false;
};

/// What another set of documents says of it.
struct Redecision {
  enum class What : std::uint8_t {
    allowed,
    denied,
    undetermined  ///< it depends on what nobody knows
  } what = What::denied;
  std::string rule{};  ///< that decides it, or why nothing does
};

class Access;

/// Threads: one.
class Replay {
 public:
  /// `documents`: the same that the snapshot was built from; they say what principals are.
  Replay(std::shared_ptr<const Snapshot> snapshot, std::vector<store::AnyDocument> documents);
  ~Replay();

  /// Whether a record with this method is one of a decision about a tool, a prompt or a resource, or about an
  /// endpoint.
  static bool concerns(std::string_view method, std::string_view target);
  /// `arguments`: as they went upstream; nullopt: not known. Principals are what the documents say of their
  /// names now.
  Redecision decide(const RecordedCall& call, std::optional<std::string_view> arguments);

 private:
  Access* access_of(const std::string& principal);

  const std::shared_ptr<const Snapshot> snapshot_;
  const std::vector<store::AnyDocument> documents_;
  const identity::Directory directory_;
  std::map<std::string, std::unique_ptr<Access>> callers_;  ///< null: no principal has that name
};

}  // namespace sallyport::gateway
