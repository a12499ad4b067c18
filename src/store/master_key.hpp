#pragma once
/// Where the vault's master key lies: the environment, or a file that only we can read.

#include <optional>
#include <string>
#include <string_view>

#include "sallyport/core/error.hpp"
#include "sallyport/core/secret.hpp"

namespace sallyport::store {

inline constexpr const char* kMasterVariable = "SALLYPORT_MASTER_KEY";
inline constexpr const char* kPreviousVariable = "SALLYPORT_MASTER_KEY_PREVIOUS";

/// Tells keys apart without telling anything about them; 16 hex digits.
std::string fingerprint_of(const Secret& master);

/// nullopt when the variable is not set. Errors: unavailable when it is not base64 of 32 bytes.
Result<std::optional<Secret>> master_from_environment(const char* variable);

/// DIR/master.key and, while it is being replaced, DIR/master.key.next.
class MasterKeyFile {
 public:
  explicit MasterKeyFile(const std::string& directory);
  const std::string& path() const { return path_; }

  /// nullopt when there is none. Errors: unavailable when others may read it, when it is not ours or not a
  /// key.
  Result<std::optional<Secret>> read() const;
  Result<std::optional<Secret>> read_next() const;
  /// Makes the first key.
  Result<Secret> create() const;
  /// Writes the next key beside the one in force.
  Result<Secret> create_next() const;
  /// Puts the next key in force.
  Result<void> adopt_next() const;
  void discard_next() const;

 private:
  std::string path_, next_;
};

}  // namespace sallyport::store
