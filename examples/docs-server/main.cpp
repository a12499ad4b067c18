/// docs-server FOLDER [PORT] [--about TEXT]: searches a folder of Markdown documents over MCP (Streamable
/// HTTP on 127.0.0.1). Prints "ready: URL" when it listens; port 0, the default, picks a free one. TEXT says
/// what the documents are about and ends the description of `search`, by which a model decides whether to ask
/// here.

#include <charconv>
#include <csignal>
#include <iostream>
#include <optional>
#include <string_view>
#include <thread>
#include <vector>

#include "index.hpp"
#include "mcp_server/http.hpp"

namespace {

using mcp_server::Call;
using mcp_server::Json;
using mcp_server::ToolFailure;
using mcp_server::ToolResult;

constexpr int kDefaultHits = 5;
constexpr int kMostHits = 20;
const std::string kScheme = "docs://";

Json object_schema(Json properties, std::vector<std::string> required) {
  return {{"type", "object"},
          {"properties", std::move(properties)},
          {"required", std::move(required)},
          {"additionalProperties", false}};
}

Json list_of(Json item) { return {{"type", "array"}, {"items", std::move(item)}}; }
Json string_type() { return {{"type", "string"}}; }

ToolResult as_result(Json structured) {
  std::string text = structured.dump(-1, ' ', false, Json::error_handler_t::replace);
  return {std::move(text), std::move(structured)};
}

ToolResult search(const docs_server::Library& library, const Json& arguments) {
  const std::string question = mcp_server::text_argument(arguments, "question");
  const int limit = mcp_server::number_argument(arguments, "limit", kDefaultHits, 1, kMostHits);
  Json hits = Json::array();
  for (const auto& hit : library.current()->search(question, static_cast<std::size_t>(limit)))
    hits.push_back({{"name", hit.name},
                    {"title", hit.title},
                    {"score", hit.score},
                    {"passage", hit.passage},
                    {"uri", kScheme + hit.name}});
  return as_result({{"hits", std::move(hits)}});
}

ToolResult read_document(const docs_server::Library& library, const Json& arguments) {
  const std::string name = mcp_server::text_argument(arguments, "name");
  const auto index = library.current();
  const docs_server::Document* document = index->find(name);
  if (document == nullptr) throw ToolFailure("no document \"" + name + "\"; list_documents names them");
  return {document->text};
}

ToolResult list_documents(const docs_server::Library& library) {
  Json documents = Json::array();
  for (const auto& document : library.current()->documents())
    documents.push_back(
        {{"name", document.name}, {"title", document.title}, {"uri", kScheme + document.name}});
  return as_result({{"documents", std::move(documents)}});
}

ToolResult reindex(docs_server::Library& library, const Call& call) {
  const std::size_t count = library.reindex([&call](std::size_t done, std::size_t total) {
    call.progress(static_cast<double>(done), static_cast<double>(total), "reading documents");
  });
  return as_result({{"documents", count}});
}

void add_tools(mcp_server::Server& server, docs_server::Library& library, const std::string& about) {
  const Json hit = object_schema({{"name", string_type()},
                                  {"title", string_type()},
                                  {"score", {{"type", "number"}}},
                                  {"passage", string_type()},
                                  {"uri", string_type()}},
                                 {"name", "title", "score", "passage", "uri"});
  const Json entry = object_schema(
      {{"name", string_type()}, {"title", string_type()}, {"uri", string_type()}}, {"name", "title", "uri"});
  const Json limit = {{"type", "integer"}, {"minimum", 1}, {"maximum", kMostHits}, {"default", kDefaultHits}};
  server.add({.name = "search",
              .title = "Search",
              .description = "Finds the documents that fit a question best, each with its best passage." +
                             (about.empty() ? "" : " The documents are about " + about + "."),
              .input_schema = object_schema({{"question", string_type()}, {"limit", limit}}, {"question"}),
              .output_schema = object_schema({{"hits", list_of(hit)}}, {"hits"}),
              .run = [&library](const Json& arguments, const Call&) { return search(library, arguments); }});
  server.add(
      {.name = "read_document",
       .title = "Read a document",
       .description = "Returns the whole text of one document.",
       .input_schema = object_schema({{"name", string_type()}}, {"name"}),
       .run = [&library](const Json& arguments, const Call&) { return read_document(library, arguments); }});
  server.add({.name = "list_documents",
              .title = "List documents",
              .description = "Names every document.",
              .input_schema = object_schema(Json::object(), {}),
              .output_schema = object_schema({{"documents", list_of(entry)}}, {"documents"}),
              .run = [&library](const Json&, const Call&) { return list_documents(library); }});
  server.add({.name = "reindex",
              .title = "Read the folder again",
              .description = "Rebuilds the index from the files on disk and reports how far it is.",
              .input_schema = object_schema(Json::object(), {}),
              .output_schema = object_schema({{"documents", {{"type", "integer"}}}}, {"documents"}),
              .read_only = false,
              .reports_progress = true,
              .run = [&library](const Json&, const Call& call) { return reindex(library, call); }});
}

void add_resources(mcp_server::Server& server, const docs_server::Library& library) {
  const auto list = [&library] {
    std::vector<mcp_server::Resource> resources;
    for (const auto& document : library.current()->documents())
      resources.push_back({kScheme + document.name, document.name, document.title, "text/markdown"});
    return resources;
  };
  const auto read = [&library](const std::string& uri) -> std::optional<std::string> {
    if (!uri.starts_with(kScheme)) return std::nullopt;
    const auto index = library.current();
    const docs_server::Document* document = index->find(uri.substr(kScheme.size()));
    return document == nullptr ? std::nullopt : std::optional(document->text);
  };
  server.serve_resources(
      {{kScheme + "{name}", "document", "Document", "The text of a document", "text/markdown"}}, list, read);
  server.serve_completion([&library](const std::string&) {
    std::vector<std::string> names;
    for (const auto& document : library.current()->documents()) names.push_back(document.name);
    return names;
  });
}

void add_prompts(mcp_server::Server& server) {
  server.add(
      {.name = "answer_from_documents",
       .title = "Answer from the documents",
       .description = "Asks the model to answer a question and to name its sources.",
       .arguments = {{"question", "what you want to know"}},
       .render = [](const Json& arguments) {
         return "Answer this question with the search and read_document tools alone, and name the documents "
                "that you used. Say so if they do not answer it.\n\nQuestion: " +
                arguments["question"].get<std::string>();
       }});
}

struct Options {
  std::string folder, about;
  int port = 0;
};

/// nullopt: wrong use.
std::optional<Options> options_of(const std::vector<std::string_view>& arguments) {
  Options options;
  std::vector<std::string_view> plain;
  for (std::size_t at = 0; at < arguments.size(); ++at) {
    if (!arguments[at].starts_with("--")) {
      plain.push_back(arguments[at]);
    } else if (arguments[at] == "--about" && at + 1 < arguments.size()) {
      options.about = arguments[++at];
    } else {
      return std::nullopt;
    }
  }
  if (plain.empty() || plain.size() > 2) return std::nullopt;
  options.folder = plain[0];
  const std::string_view port = plain.size() == 2 ? plain[1] : "0";
  const auto [rest, problem] = std::from_chars(port.begin(), port.end(), options.port);
  if (problem != std::errc() || rest != port.end() || options.port < 0 || options.port > 65535)
    return std::nullopt;
  return options;
}

/// Waits for SIGTERM or SIGINT, which every thread has blocked, on a thread of its own.
std::jthread stop_on_signal(mcp_server::HttpEndpoint& endpoint, const sigset_t& signals) {
  return std::jthread([&endpoint, signals] {
    int which = 0;
    sigwait(&signals, &which);
    endpoint.stop();
  });
}

}  // namespace

int main(int argc, char** argv) {
  const auto options = options_of({argv + 1, argv + argc});
  if (!options) {
    std::cerr << "usage: docs-server FOLDER [PORT] [--about TEXT]\n";
    return 2;
  }
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  try {
    docs_server::Library library(options->folder);
    mcp_server::Server server("docs-server", "1.0.0", "Documents of the shop. Begin with search.");
    add_tools(server, library, options->about);
    add_resources(server, library);
    add_prompts(server);
    mcp_server::HttpEndpoint endpoint(server);
    std::cout << "ready: http://127.0.0.1:" << endpoint.bind(options->port) << "/mcp" << std::endl;
    const std::jthread waiter = stop_on_signal(endpoint, signals);
    endpoint.run();
    return 0;
  } catch (const std::exception& failed) {
    std::cerr << "docs-server: " << failed.what() << '\n';
    return 1;
  }
}
