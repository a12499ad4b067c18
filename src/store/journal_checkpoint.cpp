#include "sallyport/store/journal_checkpoint.hpp"

#include <fcntl.h>
#include <fmt/core.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "sallyport/core/bytes.hpp"
#include "sallyport/core/limits.hpp"
#include "sallyport/json/document.hpp"

namespace sallyport::store {
namespace {

constexpr std::string_view kSignature = R"(,"sig":")";

void append_claim(std::string& out, const ChainClaim& claim) {
  out += "{\"chain\":\"" + claim.chain + '"';
  add_text(out, "file", claim.file);
  add_number(out, "offset", static_cast<std::int64_t>(claim.offset));
  add_number(out, "seq", static_cast<std::int64_t>(claim.head.seq));
  add_hex(out, "hash", view(claim.head.hash));
  if (claim.sealed) out += R"(,"sealed":true)";
  out += R"(,"open":[)";
  for (const OpenCall& call : claim.open) {
    if (out.back() != '[') out += ',';
    // Already escaped: these texts were cut out of records.
    out += fmt::format(R"({{"call":"{}","target":"{}","seq":{},"t":{}}})", call.call, call.target, call.seq,
                       call.millis);
  }
  out += "]}";
}

std::optional<Digest> digest_from(const std::optional<std::string>& text) {
  const auto raw = unhex(text.value_or(""));
  if (!raw || raw->size() != Digest().size()) return std::nullopt;
  Digest digest;
  std::ranges::copy(*raw, digest.begin());
  return digest;
}

template <class T>
T integer(const json::Value& object, std::string_view key) {
  const auto value = object.find(key);
  return static_cast<T>(value ? value->integer().value_or(0) : 0);
}

std::string text(const json::Value& object, std::string_view key) {
  const auto value = object.find(key);
  return value ? value->string().value_or("") : "";
}

std::string raw_text(const json::Value& object, std::string_view key) {
  const auto value = object.find(key);
  if (!value || !value->is(json::Kind::string)) return {};
  return std::string(value->raw().substr(1, value->raw().size() - 2));
}

Failure no_checkpoint(std::string_view why) {
  return fail(Code::bad_request, Blame::admin, fmt::format("not a checkpoint of this journal: {}", why));
}

}  // namespace

std::string encode_checkpoint(const Checkpoint& checkpoint, const SigningKey& key) {
  std::string out;
  begin_line(out, ChainHead{.seq = checkpoint.seq - 1}, checkpoint.millis, "checkpoint");
  add_number(out, "start", checkpoint.start);
  out += R"(,"chains":[)";
  for (const ChainClaim& claim : checkpoint.chains) {
    if (out.back() != '[') out += ',';
    append_claim(out, claim);
  }
  out += ']';
  if (checkpoint.torn) {
    out +=
        fmt::format(R"(,"torn":{{"offset":{},"bytes":{})", checkpoint.torn->offset, checkpoint.torn->bytes);
    add_hex(out, "sha256", view(checkpoint.torn->digest));
    out += '}';
  }
  add_hex(out, "prev", view(checkpoint.prev));
  const std::string signature = sign(key, out);
  out += kSignature;
  out += base64url(signature);
  out += "\"}";
  return out;
}

Result<Checkpoint> decode_checkpoint(std::string_view line, std::string_view public_key) {
  const auto at = line.rfind(kSignature);
  if (at == std::string_view::npos) return no_checkpoint("it has no signature");
  auto encoded = line.substr(at + kSignature.size());
  if (!encoded.ends_with("\"}")) return no_checkpoint("it is cut off");
  encoded.remove_suffix(2);
  const auto signature = unbase64url(encoded);
  if (!signature || !verify(public_key, line.substr(0, at), *signature)) {
    return no_checkpoint("its signature is not by this journal's key");
  }
  const auto document = json::Document::parse(std::string(line));
  if (!document) return no_checkpoint("it is not JSON");
  const json::Value root = document->root();
  Checkpoint out{.seq = integer<std::uint64_t>(root, "seq"),
                 .millis = integer<std::int64_t>(root, "t"),
                 .start = integer<std::int64_t>(root, "start")};
  const auto prev = digest_from(text(root, "prev"));
  const auto chains = root.find("chains");
  if (text(root, "type") != "checkpoint" || !prev || !chains) return no_checkpoint("members are missing");
  out.prev = *prev;
  for (const json::Value chain : chains->elements()) {
    const auto hash = digest_from(text(chain, "hash"));
    if (!hash) return no_checkpoint("a chain has no hash");
    const auto sealed = chain.find("sealed");
    ChainClaim claim{.chain = text(chain, "chain"),
                     .file = text(chain, "file"),
                     .offset = integer<std::uint64_t>(chain, "offset"),
                     .head = {integer<std::uint64_t>(chain, "seq"), *hash},
                     .sealed = sealed && sealed->boolean().value_or(false)};
    if (const auto open = chain.find("open")) {
      for (const json::Value call : open->elements()) {
        claim.open.push_back({raw_text(call, "call"), raw_text(call, "target"),
                              integer<std::uint64_t>(call, "seq"), integer<std::int64_t>(call, "t")});
      }
    }
    out.chains.push_back(std::move(claim));
  }
  if (const auto torn = root.find("torn")) {
    out.torn = Torn{.file = std::string(kCheckpointFile),
                    .offset = integer<std::uint64_t>(*torn, "offset"),
                    .bytes = integer<std::uint64_t>(*torn, "bytes"),
                    .digest = digest_from(text(*torn, "sha256")).value_or(Digest{})};
  }
  return out;
}

namespace {

// A power cut garbles no more than what one write left without a sync.
constexpr std::uint64_t kMostGarbled = 4 * limits::MiB;

struct Tail {
  std::string bytes{};             ///< from the beginning of a line
  std::uint64_t offset = 0;        ///< where they begin
  std::size_t line = 0;            ///< the last line that is a checkpoint, else the last whole one, from here
  std::size_t rest = 0;            ///< to here; behind its newline
  std::optional<Checkpoint> at{};  ///< what it says
};

/// The end of the file, from its last checkpoint on.
Result<Tail> read_tail(const std::string& path, std::uint64_t size, const std::string& public_key) {
  for (std::uint64_t want = 64 * limits::KiB;; want *= 2) {
    Tail out{.offset = size > want ? size - want : 0};
    auto reader = LineReader::open(path, out.offset);
    if (!reader) return Failure(reader.error());
    while (const auto line = reader->next()) out.bytes.append(*line).append("\n");
    out.bytes += reader->rest();
    if (reader->failed()) return fail(Code::storage, Blame::admin, "cannot read " + path);
    bool foreign = false;
    std::size_t end = out.bytes.rfind('\n');
    for (bool last = true; end != std::string::npos; last = false) {
      const std::size_t before = end == 0 ? std::string::npos : out.bytes.rfind('\n', end - 1);
      if (before == std::string::npos && out.offset > 0) break;
      const std::size_t begin = before == std::string::npos ? 0 : before + 1;
      const auto line = std::string_view(out.bytes).substr(begin, end - begin);
      auto at = decode_checkpoint(line, public_key);
      foreign = foreign || (!at && json::Document::parse(std::string(line)));
      if (at || last) out.line = begin, out.rest = end + 1;
      if (at) {
        out.at = std::move(*at);
        return out;
      }
      end = before;
    }
    // The first checkpoint of all, garbled: nothing is there to go on from. A whole line that somebody else
    // has signed is not passed over.
    if (out.offset == 0 && !foreign) out.line = out.rest = 0;
    if (out.offset == 0 || (out.rest > 0 && want >= kMostGarbled)) return out;
  }
}

}  // namespace

Result<CheckpointLog> CheckpointLog::open(const std::string& folder, const std::string& public_key,
                                          const FileCalls& calls) {
  const std::string path = folder + "/" + std::string(kCheckpointFile);
  auto file = AppendFile::open(path, calls);
  if (!file) return Failure(file.error());
  CheckpointLog log;
  log.file_ = std::move(*file);
  if (log.file_->size() == 0) return log;
  auto tail = read_tail(path, log.file_->size(), public_key);
  if (!tail) return Failure(tail.error());
  const std::string_view bytes = tail->bytes;
  const std::string_view rest = bytes.substr(tail->rest);
  if (tail->rest > 0) log.head_ = sha256(bytes.substr(tail->line, tail->rest - 1 - tail->line));
  log.distrusted_ = (tail->rest > 0 && !tail->at) || rest.contains('\n');
  if (tail->at) {
    log.seq_ = tail->at->seq;
    log.last_ = std::move(tail->at);
  }
  if (!rest.empty()) {
    log.torn_ = Torn{.file = std::string(kCheckpointFile),
                     .offset = tail->offset + tail->rest,
                     .bytes = rest.size(),
                     .digest = sha256(rest)};
  }
  return log;
}

Result<void> CheckpointLog::find_again(const std::string& folder, const std::string& public_key,
                                       const FileCalls& calls) {
  if (file_->in_place()) {
    if (!file_->unsynced() && !file_->broken()) return {};
    if (file_->broken()) {
      // Parts of lines that could not be taken off again: the next one names all of them.
      auto torn = damage_of(folder, std::string(kCheckpointFile), torn_ ? torn_->offset : file_->size());
      if (!torn) return Failure(torn.error());
      torn->damaged = false;
      torn_ = std::move(*torn);
    }
    auto again = AppendFile::open(file_->path(), calls);
    if (!again) return Failure(again.error());
    file_ = std::move(*again);
    return {};
  }
  auto there = open(folder, public_key, calls);
  if (!there) return Failure(there.error());
  spdlog::error(
      "journal: {} was deleted, moved or truncated, or is another file now: put it back, or `sallyport audit "
      "verify` reports what it held as missing; the next checkpoints go to the file that is there now",
      file_->path());
  file_ = std::move(there->file_);
  torn_ = std::move(there->torn_);
  return {};
}

Result<void> CheckpointLog::append(Checkpoint checkpoint, const SigningKey& key) {
  checkpoint.seq = seq_ + 1;
  checkpoint.prev = head_;
  checkpoint.torn = torn_;
  const std::string line = encode_checkpoint(checkpoint, key);
  // An unfinished line before gets its newline now, and the signed line names it.
  if (auto written = file_->append((torn_ ? "\n" : "") + line + "\n"); !written) return written;
  torn_.reset();
  seq_ = checkpoint.seq;
  head_ = sha256(line);
  last_ = std::move(checkpoint);
  return file_->sync();
}

}  // namespace sallyport::store
