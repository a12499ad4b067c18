/// Documents from bytes, as YAML and as JSON: whatever is accepted survives its canonical form and its YAML
/// unchanged; whatever is refused has its place.

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "sallyport/store/documents.hpp"

using namespace sallyport::store;

namespace {

void must(bool holds) {
  if (!holds) std::abort();
}

void survives(const AnyDocument& document) {
  const std::string json = to_json(document);
  const auto stored = from_json(json);
  must(stored.has_value());
  must(to_json(*stored) == json);
  must(kind_of(*stored) == kind_of(document) && name_of(*stored) == name_of(document));
  const auto shown = read_documents(to_yaml(document), "shown.yaml");
  must(shown.has_value() && shown->size() == 1);
  must(to_json(shown->front()) == json);
}

void read(std::string_view text, const std::string& file) {
  const auto documents = read_documents(text, file);
  if (!documents) {
    must(!documents.error().empty());
    for (const ReadProblem& problem : documents.error()) {
      must(problem.line >= 1 && problem.column >= 1 && !problem.what.empty());
    }
    return;
  }
  for (const AnyDocument& document : *documents) survives(document);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  read(text, "fuzz.yaml");
  read(text, "fuzz.json");
  return 0;
}
