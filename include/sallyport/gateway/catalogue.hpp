#pragma once
/// What one upstream offers: its tools, prompts, resources and templates as checked definitions. Immutable
/// once built.

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "sallyport/core/error.hpp"
#include "sallyport/json/document.hpp"
#include "sallyport/mcp/headers.hpp"
#include "sallyport/store/registry.hpp"

namespace sallyport::gateway {

/// The four sorts of definitions.
enum class Sort : std::uint8_t { tool, prompt, resource, resource_template };
/// The member that names a definition: "name", "uri" or "uriTemplate".
std::string_view name_member(Sort sort);

/// One definition as the upstream gave it. `object` borrows the catalogue's document.
struct Definition {
  std::string name;       ///< tool or prompt name; for resources the URI, for templates the URI template
  std::string canonical;  ///< "server/name"
  json::Value object;
  std::vector<mcp::HeaderParam> header_params{};  ///< tools only
  std::string hash{};                             ///< SHA-256 of its canonical form, as hex; not of resources
  std::vector<std::string> suspicions{};          ///< why a person must look at it before it is served
};

/// Threads: immutable, shared by snapshots.
class Catalogue {
 public:
  /// Keeps what is sound and drops the rest (hostile names, names that look like another's, oversized
  /// definitions, broken header marks, second definitions of a name); each drop is a line in `dropped`.
  /// Errors: storage when a stored array is no JSON array.
  static Result<std::shared_ptr<const Catalogue>> build(const store::StoredCatalogue& stored);

  const std::string& server() const { return stored_.server; }
  const store::StoredCatalogue& stored() const { return stored_; }
  bool modern = false;            ///< the server spoke 2026-07-28 when this was fetched
  std::string extensions = "{}";  ///< raw: of its capabilities, those that are carried
  std::vector<Definition> tools, prompts, resources, templates;
  const std::vector<Definition>& of(Sort sort) const;
  std::vector<std::string> dropped;

 private:
  explicit Catalogue(store::StoredCatalogue stored) : stored_(std::move(stored)) {}
  store::StoredCatalogue stored_;
  std::vector<json::Document> documents_;
};

}  // namespace sallyport::gateway
