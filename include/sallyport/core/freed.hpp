#pragma once
/// Things of C libraries that are given back by a function of their own.

namespace sallyport {

/// std::unique_ptr<T, Freed<T_free>>
template <auto Free>
struct Freed {
  template <class T>
  void operator()(T* p) const {
    Free(p);
  }
};

}  // namespace sallyport
