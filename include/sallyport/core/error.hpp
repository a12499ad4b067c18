#pragma once
/// The one error type: what went wrong, whose fault it is, and whether trying again can help.

#include <chrono>
#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace sallyport {

/// Who is at fault. Decides the log level and what an operator looks at first.
enum class Blame : std::uint8_t { client, upstream, admin, us };

/// Stable, documented codes: they appear in the journal, in metrics and in docs/errors.md.
enum class Code : std::uint8_t {
  bad_request,          ///< HTTP framing or a value that is malformed
  bad_json,             ///< not JSON as RFC 8259 and our bounds have it
  bad_envelope,         ///< JSON, but not a JSON-RPC message we accept
  invalid_params,       ///< a method's params are wrong, or what they name does not exist for this caller
  header_mismatch,      ///< a mirrored MCP header is absent, malformed or differs from the body
  unsupported_version,  ///< MCP protocol version
  missing_capability,   ///< the client did not declare what the operation needs
  method_not_found,     ///< unknown MCP method
  method_not_allowed,   ///< HTTP method
  unsupported_media,    ///< Content-Type or Content-Encoding
  not_acceptable,       ///< Accept
  not_found,            ///< path, session or object
  unauthenticated,      ///< no credential, or one that is not valid
  forbidden,            ///< Host, Origin or admin rights
  insufficient_scope,   ///< a good token without the scope that is needed (RFC 6750 section 3.1)
  denied,               ///< policy
  conflict,             ///< the state of the registry forbids it
  too_large,            ///< body or message over its bound
  uri_too_long,
  head_too_large,
  limited,               ///< a rate, a queue or a budget is exhausted
  unavailable,           ///< storage or start-up: we cannot serve now
  upstream_unreachable,  ///< nothing was sent: a retry cannot act twice
  upstream_timeout,
  upstream_broken,  ///< answered, but not as the protocol says
  circuit_open,     ///< failed several times in a row: held back, nothing was sent
  cancelled,
  not_implemented,
  storage,  ///< disk or database
  internal,
};

/// Name of a code as it stands in the journal and the metrics.
std::string_view name_of(Code code);

struct [[nodiscard]] Error {
  Code code = Code::internal;
  Blame blame = Blame::us;
  std::string what;    ///< for the log; never sent to a client
  std::string hint{};  ///< for the client: what is wrong with its own input and what to do; empty means the
                       ///< code's text
  std::string data{};  ///< raw JSON for JSON-RPC error.data; empty means none
  bool retry = false;  ///< true only if repeating cannot act twice
  bool answered = false;  ///< the upstream is there: it did answer, though not in a way that can be used
  std::chrono::seconds retry_after{0};  ///< when trying again makes sense, where that is known
};

using Failure = std::unexpected<Error>;

namespace detail {
/// Copied as the value that it is.
class ErrorOnHeap {
 public:
  explicit ErrorOnHeap(Error error) : error_(std::make_unique<Error>(std::move(error))) {}
  ErrorOnHeap(const ErrorOnHeap& other) : error_(std::make_unique<Error>(*other.error_)) {}
  ErrorOnHeap(ErrorOnHeap&& other) noexcept = default;
  ErrorOnHeap& operator=(const ErrorOnHeap& other) {
    error_ = std::make_unique<Error>(*other.error_);
    return *this;
  }
  ErrorOnHeap& operator=(ErrorOnHeap&& other) noexcept = default;
  ~ErrorOnHeap() = default;
  Error& operator*() { return *error_; }
  const Error& operator*() const { return *error_; }

 private:
  std::unique_ptr<Error> error_;
};
}  // namespace detail

/// A value or an Error, with the members of std::expected. The error stands on the heap: what succeeds, and
/// every coroutine frame on its way, carries a pointer and not its three strings.
template <class T>
class [[nodiscard]] Result {
  template <class U>
  static constexpr bool kValue =
      std::is_constructible_v<T, U> && !std::is_same_v<std::remove_cvref_t<U>, Result> &&
      !std::is_same_v<std::remove_cvref_t<U>, Failure>;

 public:
  using value_type = T;

  Result()
    requires std::is_default_constructible_v<T>
  = default;
  template <class U = T>
    requires kValue<U>
  explicit(!std::is_convertible_v<U, T>) Result(U&& value)  // NOLINT(bugprone-forwarding-reference-overload)
      : state_(std::in_place, std::forward<U>(value)) {}
  Result(Failure failure) : state_(std::unexpect, std::move(failure.error())) {}

  bool has_value() const { return state_.has_value(); }
  explicit operator bool() const { return state_.has_value(); }
  T& operator*() & { return *state_; }
  const T& operator*() const& { return *state_; }
  T&& operator*() && { return *std::move(state_); }
  T* operator->() { return &*state_; }
  const T* operator->() const { return &*state_; }
  /// Throws std::bad_expected_access where there is none.
  T& value() & { return state_.value(); }
  const T& value() const& { return state_.value(); }
  T&& value() && { return std::move(state_).value(); }
  template <class U>
  T value_or(U&& other) const& {
    return state_ ? *state_ : static_cast<T>(std::forward<U>(other));
  }
  template <class U>
  T value_or(U&& other) && {
    return state_ ? *std::move(state_) : static_cast<T>(std::forward<U>(other));
  }
  Error& error() & { return *state_.error(); }
  const Error& error() const& { return *state_.error(); }
  Error&& error() && { return std::move(*state_.error()); }

 private:
  std::expected<T, detail::ErrorOnHeap> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  using value_type = void;

  Result() = default;
  Result(Failure failure) : state_(std::unexpect, std::move(failure.error())) {}

  bool has_value() const { return state_.has_value(); }
  explicit operator bool() const { return state_.has_value(); }
  Error& error() & { return *state_.error(); }
  const Error& error() const& { return *state_.error(); }
  Error&& error() && { return std::move(*state_.error()); }

 private:
  std::expected<void, detail::ErrorOnHeap> state_;
};

/// The client's fault; `hint` is safe to show to it.
inline Failure client_error(Code code, std::string hint) {
  return Failure(Error{.code = code, .blame = Blame::client, .what = hint, .hint = hint});
}
inline Failure fail(Code code, Blame blame, std::string what, bool retry = false) {
  return Failure(Error{.code = code, .blame = blame, .what = std::move(what), .retry = retry});
}

}  // namespace sallyport
