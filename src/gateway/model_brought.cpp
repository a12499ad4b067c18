#include "model_brought.hpp"

#include <algorithm>
#include <array>

#include "model_headers.hpp"
#include "sallyport/core/bytes.hpp"
#include "sallyport/core/limits.hpp"
#include "sallyport/mcp/names.hpp"
#include "sallyport/net/client.hpp"

namespace sallyport::gateway {
namespace {

std::string quoted(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out.append(out.empty() ? "" : ",").append(json::quote(name));
  return out;
}

Result<void> add_names(std::string_view list, std::vector<std::string>& out) {
  while (!list.empty()) {
    const auto comma = list.find(',');
    const std::string name = lower(trim(list.substr(0, comma)));
    list.remove_prefix(comma == std::string_view::npos ? list.size() : comma + 1);
    if (name.empty() || std::ranges::find(out, name) != out.end()) continue;
    if (out.size() >= limits::kRouteListed || !may_be_forwarded(name))
      return client_error(
          Code::bad_request,
          "forward_headers: '" + mcp::escaped(name) +
              "' does not travel. What holds a credential, frames the message or is meant for "
              "the gateway stays here; a provider's key goes as api_key.");
    out.push_back(name);
  }
  return {};
}

}  // namespace

std::vector<std::string_view> BroughtAlong::fields() const {
  std::vector<std::string_view> out;
  if (custom_host) out.emplace_back("custom_host");
  if (api_key) out.emplace_back("api_key");
  if (!forward_headers.empty()) out.emplace_back("forward_headers");
  return out;
}

std::string BroughtAlong::record() const {
  if (empty()) return {};
  std::string out = "{";
  const auto add = [&](std::string_view name, std::string_view value) {
    out.append(out.size() > 1 ? "," : "").append(json::quote(name)).append(":").append(value);
  };
  if (custom_host) add("custom_host", json::quote(*custom_host));
  if (api_key) add("api_key", "true");
  if (!forward_headers.empty()) add("forward_headers", "[" + quoted(forward_headers) + "]");
  return out + "}";
}

Result<BroughtAlong> brought_along(const llm::Step& step, const net::Headers& headers) {
  BroughtAlong out;
  for (const llm::Brought& one : step.brought) {
    const auto value = json::Document::parse(one.value);
    if (!value) return Failure(value.error());
    if (one.field == "custom_host") {
      out.custom_host = value->root().string();
    } else if (one.field == "api_key") {
      const std::string key = value->root().string().value_or("");
      if (!key.empty()) out.api_key = Secret(key);
    } else if (one.field == "forward_headers") {
      for (const json::Value name : value->root().elements())
        if (auto added = add_names(name.string().value_or(""), out.forward_headers); !added)
          return Failure(added.error());
    } else {
      return client_error(
          Code::forbidden,
          "Invalid config passed: " + one.path +
              " is not taken from requests: a Provider document says where calls go and what they carry.");
    }
  }
  const auto host = headers.find("x-portkey-custom-host");
  const auto names = headers.find("x-portkey-forward-headers");
  if ((host || names) && !step.target.empty())
    return client_error(
        Code::bad_request,
        "x-portkey-custom-host and x-portkey-forward-headers go with x-portkey-provider: where a config "
        "names a target, custom_host and forward_headers stand beside it.");
  if (host && !out.custom_host) out.custom_host = std::string(*host);
  if (names && out.forward_headers.empty())
    if (auto added = add_names(*names, out.forward_headers); !added) return Failure(added.error());
  return out;
}

Result<std::shared_ptr<const ModelHandle>> handle_with(const ModelHandle& handle, const BroughtAlong& brought,
                                                       bool private_host) {
  auto out = std::make_shared<ModelHandle>(handle);
  if (!handle.provider->kind) return out;  // it cannot be called anyhow, and says why
  out->forwarded = brought.forward_headers;
  out->brings_host = brought.custom_host.has_value();
  out->brings_key = brought.api_key.has_value();
  if (brought.custom_host) {
    auto entry = std::make_shared<ProviderEntry>(*handle.provider);
    // What the document says is meant for the provider's own host.
    entry->document.base_url = *brought.custom_host;
    entry->document.headers.clear();
    entry->document.allow_private = private_host;
    entry->document.ca_file.clear();
    entry->fixed_lines.clear();
    entry->problem.clear();
    if (brought.custom_host->empty() || brought.custom_host->contains('?'))
      return client_error(Code::bad_request,
                          "custom_host is the URL below which the paths of the API begin.");
    if (auto placed = place_provider(*entry); !placed)
      return client_error(Code::bad_request, "custom_host cannot be called: " + placed.error().what);
    if (entry->origin.url.scheme != "https" && !private_host)
      return client_error(Code::bad_request,
                          "custom_host has to begin with https://, unless private_host is granted as well.");
    out->provider = std::move(entry);
    out->credential_line = Secret();
    out->problem.clear();
  }
  if (brought.api_key) {
    out->problem.clear();
    const auto [header, scheme] = key_header(handle.provider->kind->auth);
    const std::string text =
        (scheme.empty() ? "" : std::string(scheme) + " ") + std::string(brought.api_key->reveal());
    std::string line;
    if (!net::append_header(line, header, text))
      return client_error(Code::bad_request, "api_key has a byte that no header may carry.");
    out->credential_line = Secret(std::move(line));
  }
  return out;
}

}  // namespace sallyport::gateway
