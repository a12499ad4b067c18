// What the documents of model calls become: providers with their credentials in them.
#include "control.hpp"

namespace sallyport::gateway {
namespace {

/// How a kind of provider takes its key, where the Credential does not say it otherwise.
std::pair<std::string_view, std::string_view> header_of(llm::Auth auth) {
  switch (auth) {
    case llm::Auth::x_api_key:
      return {"x-api-key", ""};
    case llm::Auth::api_key:
      return {"api-key", ""};
    case llm::Auth::key:
      return {"Authorization", "Key"};
    case llm::Auth::bearer:
    case llm::Auth::none:
      break;
  }
  return {"Authorization", "Bearer"};
}

}  // namespace

Secret Control::provider_line(const std::string& credential, const llm::ProviderKind& kind,
                              const std::vector<store::AnyDocument>& documents, std::string& problem) const {
  const store::Credential* document = find_credential(credential, documents);
  auto value = credential_value(credential, documents);
  if (!value || !document) {
    problem = value ? "credential '" + credential + "' does not exist" : value.error().what;
    return {};
  }
  std::string_view header = document->header, scheme = document->scheme;
  const store::Credential standard;
  if (document->header == standard.header && document->scheme == standard.scheme)
    std::tie(header, scheme) = header_of(kind.auth);
  std::string line;
  const std::string text = (scheme.empty() ? "" : std::string(scheme) + " ") + std::string(value->reveal());
  if (!net::append_header(line, header, text))
    problem = "credential '" + credential + "' has a byte that no header may carry";
  return Secret(std::move(line));
}

std::shared_ptr<const ModelTable> Control::resolve_models(const std::vector<store::AnyDocument>& documents) {
  return model_table_of(
      documents,
      {.line = [&](const std::string& credential, const llm::ProviderKind& kind,
                   std::string& problem) { return provider_line(credential, kind, documents, problem); },
       .slot = [&](const std::string& provider) { return counters_.server_slot("provider:" + provider); }});
}

}  // namespace sallyport::gateway
