#pragma once
/// The program's commands. docs/cli.md describes each.

#include <iosfwd>
#include <string>
#include <vector>

#include "sallyport/cli/settings.hpp"

namespace sallyport::cli {

enum Exit : int { kDone = 0, kFailed = 1, kWrongUse = 2 };

/// Parses and runs one command line (without the program's name). Output goes to `out`, what went wrong and
/// remarks to `err`. Returns the exit code: 0 done, 1 refused or failed, 2 wrong use.
int run(const std::vector<std::string>& arguments, std::istream& in, std::ostream& out, std::ostream& err,
        const Environment& environment);

/// As main() calls it, on the standard streams and the process's environment.
int run(int argc, char** argv);

}  // namespace sallyport::cli
