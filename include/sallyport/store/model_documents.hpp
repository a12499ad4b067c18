#pragma once
/// The documents of model calls: where they go, by which credential, and in which order.

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace sallyport::store {

/// How much of a payload a journal keeps.
enum class Capture : std::uint8_t { none, digest, full };

/// `kind: Provider`: one account at one provider of models.
struct Provider {
  std::string name;  ///< shares its names with VirtualKey: clients write "NAME/MODEL"
  std::string description{};
  std::string api;           ///< a name of the catalogue (registry/providers.json): what is spoken there
  std::string base_url{};    ///< as the vendor's SDK takes it; empty: the catalogue's
  std::string credential{};  ///< name of a Credential
  std::map<std::string, std::string> headers{};  ///< fixed, not secret
  std::map<std::string, std::string> aliases{};  ///< what clients may ask for -> the model's name there
  std::vector<std::string> models{};             ///< globs of what it serves; empty: everything
  std::string api_version{};                     ///< azure-openai: of its dated API
  Capture capture = Capture::digest;
  std::chrono::milliseconds timeout{600'000};  ///< of one attempt
  /// `unsupported_tools: drop`: tools that only another vendor can run are left out instead of refused.
  bool drop_tools = false;
  bool allow_private = false;
  std::string ca_file{};
  bool disabled = false;
};

/// `kind: VirtualKey`: a handle to a provider that can be given away, changed behind and taken back.
struct VirtualKey {
  std::string name;
  std::string description{};
  std::string provider;               ///< name of a Provider
  std::string credential{};           ///< name of a Credential; empty: the provider's
  std::vector<std::string> models{};  ///< globs of what may be asked for; empty: what the provider serves
  std::string expires{};              ///< RFC 3339 in UTC, or a date; empty: never
  bool disabled = false;
};

/// `kind: Route`: a way from a request to one of several providers, under a name.
struct Route {
  std::string name;
  std::string description{};
  std::string config;  ///< raw JSON object (docs/model-routing.md)
};

}  // namespace sallyport::store
