#pragma once
/// What every command gets: the settings, where to print, and how.

#include <functional>
#include <iosfwd>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "backend.hpp"
#include "sallyport/cli/settings.hpp"

namespace CLI {
class App;
}

namespace sallyport::cli {

struct Invocation {
  Invocation(std::istream& input, std::ostream& output_stream, std::ostream& errors)
      : in(input), out(output_stream), err(errors) {}

  std::istream& in;
  std::ostream& out;
  std::ostream& err;
  Settings settings{};
  std::string output = "table";        ///< table | json | yaml
  std::vector<std::string> command{};  ///< what stood behind "--"
  FlagValues flags{};                  ///< settings given as flags of `serve`
  std::function<int()> action{};       ///< of the chosen subcommand
  std::string if_unwritten{};          ///< set by must_be_written

  bool json() const { return output == "json"; }

  /// Runs one operation where it belongs; prints the error and returns nullptr's json when it failed.
  Result<nlohmann::json> run(const std::string& operation, const nlohmann::json& arguments,
                             Backend::Wants wants = Backend::Wants::existing);
  /// Prints "sallyport: what" and returns the exit code.
  int failed(const Error& error);
  /// Of a result that cannot be had again: what to do when it could not be written.
  void must_be_written(std::string otherwise);
  /// Prints JSON: indented, ASCII only, so that no data reaches the terminal as a command.
  void print(const nlohmann::json& json);

 private:
  std::unique_ptr<Backend> backend_{};
};

// Tables that two commands show.
int show_servers(Invocation& invocation);
int show_keys(Invocation& invocation, const std::string& agent);

// Each adds its subcommands; the chosen one sets `action`.
void add_apply(CLI::App& app, Invocation& invocation);
void add_get(CLI::App& app, Invocation& invocation);
void add_server(CLI::App& app, Invocation& invocation);
void add_tool(CLI::App& app, Invocation& invocation);
void add_lock(CLI::App& app, Invocation& invocation);
void add_access(CLI::App& app, Invocation& invocation);
void add_user(CLI::App& app, Invocation& invocation);
void add_token(CLI::App& app, Invocation& invocation);
void add_policy_test(CLI::App& policy, Invocation& invocation);
void add_policy_replay(CLI::App& policy, Invocation& invocation);
void add_why(CLI::App& app, Invocation& invocation);
void add_audit(CLI::App& app, Invocation& invocation);
void add_connect(CLI::App& app, Invocation& invocation);
void add_doctor(CLI::App& app, Invocation& invocation);
void add_upkeep(CLI::App& app, Invocation& invocation);
void add_serve(CLI::App& app, Invocation& invocation);

}  // namespace sallyport::cli
