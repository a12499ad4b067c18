/// sallyport why PRINCIPAL TARGET: the decision, the rule that made it, and what would change it.

#include <iostream>

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "document_files.hpp"
#include "invocation.hpp"
#include "sallyport/cli/program.hpp"
#include "sallyport/cli/terminal.hpp"
#include "sallyport/core/files.hpp"

namespace sallyport::cli {
namespace {

using Json = nlohmann::json;

struct WhyOptions {
  std::string principal, target, virtual_server, arguments_file;
  bool prompt = false, resource = false, model = false;
};

/// The first line: what was decided, and by what.
std::string headline(const Json& said) {
  const auto text = [&](const char* key) { return printable(said.value(key, "")); };
  const bool allowed = said.value("allowed", false);
  const std::string what = fmt::format("{} {} {} at {}", text("principal"),
                                       !allowed ? "may not use"
                                       : said.value("depends_on_call", false) && text("phase") == "list"
                                           ? "may use, for some arguments,"
                                           : "may use",
                                       text("target"), text("endpoint"));
  const auto rule = text("rule");
  if (rule == "default") return what + ": no rule allows it";
  if (!allowed && text("decision") == "allow") return fmt::format("{}, although {} allows it", what, rule);
  return fmt::format("{}: {} {} it", what, rule, text("decision") == "allow" ? "allows" : "denies");
}

int why(Invocation& invocation, const WhyOptions& options) {
  Json arguments{{"principal", options.principal}, {"target", options.target}};
  if (!options.virtual_server.empty()) arguments["virtual_server"] = options.virtual_server;
  if (options.prompt) arguments["kind"] = "prompt";
  if (options.resource) arguments["kind"] = "resource";
  if (options.model) arguments["kind"] = "model";
  if (!options.arguments_file.empty()) {
    const auto text = options.arguments_file == "-" ? read_whole(invocation.in, "stdin", kDocumentBytes)
                                                    : read_whole_file(options.arguments_file, kDocumentBytes);
    if (!text) return invocation.failed(text.error());
    auto given = Json::parse(*text, nullptr, false);
    if (!given.is_object()) {
      invocation.err << "sallyport: --args wants a file with one JSON object, as in {\"repo\": \"acme/x\"}\n";
      return kWrongUse;
    }
    arguments["arguments"] = std::move(given);
  }
  const auto result = invocation.run("why", arguments);
  if (!result) return invocation.failed(result.error());
  if (invocation.json()) {
    invocation.print(*result);
    return kDone;
  }
  invocation.out << headline(*result) << '\n';
  for (const auto& note : result->at("notes"))
    invocation.out << "  " << printable(note.get<std::string>()) << '\n';
  if (result->contains("condition"))
    invocation.out << "  condition  " << printable(result->value("condition", "")) << '\n';
  for (const auto& near : result->at("near")) {
    const auto text = [&](const char* key) { return printable(near.value(key, "")); };
    invocation.out << (text("failed") == "outweighed"
                           ? fmt::format("  nearly     {} ({}), but {} outweighs it\n", text("rule"),
                                         text("effect"), text("detail"))
                           : fmt::format("  nearly     {} ({}), but for its {}: {}\n", text("rule"),
                                         text("effect"), text("failed"), text("detail")));
  }
  if (const auto more = result->value("more", 0); more > 0)
    invocation.out << fmt::format("  nearly     and {} more rules\n", more);
  invocation.out << "  to change  " << printable(result->value("advice", "")) << '\n';
  return kDone;
}

}  // namespace

void add_why(CLI::App& app, Invocation& invocation) {
  auto options = std::make_shared<WhyOptions>();
  auto* command = app.add_subcommand("why", "Explain why a principal may or may not use something");
  command->add_option("principal", options->principal, "agent:NAME, user:NAME or anonymous")->required();
  command->add_option("target", options->target, "SERVER/TOOL, or the tool's name at the endpoint")
      ->required();
  command->add_option("--virtual-server", options->virtual_server, "Ask at /mcp/NAME (default: /mcp)");
  command->add_option("--args", options->arguments_file,
                      "JSON file with the call's arguments; - for standard input");
  auto* prompt = command->add_flag("--prompt", options->prompt, "The target is a prompt");
  auto* resource =
      command->add_flag("--resource", options->resource, "The target is a resource: SERVER/URI, or its URI");
  resource->excludes(prompt);
  command->add_flag("--model", options->model, "The target is a model: PROVIDER/MODEL, or its name")
      ->excludes(prompt)
      ->excludes(resource);
  command->callback([&invocation, options] {
    invocation.action = [&invocation, options] { return why(invocation, *options); };
  });
}

}  // namespace sallyport::cli
