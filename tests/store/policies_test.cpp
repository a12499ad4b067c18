#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "data_directory.hpp"
#include "sallyport/store/documents.hpp"
#include "support/source_tree.hpp"

namespace sallyport::store {
namespace {

const std::filesystem::path kPolicies = sallyport::testing::in_source_tree("policies");

std::vector<AnyDocument> shipped(const std::string& name) {
  auto documents = read_documents(DataDirectory::bytes_of((kPolicies / name).string()), name);
  REQUIRE_MESSAGE(documents.has_value(), (documents ? "" : documents.error().front().text()));
  return std::move(*documents);
}

const PolicyDocument& policy_in(const std::vector<AnyDocument>& documents) {
  for (const AnyDocument& document : documents) {
    if (const auto* policy = std::get_if<PolicyDocument>(&document)) return *policy;
  }
  FAIL("no policy");
  return std::get<PolicyDocument>(documents.front());
}

bool allows_anything(const PolicyDocument& policy) {
  return std::ranges::any_of(policy.rules, [](const auto& rule) { return rule.allow; });
}

TEST_CASE("every shipped policy can be applied to an empty registry, all of them together") {
  DataDirectory data;
  OpenRegistry open(data.path());
  std::vector<AnyDocument> all;
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kPolicies)) {
    const std::string name = entry.path().filename().string();
    CAPTURE(name);
    if (name.ends_with(".test.yaml")) continue;
    CHECK(std::filesystem::exists(kPolicies / (entry.path().stem().string() + ".test.yaml")));
    ++files;
    CHECK(entry.path().extension() == ".yaml");
    auto documents = shipped(name);
    CHECK(policy_in(documents).subjects.size() >= 1);
    std::ranges::move(documents, std::back_inserter(all));
  }
  CHECK(files == 5);
  auto applied = open.registry->apply(std::move(all), {});
  CHECK_MESSAGE(applied.has_value(), (applied ? "" : applied.error().what));
}

TEST_CASE("default-deny has no rule of its own") {
  const auto documents = shipped("default-deny.yaml");
  CHECK(policy_in(documents).rules.empty());
}

TEST_CASE("lockdown denies everything to everybody") {
  const auto documents = shipped("lockdown.yaml");
  const PolicyDocument& policy = policy_in(documents);
  CHECK(policy.subjects == std::vector<std::string>{"*"});
  REQUIRE(policy.rules.size() == 1);
  const auto& rule = policy.rules[0];
  CHECK_FALSE(rule.allow);
  for (const auto* targets : {&rule.tools, &rule.prompts, &rule.resources, &rule.models}) {
    CHECK(*targets == std::vector<std::string>{"*"});
  }
}

TEST_CASE("no-destruction only ever denies") {
  const auto documents = shipped("no-destruction.yaml");
  CHECK_FALSE(allows_anything(policy_in(documents)));
}

TEST_CASE("read-only allows nobody without a name, and allows no tool by a bare star") {
  const auto documents = shipped("read-only.yaml");
  const PolicyDocument& policy = policy_in(documents);
  CHECK(std::ranges::find(policy.subjects, "*") == policy.subjects.end());
  for (const auto& rule : policy.rules) {
    if (!rule.allow) continue;
    for (const std::string& tool : rule.tools) CHECK_FALSE((tool == "*" || tool == "*/*"));
  }
}

TEST_CASE("allow-all-for-team allows its own team and nobody else") {
  const auto documents = shipped("allow-all-for-team.yaml");
  REQUIRE(std::holds_alternative<Team>(documents.front()));
  CHECK(policy_in(documents).subjects == std::vector<std::string>{"team:" + name_of(documents.front())});
}

}  // namespace
}  // namespace sallyport::store
