#include "operator.hpp"

#include <algorithm>
#include <chrono>
#include <set>

namespace sallyport::faults {
namespace {

using testing::Json;

std::string documents_of(int n, int rules) {
  const std::string number = std::to_string(n);
  std::string out = "kind: Team\nname: first\nmembers: [\"agent:n" + number +
                    "\"]\n---\nkind: Team\nname: second\nmembers: [\"agent:n" + number + "\"]\n";
  if (rules > 0) out += "---\nkind: Policy\nname: bulk\nsubjects: [\"agent:nobody\"]\nrules:\n";
  for (int i = 0; i < rules; ++i)
    out += "  - {effect: deny, tools: [\"up/t" + number + "-" + std::to_string(i) + "\"]}\n";
  return out;
}

int number_in(const testing::Finished& finished) {
  const auto at = finished.out.find("agent:n");
  return at == std::string::npos ? 0 : std::atoi(finished.out.c_str() + at + 7);
}

}  // namespace

void Operator::begin() {
  stopping_ = false;
  thread_ = std::thread([this] {
    while (!stopping_) {
      change();
      for (int i = 0; i < 5 && !stopping_; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  });
}

void Operator::end() {
  stopping_ = true;
  if (thread_.joinable()) thread_.join();
}

void Operator::change() {
  ++tried_;
  if (tried_ % 3 == 0) {
    const auto made =
        installation_.command({"key", "create", "--agent", "n" + std::to_string(tried_), "-o", "json"});
    if (made.status == 0) keys_.push_back(Json::parse(made.out).value("id", ""));
    return;
  }
  if (installation_.apply(documents_of(tried_, rules_)).status == 0) acknowledged_ = tried_;
}

int Operator::check_whole(Findings& found) {
  const int first = number_in(installation_.command({"get", "teams", "first", "-o", "json"}));
  const int second = number_in(installation_.command({"get", "teams", "second", "-o", "json"}));
  found.expect(first == second,
               "half a change is stored: " + std::to_string(first) + " beside " + std::to_string(second));
  return first;
}

void Operator::check(Findings& found) {
  const int first = check_whole(found);
  found.expect(first >= acknowledged_ && first <= tried_,
               "change " + std::to_string(first) + " is stored, " + std::to_string(acknowledged_) +
                   " was the last acknowledged, " + std::to_string(tried_) + " the last tried");
  const auto listed = installation_.command({"key", "list", "-o", "json"});
  for (const auto& id : keys_)
    found.expect(listed.out.find(id) != std::string::npos, "an acknowledged key is gone: " + id);
}

}  // namespace sallyport::faults
