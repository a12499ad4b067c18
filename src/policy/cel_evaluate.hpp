#pragma once
/// From a tree and what its variables stand for to a value.

#include "cel_tree.hpp"

namespace sallyport::policy::cel {

/// Where values of variables come from; asked each time one is read.
struct Bindings {
  Value (*get)(const void* context, std::uint32_t variable);
  const void* context;
};

/// Never more than the workspace's steps. The result may be a fault, with its place, and borrows the tree,
/// the bindings and the workspace.
Value evaluate(const Tree& tree, Bindings bindings, Workspace& workspace);

}  // namespace sallyport::policy::cel
