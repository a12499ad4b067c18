#include <spdlog/spdlog.h>

#include "pipe_upstream.hpp"
#include "sallyport/core/limits.hpp"
#include "sallyport/net/child.hpp"

namespace sallyport::gateway {
namespace {

/// The standard streams of a child process, a message a line. What it does on its own account goes to the
/// log.
class ChildCarrier final : public Carrier {
 public:
  ChildCarrier(net::Shard& shard, std::shared_ptr<const ServerConfig> config)
      : shard_(shard), config_(std::move(config)) {}

  Task<Result<bool>> open(Events events, SteadyTime) override {
    const auto& transport = std::get<store::StdioTransport>(config_->document.transport);
    auto extra = transport.env;
    for (const auto& [name, secret] : config_->secret_env) extra[name] = std::string(secret.reveal());
    auto env = net::minimal_environment(extra);
    if (!env) co_return Failure(env.error());
    net::ChildOptions options;
    options.argv.push_back(transport.command);
    options.argv.insert(options.argv.end(), transport.args.begin(), transport.args.end());
    options.env = std::move(*env);
    options.directory = transport.directory;
    options.on_line = std::move(events.on_message);
    options.on_stderr = [name = config_->document.name](const std::string& line) {
      spdlog::info("server {}: {}", name, line);
    };
    options.on_exit = std::move(events.on_end);
    auto child = net::Child::start(shard_, std::move(options));
    if (!child) co_return Failure(child.error());
    child_ = std::move(*child);
    co_return true;
  }

  bool send(std::string message, Order, Refused refused) override {
    if (!child_) return false;
    auto sent = child_->send(std::move(message));
    if (sent || sent.error().code != Code::limited) return sent.has_value();
    if (refused) refused(std::move(sent.error()));
    return true;
  }
  std::uint64_t heard() const override { return child_ ? child_->heard() : 0; }
  void stop() override {
    if (child_) child_->stop();
  }

 private:
  net::Shard& shard_;
  const std::shared_ptr<const ServerConfig> config_;
  std::unique_ptr<net::Child> child_;
};

}  // namespace

std::shared_ptr<Upstream> make_stdio_upstream(net::Shards& shards, std::shared_ptr<const ServerConfig> config,
                                              OnNotice on_notice) {
  const CarrierKind kind{
      .make = [config](net::Shard& shard) { return std::make_unique<ChildCarrier>(shard, config); },
      .noun = "process",
      .nouns = "processes",
      .most = limits::kChildren};
  return make_pipe_upstream(shards, std::make_shared<const CarrierKind>(kind), config, std::move(on_notice));
}

}  // namespace sallyport::gateway
