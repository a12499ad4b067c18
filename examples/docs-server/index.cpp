#include "index.hpp"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <set>
#include <sstream>

namespace docs_server {
namespace {

// The customary BM25 constants: how soon a repeated word stops counting, and how much a long document is held
// back.
constexpr double kSaturation = 1.2;
constexpr double kLengthShare = 0.75;
constexpr std::size_t kMaxFile = 1 << 20;
constexpr std::size_t kMaxFiles = 10'000;

bool is_word_byte(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || static_cast<unsigned char>(c) >= 0x80;
}

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  const auto finish = [&] {
    if (word.size() > 3 && word.ends_with('s')) word.pop_back();  // plural and singular meet
    if (!word.empty()) words.push_back(std::move(word));
    word.clear();
  };
  for (char c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    is_word_byte(c) ? word.push_back(c) : finish();
  }
  finish();
  return words;
}

std::vector<std::string> paragraphs_of(const std::string& text) {
  std::vector<std::string> paragraphs;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find("\n\n", begin), text.size());
    if (end > begin && text[begin] != '#') paragraphs.push_back(text.substr(begin, end - begin));
    begin = end + 2;
  }
  return paragraphs;
}

std::string title_of(const std::string& text, const std::string& fallback) {
  if (!text.starts_with("# ")) return fallback;
  return text.substr(2, text.find('\n') - 2);
}

std::optional<Document> read(const std::filesystem::path& path) {
  std::error_code problem;
  if (std::filesystem::file_size(path, problem) > kMaxFile || problem) return std::nullopt;
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file) return std::nullopt;
  const std::string name = path.stem().string();
  return Document{name, title_of(text.str(), name), text.str()};
}

}  // namespace

Index::Index(std::vector<Document> documents) : documents_(std::move(documents)) {
  std::ranges::sort(documents_, {}, &Document::name);
  double total = 0;
  for (std::size_t at = 0; at < documents_.size(); ++at) {
    std::map<std::string, double> counts;
    const auto words = words_of(documents_[at].text);
    for (const std::string& word : words) ++counts[word];
    for (const auto& [word, count] : counts) postings_[word].push_back({at, count});
    lengths_.push_back(static_cast<double>(words.size()));
    total += lengths_.back();
  }
  if (total > 0) mean_length_ = total / static_cast<double>(documents_.size());
}

const Document* Index::find(std::string_view name) const {
  const auto found = std::ranges::lower_bound(documents_, name, {}, &Document::name);
  return found != documents_.end() && found->name == name ? &*found : nullptr;
}

double Index::weight(const std::vector<Posting>& postings) const {
  const double all = static_cast<double>(documents_.size());
  const double with = static_cast<double>(postings.size());
  return std::log(1 + (all - with + 0.5) / (with + 0.5));
}

std::vector<Hit> Index::search(std::string_view question, std::size_t limit) const {
  const auto words = words_of(question);
  std::map<std::size_t, double> scores;
  for (const std::string& word : std::set(words.begin(), words.end())) {
    const auto found = postings_.find(word);
    if (found == postings_.end()) continue;
    const double rare = weight(found->second);
    for (const auto& [document, count] : found->second) {
      const double length = 1 - kLengthShare + kLengthShare * lengths_[document] / mean_length_;
      scores[document] += rare * count * (kSaturation + 1) / (count + kSaturation * length);
    }
  }
  std::vector<std::pair<double, std::size_t>> order;
  for (const auto& [document, score] : scores) order.emplace_back(-score, document);
  std::ranges::sort(order);
  order.resize(std::min(order.size(), limit));
  std::vector<Hit> hits;
  for (const auto& [score, at] : order) {
    const Document& document = documents_[at];
    hits.push_back({document.name, document.title, -score, best_passage(document, words)});
  }
  return hits;
}

std::string Index::best_passage(const Document& document, const std::vector<std::string>& words) const {
  std::string best;
  double most = -1;
  for (std::string& paragraph : paragraphs_of(document.text)) {
    const auto have = words_of(paragraph);
    const std::set<std::string> present(have.begin(), have.end());
    double score = 0;
    for (const std::string& word : words)
      if (present.contains(word)) score += weight(postings_.at(word));
    if (score <= most) continue;
    most = score;
    best = std::move(paragraph);
  }
  return best;
}

Library::Library(std::filesystem::path folder) : folder_(std::move(folder)) {
  reindex([](std::size_t, std::size_t) {});
}

std::shared_ptr<const Index> Library::current() const {
  const std::lock_guard lock(mutex_);
  return index_;
}

std::size_t Library::reindex(const std::function<void(std::size_t, std::size_t)>& progress) {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(folder_))
    if (entry.is_regular_file() && entry.path().extension() == ".md") paths.push_back(entry.path());
  std::ranges::sort(paths);
  paths.resize(std::min(paths.size(), kMaxFiles));
  std::vector<Document> documents;
  for (const auto& path : paths) {
    if (auto document = read(path)) documents.push_back(std::move(*document));
    progress(static_cast<std::size_t>(&path - paths.data()) + 1, paths.size());
  }
  auto fresh = std::make_shared<const Index>(std::move(documents));
  const std::lock_guard lock(mutex_);
  index_ = std::move(fresh);
  return index_->documents().size();
}

}  // namespace docs_server
