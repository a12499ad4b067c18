// What a model call says of itself in its headers, and what else the model API knows: lists and feedback.
#include <algorithm>

#include "access.hpp"
#include "door.hpp"
#include "model_service.hpp"
#include "record.hpp"
#include "sallyport/core/bytes.hpp"
#include "sallyport/core/crypto.hpp"
#include "sallyport/core/limits.hpp"
#include "trace.hpp"

namespace sallyport::gateway {
namespace {

constexpr std::size_t kMetadataText = 128;  // characters of one value, as clients of this API know it
constexpr std::size_t kMetadataEntries = 64;
/// What models cannot tell of their age.
constexpr std::string_view kUnknownDate = "1970-01-01T00:00:00Z";

Result<void> read_metadata(std::string_view header, ModelCall& model) {
  const auto refused = [](std::string why) {
    return client_error(Code::bad_request, "x-portkey-metadata " + std::move(why));
  };
  auto document = json::Document::parse(std::string(header));
  if (!document || !document->root().is(json::Kind::object)) return refused("must be a JSON object.");
  for (const auto& member : document->root().members()) {
    const auto text = member.value.string();
    if (!text) return refused("has a value that is no text: " + member.key());
    if (text->size() > kMetadataText) return refused("has a value of more than 128 bytes: " + member.key());
    if (model.metadata.size() >= kMetadataEntries) return refused("has more than 64 entries.");
    model.metadata[member.key()] = *text;
  }
  return {};
}

std::string raw_of(const std::map<std::string, std::string, std::less<>>& metadata) {
  std::string out;
  for (const auto& [key, value] : metadata)
    out += (out.empty() ? "{" : ",") + json::quote(key) + ":" + json::quote(value);
  return out.empty() ? out : out + "}";
}

/// One entry of a list, readable for clients of either vendor.
std::string listed(const std::string& id, const std::string& owner) {
  const std::string quoted = json::quote(id);
  return "{\"id\":" + quoted + ",\"object\":\"model\",\"created\":0,\"owned_by\":" + json::quote(owner) +
         ",\"type\":\"model\",\"display_name\":" + quoted + ",\"created_at\":\"" + std::string(kUnknownDate) +
         "\"}";
}

}  // namespace

Result<void> ModelService::describe(Call& call) {
  const net::Headers& headers = call.exchange.request().headers;
  call.trace = trace_of(headers);
  if (call.trace.empty()) call.trace = hex(random_bytes(16));
  if (const auto header = headers.find("x-portkey-metadata")) {
    if (auto read = read_metadata(*header, *call.model); !read) return read;
  }
  call.metadata = raw_of(call.model->metadata);
  return {};
}

void ModelService::name_user(Call& call) {
  const std::string& user = call.model->envelope.user;
  if (user.empty() || user.size() > kMetadataText || !call.model->metadata.emplace("_user", user).second)
    return;
  call.metadata = raw_of(call.model->metadata);
}

std::vector<OfferedModel> models_for(Access& access, const Endpoint& endpoint, const ModelTable& models,
                                     llm::Wire asks, SystemTime now) {
  std::vector<OfferedModel> out;
  const auto may = [&](const ModelHandle& handle, const std::string& asked) {
    const auto place = models.locate({}, handle.name + "/" + asked, asks, now);
    return place && access.lists(endpoint, policy::Object::model, place->canonical, nullptr).allowed() &&
           !denied_elsewhere(access, endpoint, *place, nullptr);
  };
  const auto add = [&](const ModelHandle& handle, const std::string& asked) {
    out.push_back({.name = handle.name + "/" + asked, .api = handle.provider->document.api});
  };
  for (const auto& [name, handle] : models.handles()) {
    if (!handle.usable(now) || !handle.provider->kind) continue;
    for (const auto& model : handle.provider->document.models) {
      const bool named = model.find_first_of("*?") == std::string::npos;
      if (named && !llm::model(handle.provider->kind->prices, model) && may(handle, model))
        add(handle, model);
    }
    for (const auto& [alias, model] : handle.provider->document.aliases) {
      if (may(handle, alias)) add(handle, alias);
    }
    for (const auto& model : llm::models_of(handle.provider->kind->prices)) {
      if (may(handle, std::string(model))) add(handle, std::string(model));
    }
  }
  return out;
}

Result<Answer> ModelService::list(Call& call) const {
  std::optional<Access> own;
  const auto models = models_for(access_of(call, own), *call.endpoint, *call.snapshot->models,
                                 call.model->asks, clock_.now());
  const std::string first = models.empty() ? "" : models.front().name,
                    last = models.empty() ? "" : models.back().name;
  std::string data;
  for (const OfferedModel& one : models) data += (data.empty() ? "" : ",") + listed(one.name, one.api);
  net::Reply reply{.status = 200, .content_type = "application/json"};
  reply.body = "{\"object\":\"list\",\"data\":[" + data +
               "],\"has_more\":false,\"first_id\":" + (first.empty() ? "null" : json::quote(first)) +
               ",\"last_id\":" + (last.empty() ? "null" : json::quote(last)) + "}";
  return reply;
}

Task<Result<Answer>> ModelService::take_feedback(Call& call) const {
  const auto refused = [](std::string why) { return client_error(Code::bad_request, std::move(why)); };
  if (call.exchange.request().method != net::Method::post)
    co_return client_error(Code::method_not_allowed, "Send feedback with POST.");
  if (auto media = Door::check_body_type(call.exchange.request()); !media) co_return Failure(media.error());
  if (auto body = co_await take_body(call, limits::kOauthBody); !body) co_return Failure(body.error());
  const json::Value root = call.body->root();
  const auto trace = root.find("trace_id");
  const auto value = root.find("value");
  const auto weight = root.find("weight");
  if (!trace || !is_trace(trace->string().value_or(""))) co_return refused("trace_id must name a trace.");
  const auto score = value ? value->integer() : std::nullopt;
  if (!score || *score < -10 || *score > 10)
    co_return refused("value must be a whole number from -10 to 10.");
  const double heavy = weight ? weight->number().value_or(-1) : 1;
  if (heavy < 0 || heavy > 1) co_return refused("weight must be a number from 0 to 1.");
  const auto metadata = root.find("metadata");
  if (metadata && !metadata->is(json::Kind::object)) co_return refused("metadata must be an object.");
  call.trace = *trace->string();
  call.here.journal.note(
      "feedback", "\"call\":" + json::quote(call.id) +
                      ",\"principal\":" + json::quote(call.principal_name()) +
                      ",\"trace\":" + json::quote(call.trace) + ",\"value\":" + std::to_string(*score) +
                      ",\"weight\":" + (weight ? json::canonical(*weight) : "1") +
                      (metadata ? ",\"metadata\":" + json::canonical(*metadata) : std::string()));
  call.here.commit_soon();
  net::Reply reply{.status = 200, .content_type = "application/json"};
  reply.body = "{\"status\":\"success\",\"message\":\"Feedback successfully saved\",\"feedback_ids\":[" +
               json::quote(call.id) + "]}";
  co_return reply;
}

}  // namespace sallyport::gateway
