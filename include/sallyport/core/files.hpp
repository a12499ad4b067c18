#pragma once
/// Files that a person names on the command line: read no further than a bound, written wholly or not at all.

#include <cstddef>
#include <functional>
#include <iosfwd>
#include <string>
#include <string_view>

#include "sallyport/core/error.hpp"

namespace sallyport {

/// All of a stream, which messages call `name`. Errors: too_large where it goes on behind `most` bytes,
/// bad_request where it cannot be read.
Result<std::string> read_whole(std::istream& in, std::string_view name, std::size_t most);
/// The same of a file. Errors as above.
Result<std::string> read_whole_file(const std::string& path, std::size_t most);

/// All bytes to a descriptor. Errors: storage, with `name` and the reason.
Result<void> write_all(int fd, std::string_view bytes, std::string_view name);

/// Puts what `fill` writes at `path` as a new file with that mode (less the umask), wholly or not at all.
/// Where a symbolic link is there, the file that it leads to is replaced; a FIFO or a device is written to as
/// it is. Errors: storage, or those of `fill`; links, FIFOs and block devices that belong neither to us nor
/// to root are refused, because whoever put them there would get the bytes or choose whose file they replace.
Result<void> write_whole_file(const std::string& path, unsigned mode,
                              const std::function<Result<void>(int fd)>& fill);

}  // namespace sallyport
