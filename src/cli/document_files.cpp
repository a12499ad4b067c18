#include "document_files.hpp"

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "sallyport/core/files.hpp"

namespace sallyport::cli {
namespace {

namespace fs = std::filesystem;

bool is_document(const fs::path& path) {
  if (path.stem().extension() == ".test") return false;  // `sallyport policy test` runs those
  const auto extension = path.extension();
  return extension == ".yaml" || extension == ".yml" || extension == ".json";
}

/// The documents of a folder and of those in it, in order of their paths; hidden ones and tests are left out.
Result<std::vector<fs::path>> documents_in(const fs::path& folder) {
  std::vector<fs::path> out;
  std::error_code problem;
  for (auto it = fs::recursive_directory_iterator(folder, problem); !problem && it != fs::end(it);
       it.increment(problem)) {
    const auto name = it->path().filename().string();
    if (name.starts_with('.')) {
      if (it->is_directory()) it.disable_recursion_pending();
    } else if (it->is_regular_file() && is_document(it->path())) {
      out.push_back(it->path());
    }
  }
  if (problem)
    return fail(Code::bad_request, Blame::admin,
                fmt::format("cannot read {}: {}", folder.string(), problem.message()));
  std::ranges::sort(out);
  if (out.empty()) {
    return client_error(Code::bad_request,
                        fmt::format("{} holds no .yaml, .yml or .json file", folder.string()));
  }
  return out;
}

Result<void> read_into(nlohmann::json& files, const fs::path& path) {
  auto text = read_whole_file(path.string(), kDocumentBytes);
  if (!text) return std::unexpected(std::move(text.error()));
  files.push_back({{"name", path.string()}, {"text", std::move(*text)}});
  return {};
}

}  // namespace

Result<nlohmann::json> read_document_files(const std::vector<std::string>& names, std::istream& in) {
  auto files = nlohmann::json::array();
  for (const auto& name : names) {
    std::error_code problem;
    if (name == "-") {
      auto text = read_whole(in, "stdin", kDocumentBytes);
      if (!text) return std::unexpected(std::move(text.error()));
      files.push_back({{"name", "stdin"}, {"text", std::move(*text)}});
    } else if (fs::is_directory(name, problem)) {
      const auto paths = documents_in(name);
      if (!paths) return std::unexpected(paths.error());
      for (const auto& path : *paths) {
        if (auto ok = read_into(files, path); !ok) return std::unexpected(std::move(ok.error()));
      }
    } else if (auto ok = read_into(files, name); !ok) {
      return std::unexpected(std::move(ok.error()));
    }
  }
  return files;
}

}  // namespace sallyport::cli
