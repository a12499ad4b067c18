#pragma once
/// Intrusive lists: what waits in the loop is linked, not allocated.

namespace sallyport::net {

/// A link of a circular list; alone it points at itself. What is destroyed leaves its list.
struct Link {
  Link() = default;
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;
  ~Link() { unlink(); }

  bool linked() const { return next != this; }
  void unlink() {
    prev->next = next;
    next->prev = prev;
    prev = next = this;
  }
  /// Requires: not linked.
  void insert_before(Link& other) {
    prev = other.prev;
    next = &other;
    other.prev->next = this;
    other.prev = this;
  }
  /// Takes over everything that is linked behind the head `other`. Requires: not linked.
  void take(Link& other) {
    if (!other.linked()) return;
    insert_before(other);
    other.unlink();
  }

  Link* prev = this;
  Link* next = this;
};

}  // namespace sallyport::net
