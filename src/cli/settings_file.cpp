/// sallyport.yaml: every key known, none twice, each problem with its line and column.

#include <filesystem>
#include <set>

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include "sallyport/cli/settings.hpp"

namespace sallyport::cli {
namespace {

class Reader {
 public:
  Reader(const std::string& file, Settings& settings, std::vector<std::string>& problems)
      : file_(file),
        folder_(std::filesystem::path(file).parent_path().string()),
        settings_(settings),
        problems_(problems) {}

  void object(const YAML::Node& node, const std::string& prefix) {
    if (node.IsNull()) return;
    if (!node.IsMap())
      return problem(node.Mark(), prefix.empty() ? "must be keys with values" : prefix + " must hold keys");
    std::set<std::string> seen;
    for (const auto& entry : node) {
      const auto mark = entry.first.Mark();
      if (!entry.first.IsScalar()) {
        problem(mark, "a key must be plain text");
        continue;
      }
      const auto path = prefix.empty() ? entry.first.Scalar() : prefix + "." + entry.first.Scalar();
      if (!seen.insert(path).second) {
        problem(mark, fmt::format("\"{}\" is set twice; keep one", path));
        continue;
      }
      value(entry.second, mark, path);
    }
  }

  void problem(const YAML::Mark& mark, const std::string& what) {
    problems_.push_back(fmt::format("{}:{}:{}: {}", file_, mark.line + 1, mark.column + 1, what));
  }

 private:
  void value(const YAML::Node& node, const YAML::Mark& mark, const std::string& path) {
    for (const auto& setting : all_settings()) {
      if (path == setting.path) return take(setting, node);
      if (std::string_view(setting.path).starts_with(path + ".")) return object(node, path);
    }
    problem(mark, fmt::format("unknown key \"{}\"; docs/settings.md lists those there are", path));
  }

  void take(const Setting& setting, const YAML::Node& node) {
    std::vector<std::string> values;
    if (node.IsScalar()) {
      values.push_back(node.Scalar());
    } else if (setting.list && node.IsSequence()) {
      for (const auto& item : node) {
        if (!item.IsScalar())
          return problem(item.Mark(), fmt::format("{} must be a list of texts", setting.path));
        values.push_back(item.Scalar());
      }
    } else {
      return problem(node.Mark(), fmt::format("{} must be {}", setting.path,
                                              setting.list ? "a list of texts" : "one value"));
    }
    if (setting.file_path && !folder_.empty()) {
      for (auto& value : values) {
        if (!value.empty() && !value.starts_with('/')) value = folder_ + "/" + value;
      }
    }
    const auto wrong = setting.take(settings_, values);
    if (!wrong.empty()) problem(node.Mark(), fmt::format("{} {}", setting.path, wrong));
  }

  const std::string& file_;
  const std::string folder_;
  Settings& settings_;
  std::vector<std::string>& problems_;
};

}  // namespace

void read_settings(std::string_view text, const std::string& file, Settings& settings,
                   std::vector<std::string>& problems) {
  Reader reader(file, settings, problems);
  try {
    const auto documents = YAML::LoadAll(std::string(text));
    if (documents.size() > 1) return reader.problem(documents[1].Mark(), "the settings are one document");
    if (!documents.empty()) reader.object(documents[0], "");
  } catch (const YAML::Exception& e) {
    reader.problem(e.mark, e.msg);
  }
}

}  // namespace sallyport::cli
