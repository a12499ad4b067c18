#include "cel_evaluate.hpp"

#include <array>
#include <cmath>
#include <memory>

namespace sallyport::policy::cel {

namespace {

constexpr Fault kNoKey{"no such key"};

/// A list that grows; its end stays unused.
class Rows {
 public:
  explicit Rows(Workspace& workspace) : workspace_(workspace) {}
  bool push(const Value& value) {
    if (size_ == capacity_ && !grow()) return false;
    std::construct_at(data_ + size_++, value);
    return true;
  }
  List list() const { return {data_, size_}; }

 private:
  bool grow() {
    const std::size_t capacity = capacity_ == 0 ? 8 : capacity_ * 2;
    Value* const grown = workspace_.room<Value>(capacity);
    if (!grown) return false;
    std::uninitialized_copy_n(data_, size_, grown);
    data_ = grown;
    capacity_ = capacity;
    return true;
  }
  Workspace& workspace_;
  Value* data_ = nullptr;
  std::size_t size_ = 0, capacity_ = 0;
};

class Evaluation {
 public:
  Evaluation(const Tree& tree, Bindings bindings, Workspace& workspace)
      : tree_(tree), bindings_(bindings), workspace_(workspace) {}

  Value run() {
    slots_ = workspace_.room<Value>(tree_.slots);
    if (!slots_) return out_of_steps();
    const auto value = evaluate(tree_.root);
    return workspace_.exhausted() ? out_of_steps() : value;
  }

 private:
  Value evaluate(NodeId id) {
    if (!workspace_.spend(1)) return out_of_steps();
    const Node& node = tree_.nodes[id];
    switch (node.op) {
      case Op::constant:
        return tree_.constants[node.index];
      case Op::slot:
        return slots_[node.index];
      default:
        break;
    }
    Value value = apply(node);
    if (auto* fault = std::get_if<Fault>(&value); fault && fault->at == Fault::kNowhere) fault->at = node.at;
    return value;
  }
  Value operand(const Node& node, std::uint32_t n) { return evaluate(tree_.operand(node, n)); }

  Value apply(const Node& node) {
    switch (node.op) {
      case Op::constant:
      case Op::slot:
        break;
      case Op::variable:
        return bindings_.get(bindings_.context, node.index);
      case Op::select:
      case Op::has:
        return select(node);
      case Op::list:
        return list(node);
      case Op::map:
        return map(node);
      case Op::logical_and:
      case Op::logical_or:
        return logical(node, node.op == Op::logical_or);
      case Op::conditional:
        return conditional(node);
      case Op::call:
        return function(node);
      case Op::all:
      case Op::exists:
        return quantifier(node, node.op == Op::exists);
      case Op::exists_one:
        return exists_one(node);
      case Op::filter:
      case Op::map_list:
        return transform(node);
      case Op::logical_not: {
        const Value a = operand(node, 0);
        if (const auto* flag = a.as<bool>()) return !*flag;
        return a.is_fault() ? a : Fault{kNoOverload};
      }
      case Op::negate: {
        const Value a = operand(node, 0);
        return a.is_fault() ? a : negate(a);
      }
      default: {
        const Value a = operand(node, 0);
        if (a.is_fault()) return a;
        const Value b = operand(node, 1);
        return b.is_fault() ? b : binary(node.op, a, b);
      }
    }
    return Fault{kNoOverload};
  }

  Value binary(Op op, const Value& a, const Value& b) {
    switch (op) {
      case Op::equal:
        return equal(a, b, workspace_);
      case Op::not_equal:
        return !equal(a, b, workspace_);
      case Op::less:
      case Op::less_equal:
      case Op::greater:
      case Op::greater_equal: {
        const auto order = compare(a, b, workspace_);
        if (!order) return Fault{kNoOverload};
        if (op == Op::less) return *order < 0;
        if (op == Op::less_equal) return *order <= 0;
        return op == Op::greater ? *order > 0 : *order >= 0;
      }
      case Op::in:
        return contained(a, b);
      case Op::element:
        return element_at(a, b);
      case Op::add:
        return add(a, b, workspace_);
      case Op::subtract:
        return subtract(a, b);
      case Op::multiply:
        return multiply(a, b);
      case Op::divide:
        return divide(a, b);
      case Op::modulo:
        return modulo(a, b);
      default:
        return Fault{kNoOverload};
    }
  }

  Value select(const Node& node) {
    const Value of = operand(node, 0);
    if (of.is_fault()) return of;
    if (!of.is_map()) return Fault{"no matching overload: only maps have fields"};
    const auto found = find(of, tree_.constants[node.index], workspace_);
    if (node.op == Op::has) return found.has_value();
    return found ? *found : kNoKey;
  }

  Value contained(const Value& wanted, const Value& in) {
    if (in.is_map()) return find(in, wanted, workspace_).has_value();
    if (!in.is_list()) return Fault{kNoOverload};
    bool found = false;
    for_each(in, workspace_, [&](const Value& item) { return !(found = equal(item, wanted, workspace_)); });
    return found;
  }

  Value element_at(const Value& of, const Value& index) {
    if (of.is_map()) {
      const auto found = find(of, index, workspace_);
      return found ? *found : kNoKey;
    }
    if (!of.is_list()) return Fault{kNoOverload};
    std::optional<std::uint64_t> at;
    if (const auto* i = index.as<std::int64_t>())
      at = *i < 0 ? std::nullopt : std::optional(static_cast<std::uint64_t>(*i));
    else if (const auto* u = index.as<std::uint64_t>())
      at = *u;
    else if (const auto* d = index.as<double>(); d && *d >= 0 && *d < 4294967296.0 && std::floor(*d) == *d)
      at = static_cast<std::uint64_t>(*d);
    else
      return Fault{"no matching overload: a list's index is a whole number"};
    if (!at || *at >= size_of_list(of)) return Fault{"the index is outside of the list"};
    return element(of, *at, workspace_);
  }

  Value list(const Node& node) {
    Value* const items = workspace_.room<Value>(node.count);
    if (!items) return out_of_steps();
    for (std::uint32_t n = 0; n < node.count; ++n) {
      std::construct_at(items + n, operand(node, n));
      if (items[n].is_fault()) return items[n];
    }
    return List{items, node.count};
  }

  Value map(const Node& node) {
    const std::size_t size = node.count / 2;
    Entry* const entries = workspace_.room<Entry>(size);
    if (!entries) return out_of_steps();
    for (std::uint32_t n = 0; n < size; ++n) {
      const Value key = operand(node, n * 2);
      if (key.is_fault()) return key;
      if (!is_key(key)) return Fault{"a key of a map is a string, an int, a uint or a bool"};
      if (find(Map{entries, n}, key, workspace_)) return Fault{"this map has a key twice"};
      const Value value = operand(node, n * 2 + 1);
      if (value.is_fault()) return value;
      std::construct_at(entries + n, key, value);
    }
    return Map{entries, size};
  }

  /// An operand that decides settles it, whatever went wrong before or would behind.
  Value logical(const Node& node, bool decisive) {
    std::optional<Value> fault;
    for (std::uint32_t n = 0; n < node.count; ++n) {
      const Value value = operand(node, n);
      const auto* flag = value.as<bool>();
      if (flag && *flag == decisive) return decisive;
      if (!flag && !fault) fault = value.is_fault() ? value : Fault{kNoOverload};
    }
    return fault ? *fault : !decisive;
  }

  Value conditional(const Node& node) {
    const Value condition = operand(node, 0);
    if (const auto* flag = condition.as<bool>()) return operand(node, *flag ? 1 : 2);
    return condition.is_fault() ? condition : Fault{kNoOverload};
  }

  Value function(const Node& node) {
    std::array<Value, 2> arguments;
    for (std::uint32_t n = 0; n < node.count; ++n) {
      arguments[n] = operand(node, n);
      if (arguments[n].is_fault()) return arguments[n];
    }
    const auto* pattern = node.index == Node::kNone ? nullptr : tree_.patterns[node.index].get();
    return call(node.function, std::span(arguments).first(node.count), pattern, workspace_);
  }

  /// visit(element) -> go on, over a list or the keys of a map; a fault when it is neither.
  template <class Visit>
  std::optional<Value> over(const Node& node, Visit visit) {
    const Value container = operand(node, 0);
    if (container.is_fault()) return container;
    if (!container.is_list() && !container.is_map())
      return Fault{"no matching overload: only lists and maps have elements"};
    for_each(container, workspace_, [&](const Value& item) {
      std::construct_at(slots_ + node.index, item);
      return visit(item);
    });
    if (workspace_.exhausted()) return out_of_steps();
    return std::nullopt;
  }

  Value quantifier(const Node& node, bool decisive) {
    std::optional<Value> fault;
    bool decided = false;
    const auto wrong = over(node, [&](const Value&) {
      const Value value = operand(node, 1);
      const auto* flag = value.as<bool>();
      if (!flag && !fault) fault = value.is_fault() ? value : Fault{kNoOverload};
      decided = flag && *flag == decisive;
      return !decided;
    });
    if (wrong) return *wrong;
    if (decided) return decisive;
    return fault ? *fault : !decisive;
  }

  Value exists_one(const Node& node) {
    std::optional<Value> fault;
    std::size_t count = 0;
    const auto wrong = over(node, [&](const Value&) {
      const Value value = operand(node, 1);
      const auto* flag = value.as<bool>();
      if (!flag) fault = value.is_fault() ? value : Fault{kNoOverload};
      count += flag && *flag ? 1 : 0;
      return !fault;
    });
    if (wrong) return *wrong;
    return fault ? *fault : count == 1;
  }

  Value transform(const Node& node) {
    const bool conditional = node.op == Op::filter || node.count == 3;
    std::optional<Value> fault;
    Rows rows(workspace_);
    const auto wrong = over(node, [&](const Value& item) {
      if (conditional) {
        const Value condition = operand(node, 1);
        const auto* flag = condition.as<bool>();
        if (!flag) fault = condition.is_fault() ? condition : Fault{kNoOverload};
        if (!flag || !*flag) return !fault;
      }
      const Value made = node.op == Op::filter ? item : operand(node, node.count - 1);
      if (made.is_fault()) fault = made;
      return !fault && rows.push(made);
    });
    if (wrong) return *wrong;
    return fault ? *fault : rows.list();
  }

  const Tree& tree_;
  Bindings bindings_;
  Workspace& workspace_;
  Value* slots_ = nullptr;
};

}  // namespace

Value evaluate(const Tree& tree, Bindings bindings, Workspace& workspace) {
  return Evaluation(tree, bindings, workspace).run();
}

}  // namespace sallyport::policy::cel
