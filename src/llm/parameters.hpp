#pragma once
/// Request parameters of a config: the members of objects that were laid over each other.

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sallyport/json/document.hpp"

namespace sallyport::llm {

class Parameters {
 public:
  /// Members of `object` replace those of the same name.
  void lay_over(json::Value object) {
    for (const auto& member : object.members()) {
      const std::string key = member.key();
      const auto found = std::ranges::find(members_, key, &Member::first);
      if (found != members_.end()) {
        found->second = std::string(member.value.raw());
      } else {
        members_.emplace_back(key, std::string(member.value.raw()));
      }
    }
  }
  /// Raw JSON; empty where there is no member.
  std::string object() const {
    std::string out;
    for (const auto& [key, value] : members_)
      out += (out.empty() ? "{" : ",") + json::quote(key) + ":" + value;
    return out.empty() ? out : out + "}";
  }

 private:
  using Member = std::pair<std::string, std::string>;
  std::vector<Member> members_;
};

}  // namespace sallyport::llm
