/// sallyport doctor URL.

#include <future>
#include <iostream>

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "invocation.hpp"
#include "sallyport/cli/doctor.hpp"
#include "sallyport/cli/program.hpp"
#include "sallyport/cli/terminal.hpp"
#include "sallyport/core/bytes.hpp"
#include "sallyport/net/client.hpp"

namespace sallyport::cli {
namespace {

constexpr auto kPatience = std::chrono::seconds(10);
constexpr std::size_t kBytes = 512 * limits::KiB;

struct Question {
  net::Origin origin;
  std::string method, type, body;
};

Task<> ask(net::Shard& shard, const Question& question, std::promise<Answered>& done) {
  Answered out;
  {
    net::Client client(shard);
    net::ClientRequest request{.method = question.method,
                               .path = question.origin.url.path,
                               .headers = "Accept: application/json, text/event-stream\r\n",
                               .body = {}};
    if (!question.type.empty() && !net::append_header(request.headers, "Content-Type", question.type))
      out.problem = "no such media type";
    if (!question.body.empty()) request.body.push_back(question.body);
    auto response = co_await client.send(question.origin, std::move(request),
                                         std::chrono::steady_clock::now() + kPatience, nullptr);
    if (!response) {
      out.problem = response.error().hint.empty() ? response.error().what : response.error().hint;
    } else {
      out.status = response->status();
      for (const auto& line : response->headers().lines) out.headers.emplace(lower(line.name), line.value);
      auto body = co_await response->whole(kBytes);
      if (body) out.body = std::move(*body);
    }
  }
  done.set_value(std::move(out));
}

nlohmann::json json_of(const Walk& walk) {
  nlohmann::json steps = nlohmann::json::array();
  for (const auto& step : walk.steps)
    steps.push_back({{"what", step.what},
                     {"url", step.url},
                     {"status", step.status},
                     {"good", step.good},
                     {"note", step.note}});
  return {{"client", walk.client},
          {"arrives", walk.arrives},
          {"steps", std::move(steps)},
          {"problem", walk.problem},
          {"advice", walk.advice}};
}

std::string line_of(const Step& step) {
  const std::string status = step.status > 0 ? std::to_string(step.status) + " " : "";
  const std::string note = step.note.empty() ? "" : (step.url.empty() ? "" : "  ") + step.note;
  return fmt::format("  {} {:<21} {}{}{}\n", step.good ? "ok" : "--", step.what, status, printable(step.url),
                     printable(note));
}

int examine_all(Invocation& invocation, const std::string& url, const std::string& ca_file, bool steps) {
  const auto walks = examine(url, asking(ca_file));
  if (!walks) return invocation.failed(walks.error());
  bool all = true;
  for (const auto& walk : *walks) all = all && walk.arrives;
  if (invocation.json()) {
    nlohmann::json out = nlohmann::json::array();
    for (const auto& walk : *walks) out.push_back(json_of(walk));
    invocation.print(out);
    return all ? kDone : kFailed;
  }
  for (const auto& walk : *walks) {
    invocation.out << fmt::format(
        "{}: {}\n", walk.client,
        walk.arrives ? "would come to the sign-in page" : "stops: " + printable(walk.problem));
    if (steps || !walk.arrives)
      for (const auto& step : walk.steps) invocation.out << line_of(step);
    if (!walk.advice.empty()) invocation.out << "  -> " << printable(walk.advice) << '\n';
  }
  return all ? kDone : kFailed;
}

}  // namespace

Ask asking(const std::string& ca_file) {
  return [ca_file](const std::string& method, const std::string& url, const std::string& type,
                   const std::string& body) {
    auto parsed = net::parse_url(url);
    if (!parsed) return Answered{.problem = "that is no URL"};
    const Question question{.origin = {.url = std::move(*parsed), .allow_private = true, .ca_file = ca_file},
                            .method = method,
                            .type = type,
                            .body = body};
    net::Shards shards(1);
    shards.start();
    std::promise<Answered> done;
    auto answer = done.get_future();
    if (!shards[0].post([&] { spawn(ask(shards[0], question, done)); }))
      return Answered{.problem = "internal"};
    Answered out = answer.get();
    shards.stop();
    return out;
  };
}

void add_doctor(CLI::App& app, Invocation& invocation) {
  auto* command = app.add_subcommand("doctor", "Walk each known client's way to the login, from here");
  struct Options {
    std::string url, ca_file;
    bool steps = false;
  };
  auto options = std::make_shared<Options>();
  command->add_option("URL", options->url, "The endpoint as users type it in: https://HOST/mcp/NAME")
      ->required();
  command->add_option("--ca-file", options->ca_file, "Further certificate authorities (PEM)");
  command->add_flag("-v,--steps", options->steps, "Show every step, also of clients that arrive");
  command->callback([&invocation, options] {
    invocation.action = [&invocation, options] {
      return examine_all(invocation, options->url, options->ca_file, options->steps);
    };
  });
}

}  // namespace sallyport::cli
