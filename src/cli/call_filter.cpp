#include "sallyport/cli/call_filter.hpp"

#include <algorithm>

#include "sallyport/policy/rules.hpp"

namespace sallyport::cli {
namespace {

using Json = nlohmann::json;

std::string text(const Json& record, const char* key) {
  const auto it = record.find(key);
  return it != record.end() && it->is_string() ? it->get<std::string>() : std::string();
}

/// A pattern without a slash is about what stands behind the first.
bool names(const std::string& glob, const std::string& target) {
  if (glob.contains('/')) return policy::glob_match(glob, target);
  const auto slash = target.find('/');
  return policy::glob_match(glob, slash == std::string::npos ? target : target.substr(slash + 1));
}

bool is_principal(const std::string& wanted, const std::string& principal) {
  if (wanted.contains(':')) return policy::glob_match(wanted, principal);
  const auto colon = principal.find(':');
  return policy::glob_match(wanted, colon == std::string::npos ? principal : principal.substr(colon + 1));
}

}  // namespace

bool CallFilter::is_wanted(const Json& record) const {
  const std::string principal = text(record, "principal"), target = text(record, "target");
  if (!wish_.principal.empty() && !is_principal(wish_.principal, principal)) return false;
  if (wish_.team && std::ranges::find(*wish_.team, principal) == wish_.team->end()) return false;
  const bool of_model = text(record, "endpoint") == "/v1";
  if (!wish_.model.empty() && (!of_model || !names(wish_.model, target))) return false;
  if (!wish_.tool.empty() && (of_model || target.empty() || !names(wish_.tool, target))) return false;
  if (!wish_.trace.empty() && text(record, "trace") != wish_.trace) return false;
  const auto metadata = record.find("metadata");
  return std::ranges::all_of(wish_.metadata, [&](const auto& entry) {
    return metadata != record.end() && metadata->is_object() &&
           text(*metadata, entry.first.c_str()) == entry.second;
  });
}

bool CallFilter::takes(const Json& record) {
  if (wish_.empty()) return true;
  const std::string type = text(record, "type"), call = text(record, "call");
  if (type == "intent" || type == "refusal") {
    if (!is_wanted(record)) return false;
    if (type == "intent") open_.insert(call);
    return true;
  }
  if (type == "outcome" || type == "unknown") return open_.erase(call) > 0;
  if (type != "note") return false;
  // Feedback belongs to a trace as the calls do.
  const auto with = record.find("with");
  return text(record, "note") == "feedback" && with != record.end() && is_wanted(*with);
}

}  // namespace sallyport::cli
