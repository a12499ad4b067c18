#include "questions.hpp"

#include <charconv>

#include "sallyport/core/bytes.hpp"
#include "sallyport/core/crypto.hpp"
#include "sallyport/core/limits.hpp"
#include "sallyport/mcp/compose.hpp"

namespace sallyport::gateway {
namespace {

constexpr std::string_view kPrefix = "\"sp-";

std::string mode_of(json::Value params) {
  const auto mode = params.find("mode");
  return mode ? mode->string().value_or("form") : "form";
}

}  // namespace

bool may_ask(std::string_view capabilities, const Question& question) {
  const auto declared = json::Document::parse(std::string(capabilities), json::kUpstream);
  if (!declared) return false;
  const json::Value root = declared->root();
  switch (question.method) {
    case mcp::Method::sampling_create_message:
      return root.find("sampling").has_value();
    case mcp::Method::roots_list:
      return root.find("roots").has_value();
    case mcp::Method::elicitation_create: {
      const auto elicitation = root.find("elicitation");
      if (!elicitation || !elicitation->is(json::Kind::object)) return false;
      const auto params = json::Document::parse(question.params, json::kUpstream);
      if (!params) return false;
      const std::string mode = mode_of(params->root());
      if (mode == "form") return elicitation->find("form") || !elicitation->find("url");
      return mode == "url" && elicitation->find("url");
    }
    default:
      return false;
  }
}

QuestionAnswer question_refused(std::string_view why) {
  return {.raw = "{\"code\":-32601,\"message\":" + json::quote(why) + "}", .is_error = true};
}

std::string_view final_action(const Question& question, const QuestionAnswer& answer) {
  if (question.method != mcp::Method::elicitation_create || answer.is_error) return {};
  const auto document = json::Document::parse(answer.raw, json::kUpstream);
  const auto action = document ? document->root().find("action") : std::nullopt;
  const std::string text = action ? action->string().value_or("") : "";
  if (text == "cancel") return "cancel";
  if (text == "decline") return "decline";
  return {};
}

std::string params_for(const Question& question, bool modern) {
  if (question.method != mcp::Method::elicitation_create) return question.params;
  const auto document = json::Document::parse(question.params, json::kUpstream);
  if (!document || mode_of(document->root()) != "url") return question.params;
  const bool has_id = document->root().find("elicitationId").has_value();
  if (modern == !has_id) return question.params;
  if (modern) return mcp::rebuild_object(document->root(), {}, {"elicitationId"});
  return mcp::rebuild_object(document->root(), {{"elicitationId", json::quote(random_id(16))}}, {});
}

std::optional<mcp::Id> Questions::open(const std::string& session, const std::string& principal,
                                       Waiting waiting) {
  if (open_.size() >= limits::kQuestions || !of_one_.take(principal, limits::kQuestionsOfOne))
    return std::nullopt;
  mcp::Id id = std::string(kPrefix) + std::to_string(shard_) + "-" + std::to_string(++asked_) + "-" +
               hex(random_bytes(4)) + "\"";
  open_.emplace(id, Open{session, principal, std::move(waiting)});
  return id;
}

void Questions::close(const mcp::Id& id) {
  const auto it = open_.find(id);
  if (it == open_.end()) return;
  of_one_.give(it->second.principal);
  open_.erase(it);
}

bool Questions::answer(const mcp::Id& id, const std::string& session, QuestionAnswer answer) {
  const auto it = open_.find(id);
  if (it == open_.end() || it->second.session != session) return false;
  const Waiting waiting = it->second.waiting;
  close(id);
  waiting->deliver(std::move(answer));
  return true;
}

std::optional<int> Questions::shard_of(const mcp::Id& id) {
  if (!id.starts_with(kPrefix)) return std::nullopt;
  int shard = 0;
  const char* const begin = id.data() + kPrefix.size();
  const auto [end, problem] = std::from_chars(begin, id.data() + id.size(), shard);
  if (problem != std::errc() || end == id.data() + id.size() || *end != '-') return std::nullopt;
  return shard;
}

}  // namespace sallyport::gateway
