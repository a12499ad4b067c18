#include "document_form.hpp"

#include <fmt/format.h>

#include "document_reader.hpp"

namespace sallyport::store {
namespace {

using Json = nlohmann::ordered_json;

/// Adds keys to an object; a value equal to its default only when the form is complete.
class Form {
 public:
  explicit Form(bool complete) : complete_(complete) {}

  template <class T>
  Form& always(const char* key, const T& value) {
    json_[key] = value;
    return *this;
  }
  template <class T, class D>
  Form& add(const char* key, const T& value, const D& standard) {
    if (complete_ || value != standard) json_[key] = value;
    return *this;
  }
  /// Absent means none, in both forms.
  template <class T>
  Form& optional(const char* key, const T& value) {
    if (!value.empty()) json_[key] = value;
    return *this;
  }
  bool complete() const { return complete_; }
  Json take() { return std::move(json_); }

 private:
  bool complete_;
  Json json_ = Json::object();
};

template <class E>
std::string_view word(E value, std::initializer_list<std::string_view> names) {
  return *(names.begin() + static_cast<std::ptrdiff_t>(value));
}

std::string duration_text(std::chrono::milliseconds value) {
  const auto count = value.count();
  if (count % 3'600'000 == 0) return fmt::format("{}h", count / 3'600'000);
  if (count % 60'000 == 0) return fmt::format("{}m", count / 60'000);
  if (count % 1000 == 0) return fmt::format("{}s", count / 1000);
  return fmt::format("{}ms", count);
}

std::string_view text_of(Capture capture) { return word(capture, {"none", "digest", "full"}); }

void describe(Form& form, const Credential& d) {
  switch (d.from) {
    case Credential::From::value:
      form.always("value", kSealed);
      break;
    case Credential::From::env:
      form.always("env", d.reference);
      break;
    case Credential::From::file:
      form.always("file", d.reference);
      break;
  }
  form.add("header", d.header, "Authorization").add("scheme", d.scheme, "Bearer");
}

Json transport_of(const HttpTransport& t, bool complete) {
  Form form(complete);
  form.always("type", t.sse ? "sse" : "streamable-http")
      .always("url", t.url)
      .add("allow_private", t.allow_private, false);
  return form.optional("ca_file", t.ca_file).optional("headers", t.headers).take();
}

Json transport_of(const StdioTransport& t, bool complete) {
  Form form(complete);
  form.always("type", "stdio").always("command", t.command).optional("args", t.args).optional("env", t.env);
  return form.optional("credentials", t.credentials).optional("directory", t.directory).take();
}

void describe(Form& form, const Server& d) {
  form.optional("description", d.description);
  form.always("transport",
              std::visit([&](const auto& t) { return transport_of(t, form.complete()); }, d.transport));
  form.optional("credential", d.credential);
  form.add("isolation", word(d.isolation, {"shared", "principal", "session"}), "shared");
  form.add("capture", text_of(d.capture), "digest");
  form.add("trust", word(d.trust, {"follow", "pinned"}), "follow");
  form.add("era", word(d.era, {"automatic", "modern", "legacy"}), "automatic");
  form.add("uris", d.uri_prefix ? "prefix" : "unchanged", std::string_view("unchanged"));
  form.add("timeout", duration_text(d.timeout), "1m");
  form.add("disabled", d.disabled, false);
}

Json presets_of(const std::vector<Preset>& presets) {
  Json map = Json::object();
  for (const Preset& preset : presets) {
    if (!preset.path.empty()) {
      map[preset.argument] = Json{{"from", preset.path}};
      continue;
    }
    Json constant = Json::parse(preset.constant);
    map[preset.argument] = constant.is_object() ? Json{{"value", std::move(constant)}} : std::move(constant);
  }
  return map;
}

Json sources_of(const std::vector<VirtualServer::Source>& sources, const char* one, bool complete) {
  Json list = Json::array();
  for (const auto& source : sources) {
    Form form(complete);
    form.always("from", source.from);
    if (!source.tool.empty()) {
      form.always(one, source.tool);
    } else {
      form.add("include", source.include, std::vector<std::string>{"*"});
    }
    if (source.prefix) form.always("prefix", *source.prefix);
    form.optional("as", source.as)
        .optional("title", source.title)
        .optional("description", source.description);
    if (!source.annotations.empty()) form.always("annotations", Json::parse(source.annotations));
    form.optional("preset", presets_of(source.preset))
        .optional("hide", source.hide)
        .optional("pin", source.pin);
    list.push_back(form.optional("environments", source.environments).take());
  }
  return list;
}

void describe(Form& form, const VirtualServer& d) {
  form.optional("title", d.title)
      .optional("description", d.description)
      .optional("instructions", d.instructions);
  form.add("access", word(d.access, {"authenticated", "anonymous"}), "authenticated");
  form.add("grants", d.grants, false).optional("owner", d.owner);
  form.optional("tools", sources_of(d.tools, "tool", form.complete()));
  form.optional("prompts", sources_of(d.prompts, "prompt", form.complete()));
  form.optional("resources", sources_of(d.resources, "resource", form.complete()));
}

void describe(Form& form, const Team& d) { form.optional("members", d.members); }

void describe(Form& form, const Agent& d) {
  form.optional("description", d.description).add("disabled", d.disabled, false);
  form.optional("roles", d.roles).optional("claims", d.claims);
  if (!d.jwks.empty()) form.always("jwks", Json::parse(d.jwks));
  if (d.jwks_url.empty()) return;
  form.always("jwks_url", d.jwks_url).add("allow_private", d.allow_private, false);
  form.optional("ca_file", d.ca_file);
}

void describe(Form& form, const PolicyDocument& d) {
  Json rules = Json::array();
  for (const auto& rule : d.rules) {
    Form one(form.complete());
    one.always("effect", rule.allow ? "allow" : "deny")
        .optional("tools", rule.tools)
        .optional("prompts", rule.prompts);
    one.optional("resources", rule.resources)
        .optional("servers", rule.servers)
        .optional("virtual_servers", rule.virtual_servers);
    one.optional("models", rule.models).optional("brings", rule.brings).optional("scopes", rule.scopes);
    rules.push_back(one.optional("when", rule.when).take());
  }
  form.always("subjects", d.subjects).optional("environments", d.environments).always("rules", rules);
}

void describe(Form& form, const Provider& d) {
  const Provider standard;
  form.optional("description", d.description).always("api", d.api).optional("base_url", d.base_url);
  form.optional("credential", d.credential)
      .optional("headers", d.headers)
      .optional("aliases", d.aliases)
      .optional("models", d.models)
      .optional("api_version", d.api_version)
      .add("capture", text_of(d.capture), text_of(standard.capture))
      .add("timeout", duration_text(d.timeout), duration_text(standard.timeout))
      .add("unsupported_tools", std::string(d.drop_tools ? "drop" : "refuse"), std::string("refuse"))
      .add("allow_private", d.allow_private, false);
  form.optional("ca_file", d.ca_file).add("disabled", d.disabled, false);
}

void describe(Form& form, const VirtualKey& d) {
  form.optional("description", d.description)
      .always("provider", d.provider)
      .optional("credential", d.credential);
  form.optional("models", d.models).optional("expires", d.expires).add("disabled", d.disabled, false);
}

void describe(Form& form, const Route& d) {
  form.optional("description", d.description).always("config", Json::parse(d.config));
}

void describe(Form& form, const Issuer& d) {
  const Issuer standard;
  form.always("issuer", d.issuer);
  // Beside an agent's claim there is no default: a document without `user` knows no people.
  if (!d.user.empty()) form.add("user", d.user, d.agent.empty() ? standard.user : "");
  form.optional("jwks_url", d.jwks_url)
      .optional("audiences", d.audiences)
      .add("algorithms", d.algorithms, standard.algorithms)
      .optional("scopes", d.scopes)
      .add("default", d.is_default, false)
      .optional("agent", d.agent)
      .optional("teams", d.teams)
      .optional("roles", d.roles)
      .optional("claims", d.claims);
  if (!d.introspection.url.empty())
    form.always("introspection", Form(form.complete())
                                     .always("url", d.introspection.url)
                                     .optional("client_id", d.introspection.client_id)
                                     .optional("credential", d.introspection.credential)
                                     .take());
  if (!d.sign_in.client_id.empty())
    form.always("sign_in",
                Form(form.complete())
                    .always("client_id", d.sign_in.client_id)
                    .optional("credential", d.sign_in.credential)
                    .add("scopes", d.sign_in.scopes, standard.sign_in.scopes)
                    .optional("title", d.sign_in.title)
                    .add("lasts", duration_text(d.sign_in.lasts), duration_text(standard.sign_in.lasts))
                    .take());
  if (!d.id_jag.empty()) form.always("id_jag", Form(form.complete()).always("clients", d.id_jag).take());
  form.add("allow_private", d.allow_private, false).optional("ca_file", d.ca_file);
  form.add("leeway", duration_text(d.leeway), duration_text(standard.leeway));
  form.optional("keys", Form(form.complete())
                            .add("refresh", duration_text(d.refresh), duration_text(standard.refresh))
                            .add("cool_down", duration_text(d.cool_down), duration_text(standard.cool_down))
                            .add("expiry", duration_text(d.expiry), duration_text(standard.expiry))
                            .take());
}

}  // namespace

Json form_of(const AnyDocument& document, bool complete) {
  Form form(complete);
  form.always("kind", kind_of(document)).always("name", name_of(document));
  std::visit([&](const auto& d) { describe(form, d); }, document);
  return form.take();
}

std::string to_json(const AnyDocument& document) {
  // The plain tree keeps its keys sorted by bytes, which with compact output is RFC 8785 for what occurs
  // here.
  const nlohmann::json sorted = form_of(document, true);
  return sorted.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace sallyport::store
