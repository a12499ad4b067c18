/// Operations on documents: apply, get.

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "operation.hpp"
#include "sallyport/core/bytes.hpp"

namespace sallyport::admin {
namespace {

constexpr std::array<std::string_view, 10> kKinds{"Agent",      "Credential",   "Issuer", "Policy",
                                                  "Provider",   "Route",        "Server", "Team",
                                                  "VirtualKey", "VirtualServer"};

std::string_view word_of(store::Change::What what) {
  switch (what) {
    case store::Change::What::created:
      return "created";
    case store::Change::What::changed:
      return "changed";
    case store::Change::What::unchanged:
      return "unchanged";
    case store::Change::What::removed:
      return "removed";
  }
  return "unchanged";
}

/// Server for "Server", "servers", "virtual-servers" ...; empty for no kind at all; nullopt for an unknown
/// word.
std::optional<std::string> kind_from(const std::string& word) {
  if (word.empty()) return std::string();
  std::string asked = lower(word);
  std::erase(asked, '-');
  for (const auto kind : kKinds) {
    const std::string one = lower(kind);
    const std::string many = one.ends_with('y') ? one.substr(0, one.size() - 1) + "ies" : one + "s";
    if (asked == one || asked == many) return std::string(kind);
  }
  return std::nullopt;
}

struct File {
  std::string name, text;
};

std::vector<File> read_files(Arguments& input, std::vector<std::string>& problems) {
  std::vector<File> files;
  const auto* list = input.any("files");
  if (!list || !list->is_array() || list->empty()) {
    problems.emplace_back("apply: \"files\" must be a list of {\"name\", \"text\"}");
    return files;
  }
  for (const auto& item : *list) {
    if (!item.is_object() || !item.contains("text") || !item["text"].is_string()) {
      problems.emplace_back("apply: every file needs a \"text\"");
      return files;
    }
    const auto name = item.value("name", nlohmann::json("-"));
    files.push_back({name.is_string() ? name.get<std::string>() : "-", item["text"].get<std::string>()});
  }
  return files;
}

bool holds_secret(const std::vector<store::AnyDocument>& documents) {
  for (const auto& document : documents) {
    const auto* credential = std::get_if<store::Credential>(&document);
    if (credential && credential->from == store::Credential::From::value) return true;
  }
  return false;
}

/// The registry lists its problems one to a line.
std::vector<std::string> lines_of(const Error& error) {
  const auto& text = error.hint.empty() ? error.what : error.hint;
  std::vector<std::string> out;
  for (std::size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find('\n', at), text.size());
    out.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

}  // namespace

Result<nlohmann::json> apply_documents(Context& context, const nlohmann::json& arguments) {
  Arguments input(arguments);
  std::vector<std::string> problems;
  const auto files = read_files(input, problems);
  store::ApplyOptions options;
  options.origin = input.text_or("origin", "apply");
  options.dry_run = input.flag("dry_run");
  options.prune = input.flag("prune");
  if (const auto ok = input.check("apply"); !ok) return std::unexpected(ok.error());

  std::vector<store::AnyDocument> documents;
  for (const auto& file : files) {
    auto read = store::read_documents(file.text, file.name);
    if (!read) {
      for (const auto& problem : read.error()) problems.push_back(problem.text());
      continue;
    }
    // The text is stored for people to read again; one that carries a secret value must not be.
    options.source += holds_secret(*read)
                          ? fmt::format("# {}: not kept, it holds a secret value\n", file.name)
                          : fmt::format("# {}\n{}\n", file.name, file.text);
    for (auto& document : *read) documents.push_back(std::move(document));
  }
  if (!problems.empty()) return std::unexpected(problems_error(Code::bad_request, problems));
  if (documents.empty() && !options.prune) {
    return client_error(Code::bad_request, "apply: the files hold no document");
  }

  auto changes = context.registry.apply(std::move(documents), options);
  if (!changes && changes.error().code == Code::bad_request) {
    return std::unexpected(problems_error(Code::bad_request, lines_of(changes.error())));
  }
  if (!changes) return std::unexpected(std::move(changes.error()));
  nlohmann::json out{{"dry_run", options.dry_run}, {"changes", nlohmann::json::array()}};
  bool changed = false;
  for (const auto& change : *changes) {
    changed = changed || change.what != store::Change::What::unchanged;
    out["changes"].push_back({{"what", word_of(change.what)},
                              {"kind", change.kind},
                              {"name", change.name},
                              {"difference", change.difference}});
  }
  if (changed && !options.dry_run) {
    if (auto ok = reload(context); !ok) return std::unexpected(std::move(ok.error()));
  }
  const auto generation = context.registry.generation();
  if (!generation) return std::unexpected(generation.error());
  out["generation"] = *generation;
  return out;
}

Result<nlohmann::json> get_documents(Context& context, const nlohmann::json& arguments) {
  Arguments input(arguments);
  const auto word = input.text_or("kind", "");
  const auto name = input.text_or("name", "");
  const auto format = input.text_or("format", "json");
  if (const auto ok = input.check("get"); !ok) return std::unexpected(ok.error());
  const auto kind = kind_from(word);
  if (!kind) {
    return client_error(Code::bad_request,
                        "there is no kind \"" + word +
                            "\"; there are servers, virtual-servers, credentials, teams, agents "
                            "and policies");
  }
  if (format != "json" && format != "yaml")
    return client_error(Code::bad_request, "get: format is json or yaml");

  std::vector<store::AnyDocument> documents;
  if (name.empty()) {
    auto all = context.registry.documents(*kind);
    if (!all) return std::unexpected(std::move(all.error()));
    documents = std::move(*all);
  } else {
    if (kind->empty()) return client_error(Code::bad_request, "get: a name needs a kind before it");
    auto one = context.registry.document(*kind, name);
    if (!one) return std::unexpected(std::move(one.error()));
    if (!*one) return client_error(Code::not_found, fmt::format("there is no {} \"{}\"", *kind, name));
    documents.push_back(std::move(**one));
  }

  nlohmann::json out{{"kind", *kind}};
  if (format == "yaml") {
    std::string text;
    for (const auto& document : documents) {
      if (!text.empty()) text += "---\n";
      text += store::to_yaml(document);
      if (!text.ends_with('\n')) text += '\n';
    }
    out["text"] = text;
    return out;
  }
  out["documents"] = nlohmann::json::array();
  for (const auto& document : documents)
    out["documents"].push_back(nlohmann::json::parse(store::to_json(document)));
  return out;
}

}  // namespace sallyport::admin
