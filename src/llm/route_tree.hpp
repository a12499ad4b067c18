#pragma once
/// A checked config as a tree of strategies, and what of it a request can reach.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "condition.hpp"
#include "sallyport/llm/route.hpp"

namespace sallyport::llm {

enum class Strategy : std::uint8_t { target, single, loadbalance, fallback, conditional };

struct RouteNode {
  /// Where a condition leads.
  struct Branch {
    Query query;
    std::size_t target;
  };
  Strategy strategy = Strategy::target;
  std::string path{};  ///< "config.targets[1]"
  std::string name{};
  double weight = 1;  ///< for a load balancing parent; 0: off
  Step step{};        ///< of a target
  std::vector<std::unique_ptr<const RouteNode>> targets{};
  std::vector<int> on_status{};            ///< of a fallback; empty: everything but 2xx
  std::vector<Branch> branches{};          ///< of a conditional one
  std::optional<std::size_t> otherwise{};  ///< where no branch matches
  std::vector<FactField> sticky{};         ///< of load balancing; empty: by chance
  bool falls(int status) const;            ///< a fallback goes on after this status
};

/// The target that the conditions of this node lead to.
std::optional<std::size_t> chosen(const RouteNode& node, const RequestFacts& facts);

/// Indexes of the children that can be tried, in order: of a conditional node at most one, of load balancing
/// those with a weight; without those that lead nowhere.
std::vector<std::size_t> reachable(const RouteNode& node, const RequestFacts& facts);

/// Whether there is a target below for this request.
bool leads_somewhere(const RouteNode& node, const RequestFacts& facts);

}  // namespace sallyport::llm
