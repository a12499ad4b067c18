#include "access.hpp"

#include <utility>

#include "sallyport/mcp/compose.hpp"
#include "sallyport/mcp/names.hpp"

namespace sallyport::gateway {
namespace {

/// What the endpoint adds to a decision of the rules: it grants what nobody denied.
policy::Decision granted(const Endpoint& endpoint, policy::Decision decision) {
  const bool nobody = decision.rule == "default" || !decision.lacks.empty();
  if (!(endpoint.grants || endpoint.anonymous) || !nobody || (decision.allowed() && decision.lacks.empty()))
    return decision;
  return {.effect = policy::Effect::allow,
          .rule = "virtual-server:" + endpoint.name,
          .conditional = decision.conditional,
          .read_args = decision.read_args};
}

bool is_virtual(const Endpoint& endpoint) { return endpoint.path.starts_with("/mcp/"); }

const json::Document& empty_object() {
  static const json::Document kNone = *json::Document::parse("{}");
  return kNone;
}

}  // namespace

const Exports& exported(const Endpoint& endpoint, policy::Object object) {
  return object == policy::Object::prompt     ? endpoint.prompts
         : object == policy::Object::resource ? endpoint.resources
                                              : endpoint.tools;
}

const Export* export_of(const Endpoint& endpoint, policy::Object object, std::string_view canonical) {
  const auto& items = exported(endpoint, object).items;
  const auto it =
      std::ranges::find_if(items, [&](const Export& one) { return one.definition->canonical == canonical; });
  return it == items.end() ? nullptr : &*it;
}

std::optional<std::string> preset_value(const store::Preset& preset, const policy::Principal& principal) {
  if (preset.path.empty()) return preset.constant;
  if (preset.path == "principal.name") return json::quote(principal.name());
  if (preset.path == "principal.subject") return json::quote(principal.subject);
  if (preset.path == "principal.issuer") return json::quote(principal.issuer);
  constexpr std::string_view kClaims = "principal.claims.";
  if (!preset.path.starts_with(kClaims)) return std::nullopt;
  const auto claim = principal.claims.find(preset.path.substr(kClaims.size()));
  if (claim == principal.claims.end()) return std::nullopt;
  return json::quote(claim->second);
}

Result<std::string> complete_arguments(const OwnArguments& own, const policy::Principal& principal,
                                       const std::optional<json::Value>& given) {
  if (given && !given->is(json::Kind::object))
    return client_error(Code::invalid_params, "params.arguments must be an object.");
  const auto foreign = [&](const std::string& name) { return given && given->find(name); };
  const auto refuse = [](const std::string& name) {
    return client_error(Code::invalid_params,
                        "The argument '" + mcp::escaped(name) + "' is not yours to give here: leave it out.");
  };
  for (const std::string& name : own.hidden)
    if (foreign(name)) return refuse(name);
  std::vector<std::pair<std::string_view, std::string>> added;
  for (const store::Preset& preset : own.preset) {
    if (foreign(preset.argument)) return refuse(preset.argument);
    auto value = preset_value(preset, principal);
    if (!value) return fail(Code::not_found, Blame::client, "no value for a preset");
    added.emplace_back(preset.argument, std::move(*value));
  }
  const json::Document& none = empty_object();
  return mcp::rebuild_object(given ? *given : none.root(), added, {});
}

class Access::Bound {
 public:
  Bound(Access& access, const Endpoint& endpoint, policy::Object object, std::string_view canonical,
        const Definition* definition, const CallFacts* facts) {
    if (!access.facts_) access.facts_.emplace(policy::facts_of(*access.principal_));
    const auto slash =
        object == policy::Object::virtual_server ? std::string_view::npos : canonical.find('/');
    const std::string_view server = slash == std::string_view::npos ? "" : canonical.substr(0, slash);
    const std::string_view name = canonical.substr(slash == std::string_view::npos ? 0 : slash + 1);
    if (object == policy::Object::model || object == policy::Object::brought) {
      // Of what a call brings along the model is one of its arguments.
      if (object == policy::Object::model) model_.text("name", name);
      model_.text("provider", server);
      activation_.bind(policy::Variable::model, model_);
    }
    tool_.text("name", name).text("server", server);
    const auto annotations = definition ? definition->object.find("annotations") : std::nullopt;
    if (!annotations || !annotations->is(json::Kind::object) ||
        !tool_.json("annotations", std::string(annotations->raw())))
      (void)tool_.json("annotations", "{}");
    server_.text("name", server);
    request_.text("endpoint", endpoint.path)
        .text("virtual_server", is_virtual(endpoint) ? endpoint.name : std::string())
        .text("environment", access.snapshot_->environment);
    activation_.bind(policy::Variable::principal, *access.facts_)
        .bind(policy::Variable::tool, tool_)
        .bind(policy::Variable::server, server_);
    if (facts) {
      request_.text("client_ip", facts->client_ip).time("time", facts->now);
      if (facts->arguments_known) activation_.args(facts->arguments.empty() ? "{}" : facts->arguments);
    }
    activation_.bind(policy::Variable::request, request_);
  }
  const policy::Activation& activation() const { return activation_; }

 private:
  policy::Facts tool_, server_, model_, request_;
  policy::Activation activation_;
};

Access::Access(std::shared_ptr<const Snapshot> snapshot, std::shared_ptr<const policy::Principal> principal)
    : snapshot_(std::move(snapshot)),
      principal_(std::move(principal)),
      view_(snapshot_->rules->view(*principal_)) {}

policy::Decision Access::plain_or(const Endpoint& endpoint, policy::Object object, std::string_view canonical,
                                  const Definition* definition, policy::Phase phase, const CallFacts* facts) {
  std::optional<policy::Decision> plain;
  // URIs of template resources are of the client's own making: they must not fill memory.
  if (canonical.size() > kLongest) {
    plain = view_->unconditional(object, canonical);
  } else {
    std::string key(1, static_cast<char>('0' + static_cast<int>(object)));
    key += canonical;
    auto known = memo_.find(key);
    if (known == memo_.end()) {
      if (memo_.size() >= kBound) memo_.clear();
      known = memo_.emplace(std::move(key), view_->unconditional(object, canonical)).first;
    }
    plain = known->second;
  }
  if (plain) return std::move(*plain);
  const Bound bound(*this, endpoint, object, canonical, definition, facts);
  return view_->decide(object, canonical, phase, bound.activation());
}

policy::Decision Access::enters(const Endpoint& endpoint, const CallFacts* facts) {
  if (!is_virtual(endpoint)) return {.effect = policy::Effect::allow, .rule = {}};
  auto decision = plain_or(endpoint, policy::Object::virtual_server, endpoint.name, nullptr,
                           facts ? policy::Phase::call : policy::Phase::list, facts);
  // A selection that grants nothing needs no permission of its own; a denial holds everywhere.
  if (!endpoint.grants && decision.rule == "default") decision.effect = policy::Effect::allow;
  return decision;
}

policy::Decision Access::lists(const Endpoint& endpoint, policy::Object object, std::string_view canonical,
                               const Definition* definition) {
  return granted(endpoint, plain_or(endpoint, object, canonical, definition, policy::Phase::list, nullptr));
}

bool Access::shows(const Endpoint& endpoint, policy::Object object, const Export& item) {
  if (item.own) {
    for (const store::Preset& preset : item.own->preset)
      if (!preset_value(preset, *principal_)) return false;
  }
  return lists(endpoint, object, item.definition->canonical, item.definition).allowed();
}

policy::Decision Access::calls(const Endpoint& endpoint, policy::Object object, std::string_view canonical,
                               const Definition* definition, const CallFacts& facts) {
  return granted(endpoint, plain_or(endpoint, object, canonical, definition, policy::Phase::call, &facts));
}

policy::Explanation Access::explain(const Endpoint& endpoint, policy::Object object,
                                    std::string_view canonical, const Definition* definition,
                                    const std::optional<CallFacts>& facts) {
  const Bound bound(*this, endpoint, object, canonical, definition, facts ? &*facts : nullptr);
  auto out = snapshot_->rules->explain(*principal_, object, canonical,
                                       facts ? policy::Phase::call : policy::Phase::list, bound.activation());
  if (definition)  // what an endpoint grants is what it contains
    out.decision = granted(endpoint, std::move(out.decision));
  return out;
}

std::optional<policy::Decision> denied_elsewhere(Access& access, const Endpoint& endpoint,
                                                 const ModelPlace& place, const CallFacts* facts) {
  for (const std::string& name : place.other_names()) {
    auto decision = facts ? access.calls(endpoint, policy::Object::model, name, nullptr, *facts)
                          : access.lists(endpoint, policy::Object::model, name, nullptr);
    // That no rule allows the other name is no denial, and neither is a scope that its rule asks for.
    if (!decision.allowed() && decision.rule != "default" && decision.lacks.empty()) return decision;
  }
  return std::nullopt;
}

}  // namespace sallyport::gateway
