#include "model_reader.hpp"

#include <nlohmann/json.hpp>

#include "document_check.hpp"
#include "sallyport/core/clock.hpp"

namespace sallyport::store {
namespace {

using namespace std::chrono_literals;

std::string shown_date(std::string_view text) {
  return parse_date(text) ? "" : "must be a date such as 2027-01-31, or a time such as 2027-01-31T12:00:00Z";
}

void collect(const nlohmann::json& config, std::vector<std::string>& out) {
  if (!config.is_object()) return;
  for (const char* key : {"provider", "virtual_key"}) {
    const auto it = config.find(key);
    if (it == config.end() || !it->is_string()) continue;
    auto name = it->get<std::string>();
    out.push_back(name.starts_with('@') ? name.substr(1) : std::move(name));
  }
  const auto targets = config.find("targets");
  if (targets == config.end() || !targets->is_array()) return;
  for (const auto& target : *targets) collect(target, out);
}

std::vector<std::string> models_of(Fields& fields) {
  if (fields.list_is_empty("models"))
    fields.problem("models", "\"models\" is empty: leave it out for all, or say disabled: true for none");
  return fields.texts("models", check::glob);
}

}  // namespace

Provider read_provider(Fields& fields) {
  Provider out;
  out.name = fields.checked("name", check::name, true);
  out.description = fields.checked("description", check::any);
  out.api = fields.checked("api", check::name, true);
  out.base_url = fields.checked("base_url", check::url);
  out.credential = fields.checked("credential", check::name);
  out.headers = fields.text_map("headers", check::fixed_header, check::header_value);
  out.aliases = fields.text_map("aliases", check::model, check::model);
  out.models = models_of(fields);
  out.api_version = fields.checked("api_version", check::model);
  out.capture = fields.word<Capture>(
      "capture", out.capture, {{"none", Capture::none}, {"digest", Capture::digest}, {"full", Capture::full}},
      {"masked"});
  out.timeout = fields.duration("timeout", out.timeout, 1ms, 1h);
  out.drop_tools = fields.word<bool>("unsupported_tools", false, {{"refuse", false}, {"drop", true}});
  out.allow_private = fields.flag("allow_private");
  out.ca_file = fields.checked("ca_file", check::path);
  out.disabled = fields.flag("disabled");
  fields.finish({"guardrails", "limits", "cache", "region", "project"});
  return out;
}

VirtualKey read_virtual_key(Fields& fields) {
  VirtualKey out;
  out.name = fields.checked("name", check::name, true);
  out.description = fields.checked("description", check::any);
  out.provider = fields.checked("provider", check::name, true);
  out.credential = fields.checked("credential", check::name);
  out.models = models_of(fields);
  out.expires = fields.checked("expires", shown_date);
  out.disabled = fields.flag("disabled");
  fields.finish({"limits"});
  return out;
}

Route read_route(Fields& fields) {
  Route out;
  out.name = fields.checked("name", check::name, true);
  out.description = fields.checked("description", check::any);
  out.config = fields.json("config");
  if (!out.config.starts_with('{'))
    fields.problem("config", "\"config\" is needed: {targets: [...], strategy: {mode: ...}}");
  fields.finish({"guardrails", "limits", "cache"});
  return out;
}

std::vector<std::string> targets_of(const Route& route) {
  std::vector<std::string> out;
  collect(nlohmann::json::parse(route.config, nullptr, false), out);
  return out;
}

}  // namespace sallyport::store
