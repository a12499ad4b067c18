#include "sallyport/store/documents.hpp"

#include <fmt/format.h>

#include <set>
#include <utility>

#include "document_form.hpp"
#include "document_reader.hpp"
#include "sallyport/core/bytes.hpp"

namespace sallyport::store {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

/// True when the text may go to a parser at all.
bool is_readable(std::string_view text, Problems& problems) {
  if (text.size() > kFileBytes) {
    problems.add(1, 1, "longer than 4 MiB: split the file");
  } else if (text.starts_with(kByteOrderMark)) {
    problems.add(1, 1, "begins with a byte order mark: save it as UTF-8 without one");
  } else if (!is_utf8(text)) {
    problems.add(1, 1, "not UTF-8");
  }
  return problems.empty();
}

}  // namespace

std::string_view kind_of(const AnyDocument& document) {
  static constexpr std::string_view kNames[] = {"Credential", "Server", "VirtualServer", "Team",
                                                "Agent",      "Policy", "Issuer",        "Provider",
                                                "VirtualKey", "Route"};
  static_assert(std::size(kNames) == std::variant_size_v<AnyDocument>);
  return kNames[document.index()];
}

const std::string& name_of(const AnyDocument& document) {
  return std::visit([](const auto& d) -> const std::string& { return d.name; }, document);
}

std::string ReadProblem::text() const { return fmt::format("{}:{}:{}: {}", file, line, column, what); }

std::expected<std::vector<AnyDocument>, std::vector<ReadProblem>> read_documents(std::string_view text,
                                                                                 const std::string& file) {
  Problems problems(file);
  std::vector<AnyDocument> documents;
  if (is_readable(text, problems)) {
    const bool json = file.ends_with(".json") || is_json(text);
    std::set<std::pair<std::string_view, std::string>> seen;
    for (const Node& root : json ? nodes_of_json(text, problems) : nodes_of_yaml(text, problems)) {
      auto document = read_document(root, problems);
      if (!document) continue;
      if (!seen.emplace(kind_of(*document), name_of(*document)).second) {
        problems.add(root,
                     fmt::format("{} {} stands twice: keep one", kind_of(*document), name_of(*document)));
      }
      documents.push_back(std::move(*document));
    }
  }
  if (!problems.empty()) return std::unexpected(problems.take());
  return documents;
}

std::vector<std::string> problems_of(const AnyDocument& document) {
  Problems problems("");
  try {
    const std::string json = form_of(document, true).dump();  // throws where to_json would replace bytes
    for (const Node& root : nodes_of_json(json, problems)) read_document(root, problems);
  } catch (const nlohmann::json::exception&) {
    problems.add(1, 1, "has text that is not UTF-8");
  }
  std::vector<std::string> out;
  for (const ReadProblem& problem : problems.take()) {
    out.push_back(fmt::format("{} {}: {}", kind_of(document), shown(name_of(document)), problem.what));
  }
  return out;
}

Result<AnyDocument> from_json(std::string_view json) {
  Problems problems("registry");
  auto roots = nodes_of_json(json, problems);
  if (roots.size() == 1 && problems.empty()) {
    if (auto document = read_document(roots.front(), problems)) return std::move(*document);
  }
  auto found = problems.take();
  return fail(
      Code::storage, Blame::us,
      "a stored document is damaged: " + (found.empty() ? "it is not one document" : found.front().what));
}

}  // namespace sallyport::store
