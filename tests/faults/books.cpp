#include "books.hpp"

#include <sqlite3.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>

namespace sallyport::faults {
namespace {

namespace fs = std::filesystem;
using testing::Json;

std::string read_file(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// Whole lines and where they begin; what a crash cut off behind the last newline is no record.
std::vector<std::pair<std::size_t, std::string>> whole_lines(const fs::path& file) {
  std::vector<std::pair<std::size_t, std::string>> out;
  const std::string text = read_file(file);
  std::size_t begin = 0;
  for (std::size_t end; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1)
    out.emplace_back(begin, text.substr(begin, end - begin));
  return out;
}

std::string token_in(const Json& payload) {
  const Json arguments = Json::parse(payload.value("payload", ""), nullptr, false);
  return arguments.is_object() ? arguments.value("token", "") : "";
}

/// The first of many, so that a list stays readable.
class Some {
 public:
  explicit Some(Findings& found) : found_(found) {}
  void add(const std::string& problem) {
    if (++n_ <= 5) found_.problems.push_back(problem);
  }
  ~Some() {
    if (n_ > 5) found_.problems.push_back("... and " + std::to_string(n_ - 5) + " more of this kind");
  }
  Some(const Some&) = delete;
  Some& operator=(const Some&) = delete;

 private:
  Findings& found_;
  int n_ = 0;
};

void read_segment(Books& books, const fs::path& file) {
  const std::string name = file.filename();
  const std::string chain = name.substr(0, name.rfind('-'));
  const auto torn = books.torn.find(name);
  for (const auto& [offset, line] : whole_lines(file)) {
    const Json record = Json::parse(line, nullptr, false);
    const std::string type = record.is_object() ? record.value("type", "") : "";
    const std::string id = record.is_object() ? record.value("call", "") : "";
    if (torn != books.torn.end() && offset >= torn->second) {
      if (type == "intent") books.calls[id].torn = true;
      continue;
    }
    if (!record.is_object()) {
      books.problems.push_back(name + ": a line that is no record");
      continue;
    }
    const std::int64_t seq = record.value("seq", std::int64_t{0});
    if (seq != ++books.chains[chain])
      books.problems.push_back(name + ": record " + std::to_string(seq) + " where " +
                               std::to_string(books.chains[chain]) + " is due");
    if (type == "intent") {
      auto& call = books.calls[id];
      ++call.intents;
      call.chain = chain;
      call.generation = record.value("generation", std::int64_t{0});
      call.rule = record.value("rule", "");
    } else if (type == "outcome") {
      auto& call = books.calls[id];
      ++call.outcomes;
      call.status = record.value("status", "");
    } else {
      if (type == "unknown") ++books.calls[id].unknowns;
      books.types.push_back(type);
    }
  }
}

}  // namespace

Books read_books(const std::string& data) {
  Books books;
  std::vector<fs::path> segments, payloads;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(data + "/journal", none)) {
    const std::string name = entry.path().filename();
    if (!name.ends_with(".jsonl") || name == "checkpoints.jsonl") continue;
    (name.ends_with(".payload.jsonl") ? payloads : segments).push_back(entry.path());
  }
  std::ranges::sort(segments);
  for (const auto& file : payloads) {
    for (const auto& [offset, line] : whole_lines(file)) {
      const Json payload = Json::parse(line, nullptr, false);
      if (!payload.is_object() || payload.value("of", "") != "args") continue;
      auto& call = books.calls[payload.value("call", "")];
      if (call.token = token_in(payload); !call.token.empty())
        books.call_of[call.token] = payload.value("call", "");
    }
  }
  for (const auto& file : segments) {
    for (const auto& [offset, line] : whole_lines(file)) {
      const Json record = Json::parse(line, nullptr, false);
      if (record.is_object() && record.value("type", "") == "torn")
        books.torn[record.value("file", "")] = record.value("offset", std::size_t{0});
    }
  }
  for (const auto& file : segments) read_segment(books, file);
  return books;
}

Books audit(Installation& installation, const std::vector<Sent>& sent, const Expectations& expectations,
            Findings& found) {
  Books books = read_books(installation.data());
  found.problems.insert(found.problems.end(), books.problems.begin(), books.problems.end());

  std::string newest;  // the start whose calls may still be under way
  for (const auto& [chain, records] : books.chains)
    newest = std::max(newest, chain.substr(0, chain.find('-')));

  std::map<std::string, int> executed;
  {
    Some some(found);
    for (const auto& token : installation.ledger().tokens()) {
      if (++executed[token] == 2) some.add("executed twice: " + token);
      const auto known = books.call_of.find(token);
      if (known == books.call_of.end() || (books.calls[known->second].intents == 0))
        some.add("executed without an intent: " + token);
    }
  }
  {
    Some some(found);
    for (const auto& [id, call] : books.calls) {
      // What stands in a payload file alone belongs to a batch that did not reach its segment.
      if (call.intents == 0 && call.outcomes == 0 && call.unknowns == 0) continue;
      if (call.intents != (call.torn ? 0 : 1))
        some.add("call " + id + " has " + std::to_string(call.intents) + " intents");
      if (call.outcomes > 1) some.add("call " + id + " has " + std::to_string(call.outcomes) + " outcomes");
      const bool current = expectations.running && call.chain.starts_with(newest);
      if (call.outcomes == 0 && call.unknowns != 1 && !current)
        some.add("call " + id + " has no outcome and is " + std::to_string(call.unknowns) + " times unknown");
      if (call.outcomes == 1 && call.unknowns > 0) some.add("call " + id + " has an outcome and is unknown");
    }
  }
  {
    Some some(found);
    std::set<std::string> tokens;
    for (const auto& one : sent) {
      if (!tokens.insert(one.token).second) some.add("sent twice: " + one.token);
      if (one.end == Sent::End::foreign)
        some.add("an answer that is not the one to " + one.token + ": " + one.body.substr(0, 200));
      if (one.end == Sent::End::result && !executed.contains(one.token))
        some.add("a result without an execution: " + one.token);
      if (one.end == Sent::End::refused && one.retry && executed.contains(one.token))
        some.add("said to be repeatable, but was executed: " + one.token);
    }
  }
  const auto verified = installation.command({"audit", "verify"});
  found.expect(verified.status == 0, "audit verify: " + verified.out + verified.err);
  check_canaries(installation, found);
  return books;
}

void check_registry(const Installation& installation, Findings& found) {
  sqlite3* db = nullptr;
  const std::string file = installation.data() + "/sallyport.db";
  if (sqlite3_open_v2(file.c_str(), &db, SQLITE_OPEN_READONLY, nullptr) != SQLITE_OK) {
    found.problems.push_back(std::string("the registry cannot be opened: ") + sqlite3_errmsg(db));
    sqlite3_close(db);
    return;
  }
  sqlite3_busy_timeout(db, 5000);
  sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  const auto all = [&](const char* sql) {
    std::string out;
    const int rc = sqlite3_exec(
        db, sql,
        [](void* to, int columns, char** values, char**) {
          for (int i = 0; i < columns; ++i)
            *static_cast<std::string*>(to) += std::string(values[i] ? values[i] : "") + " ";
          return 0;
        },
        &out, nullptr);
    return rc == SQLITE_OK ? out : std::string("error ") + sqlite3_errmsg(db);
  };
  if (const auto said = all("PRAGMA integrity_check"); said != "ok ")
    found.problems.push_back("integrity_check: " + said);
  if (const auto said = all("PRAGMA foreign_key_check"); !said.empty())
    found.problems.push_back("foreign_key_check: " + said);
  sqlite3_close(db);
}

void check_canaries(const Installation& installation, Findings& found) {
  const auto clean = [&](const fs::path& file) {
    const std::string text = read_file(file);
    for (const std::string_view secret : {std::string_view(installation.key()), kUpstreamSecret}) {
      if (!secret.empty() && text.find(secret) != std::string::npos)
        found.problems.push_back("a secret stands in " + file.string());
    }
  };
  std::error_code gone;
  for (const auto& entry : fs::recursive_directory_iterator(installation.data(), gone)) {
    if (entry.is_regular_file(gone)) clean(entry.path());
  }
  clean(installation.log());
}

}  // namespace sallyport::faults
