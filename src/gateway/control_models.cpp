// What the documents of model calls become: providers with their credentials in them.
#include "control.hpp"

namespace sallyport::gateway {
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
    std::tie(header, scheme) = key_header(kind.auth);
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
