#pragma once
/// An operator who changes the registry all the time: what was acknowledged must still be there afterwards.

#include <atomic>
#include <string>
#include <thread>

#include "installation.hpp"

namespace sallyport::faults {

/// Applies generation after generation of a pair of documents that only make sense together, and makes keys.
class Operator {
 public:
  /// `rules`: of a policy beside the pair, so that changes fill the database's log.
  explicit Operator(Installation& installation, int rules = 0) : installation_(installation), rules_(rules) {}
  ~Operator() { end(); }
  Operator(const Operator&) = delete;
  Operator& operator=(const Operator&) = delete;

  void begin();
  void end();
  int acknowledged() const { return acknowledged_; }
  /// What is stored is the last acknowledged change, or one that was under way and is there as a whole.
  void check(Findings& found);
  /// What is stored is one change as a whole, whichever. Returns its number.
  int check_whole(Findings& found);

 private:
  void change();
  Installation& installation_;
  const int rules_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
  int tried_ = 0, acknowledged_ = 0;
  std::vector<std::string> keys_;  ///< ids of keys that were made
};

}  // namespace sallyport::faults
