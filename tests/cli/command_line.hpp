#pragma once
/// The program as a user calls it, on a data directory of the test's own.

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "sallyport/cli/program.hpp"
#include "store/data_directory.hpp"

namespace sallyport::cli::testing {

struct Outcome {
  int code = -1;
  std::string out, err;
  nlohmann::json json() const {
    auto parsed = nlohmann::json::parse(out, nullptr, false);
    REQUIRE_MESSAGE(!parsed.is_discarded(), (out + err));
    return parsed;
  }
};

class CommandLine {
 public:
  /// Without --data.
  Outcome bare(const std::vector<std::string>& arguments, const std::string& input = {}) {
    std::istringstream in(input);
    std::ostringstream out, err;
    const int code = run(arguments, in, out, err, [this](const char* name) -> const char* {
      const auto it = environment.find(name);
      return it == environment.end() ? nullptr : it->second.c_str();
    });
    all += out.str() + err.str();
    return {code, out.str(), err.str()};
  }
  Outcome operator()(std::vector<std::string> arguments, const std::string& input = {}) {
    arguments.insert(arguments.begin(), {"--data", data()});
    return bare(arguments, input);
  }

  std::string data() const { return directory.path(); }
  std::string write(const std::string& name, const std::string& text) const {
    const auto path = directory.beside(name);
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    std::ofstream(path) << text;
    return path;
  }

  store::DataDirectory directory;
  std::map<std::string, std::string> environment;
  std::string all;  ///< everything printed so far
};

}  // namespace sallyport::cli::testing
