#pragma once
/// The journal as one archive, into what is open already.

#include <cstdint>
#include <string>

#include "sallyport/core/error.hpp"

namespace sallyport::store {

/// Writes what export_journal puts into a file to `fd`; returns how many bytes that were. Errors: storage.
Result<std::uint64_t> write_archive(const std::string& directory, const std::string& public_key, int fd,
                                    bool with_payloads);

}  // namespace sallyport::store
