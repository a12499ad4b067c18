#pragma once
/// Task<T>: a lazy coroutine that one other coroutine awaits. The request path is written in these.
///
/// A task starts when it is awaited (or handed to `spawn`) and resumes its awaiter by symmetric transfer, so
/// chains of any depth use no stack. Threads: a task lives on one shard from start to end. Coroutine
/// parameters are taken by value, or refer to something that outlives the task; never await a temporary
/// lambda with captures.

#include <coroutine>
#include <cstddef>
#include <exception>
#include <optional>
#include <utility>

namespace sallyport {

template <class T = void>
class Task;

namespace detail {

/// Coroutine frames that exist now, per thread: tests hold it against its baseline.
inline thread_local std::ptrdiff_t live_tasks = 0;

struct PromiseBase {
  std::coroutine_handle<> awaiter = std::noop_coroutine();
  PromiseBase() { ++live_tasks; }
  ~PromiseBase() { --live_tasks; }
  std::suspend_always initial_suspend() noexcept { return {}; }
  struct Final {
    bool await_ready() noexcept { return false; }
    template <class P>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<P> h) noexcept {
      return h.promise().awaiter;
    }
    void await_resume() noexcept {}
  };
  Final final_suspend() noexcept { return {}; }
  // Errors travel as values; an exception here is a bug or memory exhaustion, and half a request must not go
  // on.
  [[noreturn]] void unhandled_exception() noexcept { std::terminate(); }
};

template <class T>
struct Promise : PromiseBase {
  std::optional<T> value;
  Task<T> get_return_object();
  template <class U>
  void return_value(U&& v) {
    value.emplace(std::forward<U>(v));
  }
};

template <>
struct Promise<void> : PromiseBase {
  Task<void> get_return_object();
  void return_void() {}
};

}  // namespace detail

template <class T>
class [[nodiscard]] Task {
 public:
  using promise_type = detail::Promise<T>;
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
  Task& operator=(Task&& other) noexcept {
    if (this != &other) {
      if (handle_) handle_.destroy();
      handle_ = std::exchange(other.handle_, {});
    }
    return *this;
  }
  ~Task() {
    if (handle_) handle_.destroy();
  }

  bool await_ready() const noexcept { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiter) noexcept {
    handle_.promise().awaiter = awaiter;
    return handle_;
  }
  T await_resume() {
    if constexpr (!std::is_void_v<T>) return std::move(*handle_.promise().value);
  }

 private:
  friend promise_type;
  explicit Task(std::coroutine_handle<promise_type> handle) : handle_(handle) {}
  std::coroutine_handle<promise_type> handle_;
};

namespace detail {
template <class T>
Task<T> Promise<T>::get_return_object() {
  return Task<T>(std::coroutine_handle<Promise<T>>::from_promise(*this));
}
inline Task<void> Promise<void>::get_return_object() {
  return Task<void>(std::coroutine_handle<Promise<void>>::from_promise(*this));
}

struct Detached {
  struct promise_type {
    promise_type() { ++live_tasks; }
    ~promise_type() { --live_tasks; }
    Detached get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    [[noreturn]] void unhandled_exception() noexcept { std::terminate(); }
  };
};
}  // namespace detail

/// A task that has nothing to wait for.
template <class T>
Task<T> ready(T value) {
  co_return value;
}

/// Starts a task that nobody awaits; it owns itself and ends by itself.
inline void spawn(Task<void> task) {
  [](Task<void> t) -> detail::Detached { co_await t; }(std::move(task));
}

/// A value that arrives once, on the same shard: one coroutine waits, anyone on that shard delivers.
/// Delivering resumes the waiter inline, so deliver last. A second delivery is ignored.
template <class T>
class Slot {
 public:
  Slot() = default;
  Slot(const Slot&) = delete;
  Slot& operator=(const Slot&) = delete;

  bool delivered() const { return value_.has_value(); }
  void deliver(T value) {
    if (value_) return;
    value_.emplace(std::move(value));
    if (auto h = std::exchange(waiter_, {})) h.resume();
  }
  bool await_ready() const noexcept { return value_.has_value(); }
  void await_suspend(std::coroutine_handle<> h) noexcept { waiter_ = h; }
  T await_resume() { return std::move(*value_); }

 private:
  std::optional<T> value_;
  std::coroutine_handle<> waiter_{};
};

}  // namespace sallyport
