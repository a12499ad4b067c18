#pragma once
/// The audit after a fault: what the upstream executed, what the journal says, and what the clients were told
/// must agree.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "installation.hpp"
#include "load.hpp"

namespace sallyport::faults {

/// What the journal's files say, read line by line and without the program's own reader.
struct Books {
  struct Call {
    int intents = 0, outcomes = 0, unknowns = 0;
    bool torn = false;   ///< its intent stands among bytes that a `torn` record names: in no chain
    std::string token;   ///< from the captured arguments
    std::string status;  ///< of the outcome
    std::string chain;
    std::int64_t generation = 0;
    std::string rule;
  };
  std::map<std::string, Call> calls;           ///< by the call's id
  std::map<std::string, std::string> call_of;  ///< by token
  std::map<std::string, std::int64_t> chains;  ///< records by chain
  std::map<std::string, std::size_t> torn;     ///< where a file's bytes cease to count, by file
  std::vector<std::string> types;              ///< of every record that is neither intent nor outcome
  std::vector<std::string> problems;           ///< gaps, lines that cannot be read
};
Books read_books(const std::string& data);

struct Expectations {
  bool running = false;  ///< a server runs: the newest chains may have calls without an outcome
};

/// Checks every invariant that holds after any fault (docs/faults.md); adds what does not.
Books audit(Installation& installation, const std::vector<Sent>& sent, const Expectations& expectations,
            Findings& found);

/// PRAGMA integrity_check and foreign_key_check on the registry.
void check_registry(const Installation& installation, Findings& found);
/// No secret in the log, the journal or anywhere in the data directory.
void check_canaries(const Installation& installation, Findings& found);

}  // namespace sallyport::faults
