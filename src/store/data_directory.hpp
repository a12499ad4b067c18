#pragma once
/// The data directory on disk: its permissions, its lock, its files.

#include <string>
#include <string_view>

#include "sallyport/core/error.hpp"

namespace sallyport::store {

inline constexpr std::string_view kDatabaseFile = "sallyport.db";
inline constexpr std::string_view kLockFile = "lock";

/// Makes the directory (0700), or checks that an existing one is ours and closed to others.
/// A wider directory is closed when it is empty or already holds a registry, otherwise refused.
Result<void> prepare_directory(const std::string& directory);

/// Locks the directory itself, which nobody can take from under us, and writes our pid into DIR/lock. Returns
/// the descriptor that holds the lock; it is closed on exec. Errors: conflict naming the pid that holds it.
Result<int> lock_directory(const std::string& directory, std::string_view role);
/// Lets go of the lock.
void unlock_directory(int descriptor);

/// Makes an empty DIR/sallyport.db (0600) where there is none; closes a wider one to others.
Result<void> prepare_database_file(const std::string& file);

/// Writes a file that only we can read, wholly and durably: beside, fsync, rename, fsync of the directory.
Result<void> write_private_file(const std::string& file, std::string_view bytes);
/// Renames within a directory and makes the change durable.
Result<void> rename_durably(const std::string& from, const std::string& to);

}  // namespace sallyport::store
