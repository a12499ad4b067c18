#pragma once
/// What a child's two ends agree on: how the guard is called and what it reports.

#include <cstdint>

namespace sallyport::net::guard {

/// First argument of a guard: `EXE __child-guard DESCRIPTORS DIRECTORY PATH ARGV...`. DESCRIPTORS is the
/// command's soft limit of them, 0 for ours; an empty DIRECTORY is ours.
/// Defined beside guard_main_if_asked, so that a program that starts children has the guard in it too.
extern const char kArgument[];

/// Descriptors that a guard finds open, besides the command's own 0, 1 and 2.
constexpr int kControl = 3;  ///< its end means: stop the command
constexpr int kReport = 4;   ///< Report records

enum class Stage : std::int32_t {
  started = 1,  ///< value: pid of the command
  chdir = 2,    ///< value: errno
  exec = 3,     ///< value: errno
  fork = 4,     ///< value: errno
  ended = 5,    ///< value: wait status
};
struct Report {
  Stage stage;
  std::int32_t value;
};

}  // namespace sallyport::net::guard
