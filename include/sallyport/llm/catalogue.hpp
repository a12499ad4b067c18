#pragma once
/// Kinds of providers and models that we know, as data: registry/providers.json and registry/models.json,
/// embedded in the program.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sallyport/llm/price.hpp"
#include "sallyport/llm/wire.hpp"

namespace sallyport::llm {

/// How a provider wants its key.
enum class Auth : std::uint8_t {
  bearer,     ///< Authorization: Bearer KEY
  x_api_key,  ///< x-api-key: KEY
  api_key,    ///< api-key: KEY (Azure)
  key,        ///< Authorization: Key KEY
  none,       ///< it asks for none; one that is given goes as bearer
};

/// What a Provider document's `api` names.
struct ProviderKind {
  std::string name;
  std::vector<Wire> wires{};  ///< the first is the one to translate to; never empty
  bool embeddings = false;    ///< OpenAI's /embeddings
  /// As the vendor's SDK takes it, without a slash at the end. Empty: the document has to say it; so it has
  /// where it contains "{".
  std::string base_url{};
  Auth auth = Auth::bearer;
  std::vector<std::pair<std::string, std::string>> headers{};  ///< sent unless the client sends them itself
  std::string environment{};                                   ///< variable in which its key is usually kept
  std::string prices{};        ///< under which models() knows its models; empty: none
  bool local = false;          ///< runs on one's own machine: its document needs allow_private
  bool azure = false;          ///< addressed by deployment, with an api-version
  std::string api_version{};   ///< the default of that
  bool stream_options = true;  ///< chat: takes stream_options.include_usage
  bool old_limit = false;      ///< chat: knows max_tokens, and not max_completion_tokens
  bool needs_base_url() const { return base_url.empty() || base_url.contains('{'); }
};

struct Model {
  Price price{};
  bool priced = false;          ///< input and output have a price
  std::int64_t context = 0;     ///< tokens; 0: not known
  std::int64_t max_output = 0;  ///< tokens; 0: not known
  bool reasons = true;          ///< it can think, or nothing is known of that
  bool budget = false;          ///< its thinking is given a budget of tokens
  bool sampling = true;         ///< it takes temperature, top_p and top_k
  std::string kind{};           ///< "chat" | "embedding" | "image" | "audio" | "other"
};

/// nullptr: no such kind. Threads: any; the first call reads the embedded file.
const ProviderKind* provider_kind(std::string_view name);
/// In the order of the file.
const std::vector<ProviderKind>& provider_kinds();

/// `prices` as in ProviderKind. By the exact name; else without a date at its end ("-YYYY-MM-DD",
/// "-YYYYMMDD"): a version that is newer than this file costs what its model does. nullptr: not known.
const Model* model(std::string_view prices, std::string_view name);

/// Names of all that are known there, in order. Threads: any.
std::vector<std::string_view> models_of(std::string_view prices);

enum class Operation : std::uint8_t { chat, responses, messages, count_tokens, embeddings, models };
Operation operation_of(Wire wire);

/// What follows `base_url` in the URL of a call, with its query. Azure is addressed by deployment, which the
/// model names, unless `base_url` ends in "/openai/v1". Requires: `base_url` without a slash at the end;
/// `api_version`: empty means the kind's own.
std::string url_path(const ProviderKind& kind, Operation operation, std::string_view model,
                     std::string_view base_url, std::string_view api_version = {});

}  // namespace sallyport::llm
