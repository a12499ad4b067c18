// What a server's document becomes: its configuration with the credential in it, and the object that speaks
// to it.
#include "control.hpp"
#include "sallyport/core/crypto.hpp"

namespace sallyport::gateway {

const store::Credential* Control::find_credential(const std::string& name,
                                                  const std::vector<store::AnyDocument>& documents) {
  for (const auto& document : documents) {
    if (const auto* credential = std::get_if<store::Credential>(&document);
        credential && credential->name == name)
      return credential;
  }
  return nullptr;
}

Result<Secret> Control::credential_value(const std::string& name,
                                         const std::vector<store::AnyDocument>& documents) const {
  const store::Credential* const credential = find_credential(name, documents);
  if (!credential) return fail(Code::not_found, Blame::admin, "credential '" + name + "' does not exist");
  return registry_.credential_value(*credential);
}

Result<std::shared_ptr<const ServerConfig>> Control::resolve(
    const store::Server& server, const std::vector<store::AnyDocument>& documents) {
  auto config = std::make_shared<ServerConfig>();
  config->document = server;
  std::string secrets;
  const auto value_of = [&](const std::string& name) -> Secret {
    auto value = credential_value(name, documents);
    if (!value) {
      config->problem = value.error().what;
      return Secret();
    }
    secrets += sha256_hex(value->reveal());
    return *value;
  };
  if (const auto* http = std::get_if<store::HttpTransport>(&server.transport)) {
    auto url = net::parse_url(http->url);
    if (!url) {
      config->problem = url.error().what;
    } else {
      config->origin = {.url = *url, .allow_private = http->allow_private, .ca_file = http->ca_file};
    }
    for (const auto& [name, value] : http->headers) {
      if (!net::append_header(config->fixed_lines, name, value))
        config->problem = "header '" + name + "' has a byte that no header may carry";
    }
    if (!server.credential.empty()) {
      const Secret value = value_of(server.credential);
      const store::Credential* credential = find_credential(server.credential, documents);
      if (!value.empty() && credential) {
        std::string line;
        const std::string text =
            (credential->scheme.empty() ? "" : credential->scheme + " ") + std::string(value.reveal());
        if (!net::append_header(line, credential->header, text))
          config->problem = "credential '" + server.credential + "' has a byte that no header may carry";
        config->credential_line = Secret(std::move(line));
      }
    }
  } else {
    for (const auto& [variable, credential] : std::get<store::StdioTransport>(server.transport).credentials) {
      config->secret_env[variable] = value_of(credential);
    }
  }
  config->fingerprint = sha256_hex(store::to_json(server) + secrets + config->problem);
  config->slot = counters_.server_slot(server.name);
  return std::shared_ptr<const ServerConfig>(std::move(config));
}

std::shared_ptr<Managed> Control::manage(std::shared_ptr<const ServerConfig> config) {
  auto managed = std::make_shared<Managed>();
  managed->shard = &shards_[static_cast<int>(config->slot % static_cast<std::size_t>(shards_.size()))];
  const OnNotice on_notice = [this](const Notice& notice) { take_notice(notice); };
  managed->upstream = config->is_stdio() ? make_stdio_upstream(shards_, config, on_notice)
                      : config->is_sse() ? make_sse_upstream(shards_, clients_, config, on_notice)
                                         : make_http_upstream(shards_, clients_, config, on_notice);
  managed->config = std::move(config);
  return managed;
}

}  // namespace sallyport::gateway
