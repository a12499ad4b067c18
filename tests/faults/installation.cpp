#include "installation.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <thread>

#include "load.hpp"

namespace sallyport::faults {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using testing::Json;
using testing::RawSocket;

std::string new_folder() {
  std::string name = (fs::temp_directory_path() / "sp-fault-XXXXXX").string();
  REQUIRE(::mkdtemp(name.data()) != nullptr);
  fs::create_directory(name + "/place");
  fs::create_directory(name + "/keep");
  return name;
}

std::string documents_for(const std::string& url) {
  return "kind: Credential\nname: token\nvalue: " + std::string(kUpstreamSecret) +
         "\n---\nkind: Server\nname: up\ntransport: {type: streamable-http, url: \"" + url +
         "\", allow_private: true}\ncredential: token\ncapture: full\n"
         "---\nkind: Policy\nname: everyone\nsubjects: [\"agent:bot\"]\nrules:\n"
         "  - {effect: allow, tools: [\"*/*\"]}\n";
}

}  // namespace

Ledger::Ledger(const std::string& file)
    : file_(file), fd_(::open(file.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600)) {
  REQUIRE(fd_ >= 0);
}
Ledger::~Ledger() { ::close(fd_); }

void Ledger::add(std::string_view token) {
  const std::string line = std::string(token) + "\n";
  if (::write(fd_, line.data(), line.size()) != static_cast<ssize_t>(line.size())) std::abort();
}

std::vector<std::string> Ledger::tokens() const {
  std::vector<std::string> out;
  std::ifstream in(file_);
  for (std::string line; std::getline(in, line);) out.push_back(line);
  return out;
}

Installation::Installation(Findings& found, testing::Variables variables)
    : found_(found),
      folder_(new_folder()),
      variables_(std::move(variables)),
      ledger_(folder_ + "/ledger"),
      upstream_(std::make_unique<testing::FakeMcp>()) {
  for (auto& [name, value] : variables_) {
    for (auto at = value.find("{folder}"); at != std::string::npos; at = value.find("{folder}"))
      value.replace(at, 8, folder_);
  }
  upstream_->on_call([this](const std::string&, const Json& message) {
    const std::string token = message["params"].value("arguments", Json::object()).value("token", "");
    ledger_.add(token);
    // Not random: the token decides, so that a seed repeats it.
    const int slow = slowest;
    if (slow > 0)
      std::this_thread::sleep_for(
          std::chrono::milliseconds(std::hash<std::string>()(token) % static_cast<unsigned>(slow)));
    const auto is_stuck = [&] {
      const std::string_view prefix = stuck.load();
      return !prefix.empty() && token.starts_with(prefix);
    };
    while (hold || is_stuck()) std::this_thread::sleep_for(1ms);
    return testing::FakeMcp::echo(message);
  });
  const auto applied = apply(documents_for(upstream_->url()));
  found_.expect(applied.status == 0, "the first apply failed: " + applied.err);
  const auto made = command({"key", "create", "--agent", "bot", "-o", "json"});
  found_.expect(made.status == 0, "key create failed: " + made.err);
  if (made.status == 0) key_ = Json::parse(made.out).value("key", "");
}

Installation::~Installation() {
  hold = false;
  stuck = "";
  upstream_.reset();
  std::error_code ignored;
  if (found_.problems.empty()) {
    fs::remove_all(folder_, ignored);
  } else {
    std::cout << "  kept: " << folder_ << std::endl;
  }
}

std::unique_ptr<testing::GatewayProcess> Installation::start(std::vector<std::string> flags,
                                                             testing::Variables variables, bool wait) {
  variables.insert(variables.end(), variables_.begin(), variables_.end());
  flags.insert(flags.end(), {"--stop-grace", "3s"});
  auto gateway = std::make_unique<testing::GatewayProcess>(
      testing::GatewayProcess::Options{.program = run().program,
                                       .data = data(),
                                       .log = log(),
                                       .flags = std::move(flags),
                                       .variables = std::move(variables),
                                       .wait = wait});
  if (!wait || gateway->ready()) return gateway;
  found_.problems.push_back("the server did not become ready: " + gateway->line);
  return nullptr;
}

bool Installation::serves(testing::GatewayProcess& gateway) {
  for (int i = 0; i < 200; ++i) {
    RawSocket socket = RawSocket::to(gateway.port);
    if (Load::call(socket, key_, "probe-" + std::to_string(++probes_)).end == Sent::End::result) return true;
    std::this_thread::sleep_for(25ms);
  }
  found_.problems.push_back("no call goes through");
  return false;
}

testing::Finished Installation::command(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), run().program);
  arguments.insert(arguments.end(), {"--data", data()});
  return testing::run_command(arguments, variables_);
}

testing::Finished Installation::apply(const std::string& documents) {
  const std::string file = folder_ + "/apply-" + std::to_string(++applied_) + ".yaml";
  std::ofstream(file) << documents;
  return command({"apply", "-f", file});
}

RawSocket::Answer Installation::operation(const std::string& name, const Json& arguments) const {
  RawSocket socket = RawSocket::to_path(data() + "/admin.sock");
  if (!socket.is_open()) return {};
  const std::string body = arguments.dump();
  socket.send("POST /api/op/" + name +
              " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: " +
              std::to_string(body.size()) + "\r\n\r\n" + body);
  return socket.answer();
}

RawSocket::Answer Installation::apply_live(const std::string& documents) const {
  return operation("apply", {{"files", Json::array({{{"name", "live.yaml"}, {"text", documents}}})}});
}

std::string Installation::metrics() const {
  RawSocket socket = RawSocket::to_path(data() + "/admin.sock");
  if (!socket.is_open()) return {};
  socket.send("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
  return socket.answer().body;
}

double Installation::metric(const std::string& text, std::string_view name) {
  double sum = 0;
  bool found = false;
  for (std::size_t at = 0; (at = text.find(name, at)) != std::string::npos; at += name.size()) {
    const char after = at + name.size() < text.size() ? text[at + name.size()] : '\n';
    if ((at > 0 && text[at - 1] != '\n') || (after != ' ' && after != '{')) continue;
    const auto space = text.find(' ', at + name.size());
    sum += std::atof(text.c_str() + space + 1);
    found = true;
  }
  return found ? sum : -1;
}

namespace {

constexpr int kLooks = 300;  // 10 ms apart

AtRest look(const Installation& installation, const testing::GatewayProcess& gateway) {
  const std::string text = installation.metrics();
  const auto value = [&](std::string_view name) { return Installation::metric(text, name); };
  return {.in_flight = value("sallyport_requests_in_flight"),
          .streams = value("sallyport_streams"),
          .upstream_in_flight = value("sallyport_upstream_in_flight"),
          .parked = value("sallyport_parked_calls"),
          .connections = value("sallyport_connections"),
          .descriptors = static_cast<long>(gateway.descriptors()) -
                         static_cast<long>(value("sallyport_upstream_connections_idle") +
                                           value("sallyport_upstream_connections_busy"))};
}

}  // namespace

AtRest at_rest(const Installation& installation, const testing::GatewayProcess& gateway) {
  AtRest out;
  for (int i = 0; i < kLooks; ++i) {
    out = look(installation, gateway);
    if (out.in_flight == 0 && out.streams == 0 && out.upstream_in_flight == 0 && out.connections == 0) break;
    std::this_thread::sleep_for(10ms);
  }
  // The look itself holds a connection for a moment, so one look alone may count it.
  for (int i = 0; i < 3; ++i)
    out.descriptors = std::min(out.descriptors, look(installation, gateway).descriptors);
  return out;
}

void expect_at_rest(const AtRest& before, const Installation& installation,
                    const testing::GatewayProcess& gateway, Findings& found) {
  // Segments that the journal has left are held until they are synced, with the next checkpoint.
  static_cast<void>(installation.operation("checkpoint", testing::Json::object()));
  AtRest now;
  for (int i = 0; i < kLooks; ++i) {
    now = look(installation, gateway);
    if (now.in_flight <= before.in_flight && now.streams <= before.streams &&
        now.upstream_in_flight <= before.upstream_in_flight && now.parked <= before.parked &&
        now.connections <= before.connections && now.descriptors <= before.descriptors)
      break;
    std::this_thread::sleep_for(10ms);
  }
  const auto less = [&](const char* what, double was, double is) {
    found.expect(is <= was, std::string(what) + ": " + std::to_string(static_cast<long>(is)) + " at rest, " +
                                std::to_string(static_cast<long>(was)) + " before");
  };
  less("requests in flight", before.in_flight, now.in_flight);
  less("streams", before.streams, now.streams);
  less("upstream calls in flight", before.upstream_in_flight, now.upstream_in_flight);
  less("parked calls", before.parked, now.parked);
  less("connections", before.connections, now.connections);
  less("descriptors", static_cast<double>(before.descriptors), static_cast<double>(now.descriptors));
}

}  // namespace sallyport::faults
