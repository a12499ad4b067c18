#include "documents_check.hpp"

#include <set>
#include <utility>

#include <fmt/format.h>

#include "sallyport/gateway/snapshot.hpp"
#include "sallyport/identity/jwt.hpp"
#include "sallyport/net/child.hpp"
#include "sallyport/net/client.hpp"
#include "sallyport/net/egress.hpp"
#include "sallyport/policy/rules.hpp"

namespace sallyport::admin {
namespace {

const std::string& text_of(const Error& error) { return error.hint.empty() ? error.what : error.hint; }

void check_server(const store::Server& server, std::vector<std::string>& problems) {
  if (const auto* http = std::get_if<store::HttpTransport>(&server.transport)) {
    const auto url = net::parse_url(http->url);
    if (!url) {
      problems.push_back(fmt::format("transport.url: {}", text_of(url.error())));
      return;
    }
    if (const auto allowed = net::check_egress(*url, http->allow_private); !allowed) {
      problems.push_back(
          fmt::format("transport.url: {}{}", text_of(allowed.error()),
                      http->allow_private ? "" : "; if you mean it, set transport.allow_private: true"));
    }
    for (const auto& [name, value] : http->headers) {
      std::string line;
      if (!net::append_header(line, name, value)) {
        problems.push_back(fmt::format("transport.headers: \"{}\" is not a header that can be sent", name));
      }
    }
    return;
  }
  const auto& stdio = std::get<store::StdioTransport>(server.transport);
  auto env = stdio.env;
  for (const auto& [variable, credential] : stdio.credentials) {
    if (!env.emplace(variable, "").second) {
      problems.push_back(fmt::format("transport: {} stands under env and under credentials", variable));
    }
  }
  if (const auto environment = net::minimal_environment(env); !environment) {
    problems.push_back(fmt::format("transport.env: {}", text_of(environment.error())));
  }
}

void check_exports(const store::VirtualServer& server, std::vector<std::string>& problems) {
  const auto once = [&](const char* list, const std::vector<store::VirtualServer::Source>& sources) {
    std::set<std::string_view> names;
    for (const auto& source : sources) {
      if (source.as.empty() || names.insert(source.as).second) continue;
      problems.push_back(fmt::format("{}: two sources are exported as \"{}\"; give one of them another name",
                                     list, source.as));
    }
  };
  once("tools", server.tools);
  once("prompts", server.prompts);
}

/// A URL that whoever signs tokens is asked at.
void check_signer_url(const char* key, const std::string& text, bool allow_private,
                      std::vector<std::string>& problems) {
  if (text.empty()) return;
  const auto url = net::parse_url(text);
  if (!url) {
    problems.push_back(fmt::format("{}: {}", key, text_of(url.error())));
  } else if (url->scheme != "https" && !allow_private) {
    problems.push_back(
        fmt::format("{}: must be https; for one on this machine or network, set allow_private: true", key));
  } else if (const auto allowed = net::check_egress(*url, allow_private); !allowed) {
    problems.push_back(fmt::format("{}: {}{}", key, text_of(allowed.error()),
                                   allow_private ? "" : "; if you mean it, set allow_private: true"));
  }
}

void check_issuer(const store::Issuer& issuer, std::vector<std::string>& problems) {
  check_signer_url("issuer", issuer.issuer, issuer.allow_private, problems);
  check_signer_url("jwks_url", issuer.jwks_url, issuer.allow_private, problems);
  check_signer_url("introspection.url", issuer.introspection.url, issuer.allow_private, problems);
}

void check_agent(const store::Agent& agent, std::vector<std::string>& problems) {
  check_signer_url("jwks_url", agent.jwks_url, agent.allow_private, problems);
  if (agent.jwks.empty()) return;
  if (const auto keys = identity::KeySet::parse(agent.jwks); !keys)
    problems.push_back(fmt::format("jwks: {}", text_of(keys.error())));
  const auto set = json::Document::parse(agent.jwks);
  const auto list = set ? set->root().find("keys") : std::nullopt;
  if (!list) return;
  for (const auto& key : list->elements())
    if (key.find("d") || key.find("k"))
      problems.push_back(
          "jwks: holds a private or shared key, which nobody but the agent may have: make a new "
          "pair and give its public half");
}

void check_provider(const store::Provider& provider, std::vector<std::string>& problems) {
  const llm::ProviderKind* kind = llm::provider_kind(provider.api);
  if (!kind) {
    std::vector<std::string_view> names;
    for (const auto& one : llm::provider_kinds()) names.push_back(one.name);
    problems.push_back(fmt::format(
        "api: \"{}\" is not known; take openai-compatible with a base_url of its own, or one of {}",
        provider.api, fmt::join(names, ", ")));
    return;
  }
  if (provider.base_url.empty() && kind->needs_base_url()) {
    problems.push_back(fmt::format("base_url: \"{}\" has no address of its own: say where it is{}",
                                   provider.api,
                                   kind->base_url.empty() ? "" : ", such as " + kind->base_url));
    return;
  }
  const std::string& text = provider.base_url.empty() ? kind->base_url : provider.base_url;
  const auto url = net::parse_url(text);
  if (!url) {
    problems.push_back(fmt::format("base_url: {}", text_of(url.error())));
  } else if (url->path.find('?') != std::string::npos) {
    problems.push_back("base_url: must not have a query (?...)");
  } else if (const auto allowed = net::check_egress(*url, provider.allow_private); !allowed) {
    problems.push_back(
        fmt::format("base_url: {}{}", text_of(allowed.error()),
                    provider.allow_private ? "" : "; if you mean it, set allow_private: true"));
  }
}

void check_route(const store::Route& route, std::vector<std::string>& problems) {
  const auto config = json::Document::parse(route.config);
  if (!config) {
    problems.push_back(fmt::format("config: {}", text_of(config.error())));
    return;
  }
  const auto read = llm::parse_route(config->root());
  if (!read) {
    for (const auto& problem : read.error()) problems.push_back("config: " + llm::text_of(problem));
    return;
  }
  for (const std::string& path : (*read)->brought())
    problems.push_back(fmt::format("config: {} belongs into a Provider or VirtualKey document", path));
}

void check_policy(const store::PolicyDocument& document, std::vector<std::string>& problems) {
  std::vector<policy::Policy> one;
  one.push_back(gateway::policy_of(document));
  if (const auto compiled = policy::RuleSet::compile(std::move(one)); !compiled) {
    problems.push_back(fmt::format("{}", text_of(compiled.error())));
  }
}

}  // namespace

Result<void> check_document(const store::AnyDocument& document) {
  std::vector<std::string> problems;
  if (const auto* server = std::get_if<store::Server>(&document)) check_server(*server, problems);
  if (const auto* exports = std::get_if<store::VirtualServer>(&document)) check_exports(*exports, problems);
  if (const auto* policy = std::get_if<store::PolicyDocument>(&document)) check_policy(*policy, problems);
  if (const auto* issuer = std::get_if<store::Issuer>(&document)) check_issuer(*issuer, problems);
  if (const auto* agent = std::get_if<store::Agent>(&document)) check_agent(*agent, problems);
  if (const auto* provider = std::get_if<store::Provider>(&document)) check_provider(*provider, problems);
  if (const auto* route = std::get_if<store::Route>(&document)) check_route(*route, problems);
  if (problems.empty()) return {};
  return client_error(Code::bad_request, fmt::format("{}", fmt::join(problems, "; ")));
}

}  // namespace sallyport::admin
