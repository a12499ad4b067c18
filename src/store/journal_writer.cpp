#include "sallyport/store/journal_writer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "sallyport/core/bytes.hpp"
#include "sallyport/core/limits.hpp"
#include "sallyport/json/document.hpp"

namespace sallyport::store {
namespace {

constexpr std::size_t kSaltBytes = 16;
constexpr std::size_t kSaltPool =
    256 * kSaltBytes;  // one call to the generator costs as much as a whole record

// Of what a client made up: a journal must not grow by what is refused.
constexpr std::size_t kNameShown = 256, kTargetShown = 4 * limits::KiB;

/// The text, or where it is longer its beginning with its length; `room` holds that.
std::string_view shown(std::string_view text, std::size_t most, std::string& room) {
  if (text.size() <= most) return text;
  while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xC0U) == 0x80) --most;
  room = fmt::format("{}... ({} bytes)", text.substr(0, most), text.size());
  return room;
}

std::uint32_t narrow(std::size_t n) { return static_cast<std::uint32_t>(n); }

}  // namespace

ChainWriter::ChainWriter(const ChainSetup& setup, int shard) : setup_(setup), shard_(shard) {
  name_ = {.start = setup.start, .shard = shard, .segment = 0};
}

void ChainWriter::begin_record(Kind kind, std::string_view type) {
  millis_ = unix_millis(setup_.clock.now());
  marks_.push_back({.kind = kind,
                    .line = {narrow(buffer_.size()), 0},
                    .payload = {narrow(payload_.size()), 0},
                    .call = {},
                    .target = {},
                    .millis = millis_});
  begin_line(buffer_, head_, millis_, type);
}

ChainWriter::Range ChainWriter::add_named(std::string_view key, std::string_view value) {
  if (value.empty()) return {};
  const std::size_t begin = buffer_.size() + key.size() + 5;  // ,"key":"
  add_text(buffer_, key, value);
  return {narrow(begin), narrow(buffer_.size() - 1 - begin)};
}

std::string_view ChainWriter::next_salt() {
  if (next_salt_ >= salts_.size()) {
    salts_ = random_bytes(kSaltPool);
    next_salt_ = 0;
  }
  return std::string_view(salts_).substr(std::exchange(next_salt_, next_salt_ + kSaltBytes), kSaltBytes);
}

void ChainWriter::capture(std::string_view call, std::string_view of, std::string_view payload, int how) {
  if (how <= 0 || payload.empty()) return;
  const std::string_view salt = next_salt();
  const Digest digest = salted_digest(salt, payload, scratch_);
  add_hex(buffer_, of, view(digest));

  payload_ += R"({"of":")";
  payload_ += of;
  payload_ += '"';
  add_text(payload_, "call", call);
  add_hex(payload_, "salt", salt);
  if (how > 1) {
    if (is_utf8(payload)) {
      add_text(payload_, "payload", payload);
    } else {
      add_text(payload_, "payload_base64", base64(payload));
    }
  }
  payload_ += "}\n";
}

void ChainWriter::end_record() {
  Mark& mark = marks_.back();
  end_line(buffer_, mark.line.begin, head_);
  mark.line.size = narrow(buffer_.size()) - mark.line.begin;
  mark.payload.size = narrow(payload_.size()) - mark.payload.begin;
  pending_.store(true, std::memory_order_relaxed);
}

void ChainWriter::intent(const Intent& intent, Durable durable) {
  std::string method, target_text;
  const std::lock_guard lock(mutex_);
  begin_record(Kind::intent, "intent");
  const Range call = add_named("call", intent.call);
  add_text(buffer_, "principal", intent.principal);
  add_text(buffer_, "key", intent.key_id);
  add_text(buffer_, "actor", intent.actor);
  add_text(buffer_, "grant", intent.grant);
  add_text(buffer_, "endpoint", intent.endpoint);
  add_text(buffer_, "era", intent.era);
  add_text(buffer_, "method", shown(intent.method, kNameShown, method));
  const Range target = add_named("target", shown(intent.target, kTargetShown, target_text));
  add_text(buffer_, "rule", intent.rule);
  add_number(buffer_, "generation", intent.policy_generation);
  add_text(buffer_, "client", intent.client);
  add_text(buffer_, "continues", intent.continues);
  add_text(buffer_, "trace", intent.trace);
  add_raw(buffer_, "metadata", intent.metadata);
  add_raw(buffer_, "brought", intent.brought);
  add_number(buffer_, "args_bytes", static_cast<std::int64_t>(intent.arguments.size()));
  capture(intent.call, "args", intent.arguments, intent.capture);
  marks_.back().call = call;
  marks_.back().target = target;
  end_record();
  waiting_.push_back(std::move(durable));
}

void ChainWriter::outcome(const Outcome& outcome) {
  const std::lock_guard lock(mutex_);
  begin_record(Kind::outcome, "outcome");
  marks_.back().call = add_named("call", outcome.call);
  add_text(buffer_, "status", outcome.status);
  add_text(buffer_, "code", outcome.code);
  add_number(buffer_, "us", outcome.micros);
  add_number(buffer_, "bytes", static_cast<std::int64_t>(outcome.bytes));
  add_raw(buffer_, "model", outcome.model);
  capture(outcome.call, "result", outcome.result, outcome.capture);
  end_record();
}

void ChainWriter::refusal(const Refusal& refusal) {
  std::string endpoint, method, target;
  const std::lock_guard lock(mutex_);
  const std::int64_t millis = unix_millis(setup_.clock.now());
  const bool admitted = !refusal.before_authentication || setup_.sampler.admit(refusal.reason, millis);
  if (setup_.sampler.due(millis)) add_counts(millis);
  if (!admitted) return;
  begin_record(Kind::other, "refusal");
  add_text(buffer_, "call", refusal.call);
  add_text(buffer_, "principal", refusal.principal);
  add_text(buffer_, "key", refusal.key_id);
  add_text(buffer_, "actor", refusal.actor);
  add_text(buffer_, "grant", refusal.grant);
  add_text(buffer_, "endpoint", shown(refusal.endpoint, kNameShown, endpoint));
  add_text(buffer_, "era", refusal.era);
  add_text(buffer_, "method", shown(refusal.method, kNameShown, method));
  add_text(buffer_, "target", shown(refusal.target, kTargetShown, target));
  add_text(buffer_, "reason", refusal.reason);
  add_text(buffer_, "rule", refusal.rule);
  add_number(buffer_, "status", refusal.status);
  add_text(buffer_, "client", refusal.client);
  add_text(buffer_, "trace", refusal.trace);
  add_raw(buffer_, "metadata", refusal.metadata);
  end_record();
}

void ChainWriter::add_counts(std::int64_t millis) {
  for (const auto& count : setup_.sampler.take(millis)) {
    begin_record(Kind::other, "refusals");
    add_text(buffer_, "reason", count.reason);
    add_number(buffer_, "count", static_cast<std::int64_t>(count.count));
    add_number(buffer_, "second", count.second);
    end_record();
  }
}

void ChainWriter::note(std::string_view type, std::string_view members) {
  // A note comes rarely and from many places; a malformed one must not spoil the line it stands on.
  std::string object;
  object.append("{").append(members).append("}");
  const auto checked = json::Document::parse(object);
  const bool whole = checked && checked->root().is(json::Kind::object) && !members.contains('\n');
  const std::lock_guard lock(mutex_);
  begin_record(Kind::other, "note");
  add_text(buffer_, "note", type);
  if (whole && !members.empty()) {
    buffer_ += ",\"with\":";
    buffer_ += object;
  } else {
    add_text(buffer_, "text", members);
  }
  end_record();
}

void ChainWriter::record(std::string_view type, std::string_view members) {
  const std::lock_guard lock(mutex_);
  begin_record(Kind::other, type);
  buffer_ += members;
  end_record();
}

void ChainWriter::commit() {
  std::vector<Durable> waiting;
  Result<void> result;
  {
    const std::lock_guard lock(mutex_);
    const std::int64_t now = unix_millis(setup_.clock.now());
    if (setup_.sampler.due(now)) add_counts(now);
    if (marks_.empty()) return;
    waiting.swap(waiting_);
    const std::uint64_t first = committed_.seq + 1;
    const bool had_payload = !payload_.empty();
    result = write_batch();
    if (result && setup_.group) {
      const std::uint64_t last = committed_.seq;
      setup_.group->submit(
          {.shard = shard_,
           .file = file_,
           .payload = had_payload ? payload_file_ : nullptr,
           .waiting = std::move(waiting),
           .synced = [this, first, last](const Result<void>& r) { synced(r, first, last); }});
      return;
    }
  }
  // Outside the lock: a callback goes on with its call, which may record again.
  for (Durable& durable : waiting) {
    if (durable) durable(result);
  }
  waiting.clear();
  const std::lock_guard lock(mutex_);
  if (waiting_.empty() && waiting.capacity() > waiting_.capacity()) waiting_.swap(waiting);
}

bool ChainWriter::failing() const {
  const std::lock_guard lock(mutex_);
  return failed_since_ != 0;
}

bool ChainWriter::stuck() const {
  const std::lock_guard lock(mutex_);
  return failed_since_ != 0 || (!healthy_ && !marks_.empty()) ||
         setup_.sampler.due(unix_millis(setup_.clock.now()));
}

ChainWriter::Snapshot ChainWriter::snapshot() {
  const std::lock_guard lock(mutex_);
  Snapshot out{.name = name_,
               .file = file_,
               .left = std::exchange(left_, {}),
               .offset = file_->size(),
               .head = committed_,
               .open = {}};
  open_.each([&out](const OpenCall& call) { out.open.push_back(call); });
  std::ranges::sort(out.open, {}, &OpenCall::seq);
  return out;
}

void ChainWriter::add_to(JournalState& state) const {
  const std::lock_guard lock(mutex_);
  if (!healthy_) {
    state.healthy = false;
    if (state.problem.empty()) state.problem = problem_;
  }
  state.refused += refused_ever_;
  state.lost += lost_ever_;
  if (failed_since_ != 0) state.kept += marks_.size();
  state.records += records_;
  state.bytes += bytes_;
  state.last_commit_micros = std::max(state.last_commit_micros, last_micros_);
}

}  // namespace sallyport::store
