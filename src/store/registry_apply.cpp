#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "document_reader.hpp"
#include "meta.hpp"
#include "model_reader.hpp"
#include "registry_rows.hpp"
#include "sallyport/core/bytes.hpp"
#include "sallyport/store/registry.hpp"

namespace sallyport::store {
namespace {

DocumentKey key_of(const AnyDocument& document) {
  return {std::string(kind_of(document)), name_of(document)};
}

const Credential* sealed_credential(const AnyDocument& document) {
  const auto* credential = std::get_if<Credential>(&document);
  return credential && credential->from == Credential::From::value ? credential : nullptr;
}

bool carries_secret(const AnyDocument& document) {
  const Credential* credential = sealed_credential(document);
  return credential && !credential->value.empty();
}

Failure refused(const std::vector<std::string>& problems) {
  return client_error(Code::bad_request, fmt::format("{}", fmt::join(problems, "\n")));
}

/// One apply: looked at as a whole, then written within the caller's transaction.
class Application {
 public:
  Application(Database& database, Vault& vault, const std::vector<AnyDocument>& documents,
              const ApplyOptions& options, std::int64_t now)
      : database_(database), vault_(vault), documents_(documents), options_(options), now_(now) {}

  Result<void> run(const Registry::Validator& validator) {
    auto stored = load_documents(database_);
    if (!stored) return Failure(stored.error());
    stored_ = std::move(*stored);
    for (const AnyDocument& document : documents_) given_.insert(key_of(document));
    if (auto checked = check(validator); !checked) return checked;
    if (auto planned = plan(); !planned) return planned;
    return write();
  }

  std::vector<Change> take_changes() { return std::move(changes_); }

 private:
  Result<void> check(const Registry::Validator& validator) {
    std::vector<std::string> problems;
    std::map<DocumentKey, const AnyDocument*> result;
    for (const auto& [key, stored] : stored_) {
      if (!is_pruned(key, stored)) result[key] = &stored.document;
    }
    std::set<DocumentKey> seen;
    for (const AnyDocument& document : documents_) {
      const DocumentKey key = key_of(document);
      if (auto wrong = problems_of(document); !wrong.empty()) {
        problems.insert(problems.end(), wrong.begin(), wrong.end());
        continue;
      }
      if (!seen.insert(key).second)
        problems.push_back(fmt::format("{} {} stands twice: keep one", key.first, key.second));
      result[key] = &document;
      if (auto kept = check_kept_value(document); !kept) {
        if (kept.error().code != Code::bad_request) return kept;
        problems.push_back(kept.error().hint);
      }
      if (!validator) continue;
      if (auto valid = validator(document); !valid) {
        const Error& error = valid.error();
        problems.push_back(
            fmt::format("{} {}: {}", key.first, key.second, error.hint.empty() ? error.what : error.hint));
      }
    }
    for (const auto& [key, document] : result) {
      for (const auto& [kind, name] : references_of(*document)) {
        if (result.contains({kind, name})) continue;
        problems.push_back(
            fmt::format("{} {} uses {} {}, which does not exist: apply it as well, or name another",
                        key.first, key.second, kind, name));
      }
    }
    check_issuers(result, problems);
    check_routes(result, problems);
    if (!problems.empty()) return refused(problems);
    return {};
  }

  /// What of several issuers only one may be.
  static void check_issuers(const auto& documents, std::vector<std::string>& problems) {
    std::map<std::string_view, std::string_view> by_url;
    std::string_view standard, introspecting;
    for (const auto& [key, document] : documents) {
      const auto* issuer = std::get_if<Issuer>(document);
      if (!issuer) continue;
      const auto only = [&](std::string_view& first, std::string_view what) {
        if (first.empty()) {
          first = issuer->name;
        } else {
          problems.push_back(
              fmt::format("Issuer {} {}, and so does Issuer {}: only one can", issuer->name, what, first));
        }
      };
      only(by_url[issuer->issuer], "has this \"issuer\"");
      if (issuer->is_default) only(standard, "is the default");
      if (!issuer->introspection.url.empty())
        only(introspecting, "has \"introspection\", where tokens that name nobody are sent");
    }
  }

  /// Providers and virtual keys share their names, and routes lead to them.
  static void check_routes(const auto& documents, std::vector<std::string>& problems) {
    for (const auto& [key, document] : documents) {
      if (key.first == "VirtualKey" && documents.contains({"Provider", key.second}))
        problems.push_back(fmt::format(
            "VirtualKey {} has the name of a Provider, and clients name both in one place: choose another",
            key.second));
      const auto* route = std::get_if<Route>(document);
      if (!route) continue;
      for (const std::string& name : targets_of(*route)) {
        if (documents.contains({"Provider", name}) || documents.contains({"VirtualKey", name})) continue;
        problems.push_back(
            fmt::format("Route {} leads to {}, which is neither a Provider nor a VirtualKey: apply it as "
                        "well, or name another",
                        route->name, name));
      }
    }
  }

  /// `value: (sealed)` needs something to keep.
  Result<void> check_kept_value(const AnyDocument& document) {
    const Credential* credential = sealed_credential(document);
    if (!credential || !credential->value.empty()) return {};
    auto has = vault_.contains(vault_name(credential->name));
    if (!has) return Failure(has.error());
    if (*has) return {};
    return client_error(
        Code::bad_request,
        fmt::format("Credential {}: \"value: {}\" keeps a value that the vault does not have: give the value",
                    credential->name, kSealed));
  }

  bool is_pruned(const DocumentKey& key, const StoredDocument& stored) const {
    return options_.prune && stored.origin == options_.origin && !given_.contains(key);
  }

  Result<void> plan() {
    for (const AnyDocument& document : documents_) {
      const DocumentKey key = key_of(document);
      Change change{.what = Change::What::created, .kind = key.first, .name = key.second};
      const auto before = stored_.find(key);
      if (before == stored_.end()) {
        change.difference = difference({}, to_yaml(document));
      } else {
        auto secret_changed = changes_secret(document, before->second.document);
        if (!secret_changed) return Failure(secret_changed.error());
        change.difference = difference(to_yaml(before->second.document), to_yaml(document));
        if (*secret_changed) {
          change.difference += fmt::format("- value: {0}\n+ value: {0}, a new one\n", kSealed);
        }
        const bool same = !*secret_changed && before->second.json == to_json(document);
        change.what = same ? Change::What::unchanged : Change::What::changed;
      }
      changes_.push_back(std::move(change));
    }
    for (const auto& [key, stored] : stored_) {
      if (!is_pruned(key, stored)) continue;
      changes_.push_back({.what = Change::What::removed,
                          .kind = key.first,
                          .name = key.second,
                          .difference = difference(to_yaml(stored.document), {})});
    }
    return {};
  }

  /// True when both hold a sealed value and the new one is another.
  Result<bool> changes_secret(const AnyDocument& document, const AnyDocument& before) {
    if (!carries_secret(document) || !sealed_credential(before)) return false;
    auto old = vault_.get(vault_name(name_of(before)));
    if (!old && old.error().code == Code::not_found) return true;
    if (!old) return Failure(old.error());
    return !equal_secret(old->reveal(), std::get<Credential>(document).value.reveal());
  }

  Result<void> write() {
    std::int64_t generation = 0;
    const auto is_change = [](const Change& change) { return change.what != Change::What::unchanged; };
    if (std::ranges::any_of(changes_, is_change)) {
      auto next = next_generation(database_);
      if (!next) return Failure(next.error());
      generation = *next;
      if (auto saved = save_source(); !saved) return saved;
    }
    for (std::size_t i = 0; i < documents_.size(); ++i) {
      auto saved = changes_[i].what == Change::What::unchanged ? adopt(documents_[i])
                                                               : save(documents_[i], generation);
      if (!saved) return saved;
    }
    for (const Change& change : changes_) {
      if (change.what != Change::What::removed) continue;
      if (auto gone = delete_document(database_, vault_, {change.kind, change.name}, now_); !gone)
        return gone;
    }
    return database_.execute(
        "DELETE FROM sources WHERE id NOT IN (SELECT source FROM documents WHERE source IS NOT NULL)");
  }

  Result<void> save_source() {
    // A text that carries a secret is not kept: its documents in canonical form stand in for it.
    std::string text = options_.source;
    if (std::ranges::any_of(documents_, carries_secret)) {
      text.clear();
      for (const AnyDocument& document : documents_)
        text += (text.empty() ? "" : "---\n") + to_yaml(document);
    }
    auto row = database_.prepare("INSERT INTO sources (origin, text, applied) VALUES (?, ?, ?) RETURNING id");
    if (!row) return Failure(row.error());
    auto done = row->bind(options_.origin).bind(text).bind(now_).step();
    if (!done) return Failure(done.error());
    source_ = row->integer(0);
    if (done = row->step(); !done) return Failure(done.error());
    return {};
  }

  Result<void> save(const AnyDocument& document, std::int64_t generation) {
    auto row = database_.prepare(
        "INSERT INTO documents (kind, name, json, generation, origin, source, updated) VALUES (?1, ?2, ?3, "
        "?4, ?5, ?6, ?7) "
        "ON CONFLICT (kind, name) DO UPDATE SET json = ?3, generation = ?4, origin = ?5, source = ?6, "
        "updated = ?7");
    if (!row) return Failure(row.error());
    row->bind(kind_of(document)).bind(name_of(document)).bind(to_json(document)).bind(generation);
    if (auto done = row->bind(options_.origin).bind(source_).bind(now_).step(); !done)
      return Failure(done.error());
    const auto* credential = std::get_if<Credential>(&document);
    if (!credential) return {};
    if (carries_secret(document)) return vault_.put(vault_name(credential->name), credential->value);
    return credential->from == Credential::From::value ? Result<void>{}
                                                       : vault_.remove(vault_name(credential->name));
  }

  /// An unchanged document belongs to whoever applied it last.
  Result<void> adopt(const AnyDocument& document) {
    auto row =
        database_.prepare("UPDATE documents SET origin = ?1 WHERE kind = ?2 AND name = ?3 AND origin <> ?1");
    if (!row) return Failure(row.error());
    auto done = row->bind(options_.origin).bind(kind_of(document)).bind(name_of(document)).step();
    if (!done) return Failure(done.error());
    return {};
  }

  Database& database_;
  Vault& vault_;
  const std::vector<AnyDocument>& documents_;
  const ApplyOptions& options_;
  const std::int64_t now_;
  std::set<DocumentKey> given_;
  StoredDocuments stored_;
  std::vector<Change> changes_;
  std::int64_t source_ = 0;
};

}  // namespace

Result<std::vector<Change>> Registry::apply(std::vector<AnyDocument> documents, const ApplyOptions& options) {
  Application application(database_, vault_, documents, options, unix_millis(clock_.now()));
  bool tried = false;
  auto done = database_.transaction([&]() -> Result<void> {
    if (auto ran = application.run(validator_); !ran) return ran;
    tried = options.dry_run;
    // A dry run does all of it and then takes it back.
    return tried ? fail(Code::cancelled, Blame::us, "dry run") : Result<void>{};
  });
  if (!done && !tried) return Failure(done.error());
  return application.take_changes();
}

}  // namespace sallyport::store
