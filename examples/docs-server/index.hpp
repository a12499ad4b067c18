#pragma once
/// A folder of Markdown documents, and a ranked full-text index over it (Okapi BM25).

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace docs_server {

struct Document {
  std::string name;   ///< file name without ".md"
  std::string title;  ///< its first heading
  std::string text;
};

struct Hit {
  std::string name, title;
  double score;
  std::string passage;  ///< the paragraph that fits best
};

/// Immutable once built.
class Index {
 public:
  explicit Index(std::vector<Document> documents);
  const std::vector<Document>& documents() const { return documents_; }
  const Document* find(std::string_view name) const;
  /// The `limit` best, best first; documents without any of the words are absent.
  std::vector<Hit> search(std::string_view question, std::size_t limit) const;

 private:
  struct Posting {
    std::size_t document;
    double count;
  };
  double weight(const std::vector<Posting>& postings) const;
  std::string best_passage(const Document& document, const std::vector<std::string>& words) const;

  std::vector<Document> documents_;
  std::vector<double> lengths_;
  double mean_length_ = 1;
  std::unordered_map<std::string, std::vector<Posting>> postings_;
};

/// The index of a folder, replaced as a whole by `reindex`. Threads: any.
class Library {
 public:
  explicit Library(std::filesystem::path folder);
  std::shared_ptr<const Index> current() const;
  /// Reads the folder again. `progress` is told (files done, files in all) after each file and may throw to
  /// stop it. Files over 1 MiB and past the first 10 000 are left out. Returns the number of documents.
  std::size_t reindex(const std::function<void(std::size_t, std::size_t)>& progress);

 private:
  std::filesystem::path folder_;
  mutable std::mutex mutex_;
  std::shared_ptr<const Index> index_;
};

}  // namespace docs_server
