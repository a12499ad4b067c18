#pragma once
/// One installation under attack: its data directory, the program on it, and an upstream that keeps its own
/// account of what was executed.

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "run.hpp"
#include "support/gateway_process.hpp"
#include "wire/fake_mcp.hpp"

namespace sallyport::faults {

/// What the upstream executed, in a file that no fault touches: one line per execution, flushed before it
/// answers.
class Ledger {
 public:
  explicit Ledger(const std::string& file);
  ~Ledger();
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;
  void add(std::string_view token);
  /// The token of every execution, in their order.
  std::vector<std::string> tokens() const;

 private:
  const std::string file_;
  int fd_;
};

/// Secrets that must stand nowhere outside of the vault.
inline constexpr std::string_view kUpstreamSecret = "canary-upstream-6b1f0c5d9e";

/// Everything lies in a folder of its own, which goes when nothing was found.
class Installation {
 public:
  /// Makes the data directory with `apply` and `key create`. `variables` are every process's.
  explicit Installation(Findings& found, testing::Variables variables = {});
  ~Installation();
  Installation(const Installation&) = delete;
  Installation& operator=(const Installation&) = delete;

  const std::string& folder() const { return folder_; }
  std::string data() const { return folder_ + "/place/data"; }
  /// The folder that a disk shim looks after: the data directory's parent.
  std::string root() const { return folder_ + "/place"; }
  std::string log() const { return folder_ + "/gateway.log"; }
  const std::string& key() const { return key_; }
  Ledger& ledger() { return ledger_; }
  testing::FakeMcp& upstream() { return *upstream_; }
  /// Milliseconds that the upstream takes for a call, at most.
  std::atomic<int> slowest{12};
  /// While true the upstream executes calls, but does not answer them.
  std::atomic<bool> hold{false};
  /// The same for calls whose token begins so; set before them, and cleared in the end.
  std::atomic<const char*> stuck{""};
  const testing::Variables& variables() const { return variables_; }

  /// A server that is ready, or null and a finding. `variables` beside those of the installation.
  std::unique_ptr<testing::GatewayProcess> start(std::vector<std::string> flags = {},
                                                 testing::Variables variables = {}, bool wait = true);
  /// Waits until a first call goes through; false and a finding otherwise.
  bool serves(testing::GatewayProcess& gateway);
  /// A command of the program, with --data.
  testing::Finished command(std::vector<std::string> arguments);
  /// `apply` of these documents, which lie in a file outside of the data directory.
  testing::Finished apply(const std::string& documents);
  /// An operation over admin.sock, as commands do it; the whole answer.
  net::testing::RawSocket::Answer operation(const std::string& name, const testing::Json& arguments) const;
  /// The operation `apply` of these documents.
  net::testing::RawSocket::Answer apply_live(const std::string& documents) const;
  /// GET /metrics over admin.sock; empty when nobody answers.
  std::string metrics() const;
  /// The sum of a metric's values over its labels; -1 when it is absent.
  static double metric(const std::string& text, std::string_view name);

 private:
  Findings& found_;
  std::string folder_;
  testing::Variables variables_;
  Ledger ledger_;
  std::unique_ptr<testing::FakeMcp> upstream_;
  std::string key_;
  int applied_ = 0, probes_ = 0;
};

/// What a process at rest holds: compared before and after.
struct AtRest {
  double in_flight = 0, streams = 0, upstream_in_flight = 0, parked = 0, connections = 0;
  long descriptors = 0;  ///< without pooled connections to upstreams
};
/// Waits until nothing is in flight, then says what is held.
AtRest at_rest(const Installation& installation, const testing::GatewayProcess& gateway);
/// Waits until no more is held than `before`; findings where that does not come about within three seconds.
void expect_at_rest(const AtRest& before, const Installation& installation,
                    const testing::GatewayProcess& gateway, Findings& found);

}  // namespace sallyport::faults
