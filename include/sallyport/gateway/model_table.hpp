#pragma once
/// Where model calls may go: providers and virtual keys as clients name them, and stored routes. Immutable.

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sallyport/core/clock.hpp"
#include "sallyport/core/error.hpp"
#include "sallyport/core/secret.hpp"
#include "sallyport/llm/catalogue.hpp"
#include "sallyport/llm/route.hpp"
#include "sallyport/net/client.hpp"
#include "sallyport/store/documents.hpp"

namespace sallyport::gateway {

/// A Provider document with what it needs to be called.
struct ProviderEntry {
  store::Provider document;
  const llm::ProviderKind* kind = nullptr;  ///< null: this version knows no such `api`; `problem` says so
  std::string base_url{};                   ///< without a slash at the end
  net::Origin origin{};
  std::string base_path{};         ///< of base_url: "/v1", or empty
  std::string fixed_lines{};       ///< configured headers as lines
  std::string messages_version{};  ///< the anthropic-version that it is called with; empty: it needs none
  std::string problem{};           ///< why it cannot be called now; empty: it can
  std::size_t slot = 0;            ///< index of its counters
  bool speaks(llm::Wire wire) const;
  /// The wire in which a client's call goes there: its own where that is spoken.
  llm::Wire wire_for(llm::Wire client) const;
};

/// What a client may name: a provider, or a virtual key in front of one.
struct ModelHandle {
  std::string name;
  std::shared_ptr<const ProviderEntry> provider;
  Secret credential_line{};              ///< "Authorization: Bearer ...\r\n", or empty
  std::string problem{};                 ///< why its credential cannot be had; empty: it can
  bool is_virtual = false;               ///< a VirtualKey
  bool brings_host = false;              ///< the request brought it
  bool brings_key = false;               ///< likewise
  std::vector<std::string> forwarded{};  ///< names, in lower case, of headers that go along whatever the wire
  std::vector<std::string> models{};     ///< globs, besides the provider's own; empty: all
  std::optional<SystemTime> expires{};   ///< of a virtual key
  bool disabled = false;
  bool usable(SystemTime now) const { return !disabled && (!expires || now < *expires); }
  /// Whether it serves what the provider calls so.
  bool serves(std::string_view model) const;
};

/// A model at a handle.
struct ModelPlace {
  const ModelHandle* handle = nullptr;
  std::string model;      ///< as the provider knows it
  std::string asked;      ///< as it was asked for; differs where that was an alias
  std::string canonical;  ///< "handle/model": what rules and records speak of
  /// What it is called as well: by its provider where a virtual key stands before that, by the name that was
  /// asked for. A denial of any of them holds.
  std::vector<std::string> other_names() const;
};

/// Fills what follows from `base_url` and `kind`. Errors: bad_request for a URL that cannot be called.
Result<void> place_provider(ProviderEntry& entry);
/// How a kind of provider takes its key: header and scheme, which may be empty.
std::pair<std::string_view, std::string_view> key_header(llm::Auth auth);

/// A model as its client named it, the provider or virtual key included wherever that stood.
std::string asked_as(const llm::TargetRef& target, std::string_view model);

/// One answer for what does not exist and what its asker may not use.
Failure unknown_model(std::string_view asked);

class ModelTable {
 public:
  ModelTable() = default;
  ModelTable(std::vector<ModelHandle> handles, const std::vector<store::Route>& routes);

  const ModelHandle* handle(std::string_view name) const;
  const std::map<std::string, ModelHandle, std::less<>>& handles() const { return handles_; }
  /// Errors: not_found; unavailable, where a stored config is one that this version cannot read.
  Result<std::shared_ptr<const llm::Route>> route(std::string_view name) const;

  /// Where `model` is: at the handle that `target` names, else at the one that stands before it
  /// ("openai/gpt-5", "@openai/gpt-5"), else at the only one that has it. Errors: not_found, in words that
  /// are the same for what does not exist and for what cannot be used.
  Result<ModelPlace> locate(const llm::TargetRef& target, std::string_view model, llm::Wire client,
                            SystemTime now) const;

 private:
  Result<ModelPlace> search(std::string_view model, llm::Wire client, SystemTime now) const;
  std::map<std::string, ModelHandle, std::less<>> handles_;
  std::map<std::string, Result<std::shared_ptr<const llm::Route>>, std::less<>> routes_;
};

/// What a table needs besides documents; either may be empty, and then calls cannot be made by it.
struct ModelSources {
  /// The header line that carries a credential; what is wrong goes into `problem`.
  std::function<Secret(const std::string& credential, const llm::ProviderKind& kind, std::string& problem)>
      line{};
  std::function<std::size_t(const std::string& provider)> slot{};  ///< of its counters
};
std::shared_ptr<const ModelTable> model_table_of(const std::vector<store::AnyDocument>& documents,
                                                 const ModelSources& sources);

}  // namespace sallyport::gateway
