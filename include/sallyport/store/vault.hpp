#pragma once
/// Sealed secrets in the registry: AES-256-GCM under data keys, those under the master key.

#include <memory>
#include <string>
#include <vector>

#include "sallyport/core/crypto.hpp"
#include "sallyport/core/error.hpp"
#include "sallyport/core/secret.hpp"
#include "sallyport/store/database.hpp"

namespace sallyport::store {

/// The master key: SALLYPORT_MASTER_KEY (base64 of 32 bytes) or DIR/master.key (0600, made at first use; wider permissions are refused).
/// Threads: used by one thread at a time, with its Database.
class Vault {
 public:
  static Result<std::unique_ptr<Vault>> open(Database& database);
  /// Stores under a name ("credential/github-token"), replacing what was there. Each value is bound to its name.
  Result<void> put(const std::string& name, const Secret& value);
  Result<Secret> get(const std::string& name) const;
  Result<void> remove(const std::string& name);
  /// Makes a new master key and reseals everything in one transaction; a crash at any point leaves one of the two valid.
  Result<void> rotate_master_key();
  /// A 32-byte key for a purpose ("session-ids"), made at first use, sealed in the vault; [0] seals, all open.
  Result<std::vector<Secret>> key_ring(const std::string& purpose);
  Result<void> rotate_ring(const std::string& purpose);

 private:
  explicit Vault(Database& database) : database_(database) {}
  Database& database_;
  Secret master_;
};

}  // namespace sallyport::store
