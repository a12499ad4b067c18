#pragma once
/// Sealed secrets in the registry: AES-256-GCM under data keys, those under the master key.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "sallyport/core/crypto.hpp"
#include "sallyport/core/error.hpp"
#include "sallyport/core/secret.hpp"
#include "sallyport/store/database.hpp"

namespace sallyport::store {

/// The master key: SALLYPORT_MASTER_KEY (base64 of 32 bytes) or DIR/master.key (0600, made at first use;
/// wider permissions are refused). To rotate a key that comes from the environment, start once with the old
/// one in SALLYPORT_MASTER_KEY_PREVIOUS: open() reseals. Threads: used by one thread at a time, with its
/// Database.
class Vault {
 public:
  /// Errors: unavailable (no key, or not the one that the vault was sealed under: says which), storage.
  static Result<std::unique_ptr<Vault>> open(Database& database);
  /// Stores under a name ("credential/github-token"), replacing what was there. Each value is bound to its
  /// name.
  Result<void> put(const std::string& name, const Secret& value);
  /// Errors: not_found, storage (damaged, or moved there from another name).
  Result<Secret> get(const std::string& name) const;
  Result<bool> contains(const std::string& name) const;
  /// Nothing to remove is no error.
  Result<void> remove(const std::string& name);
  /// Makes a new master key and data key and reseals everything in one transaction; a crash at any point
  /// leaves one of the two valid. Errors: conflict when the master key comes from the environment.
  Result<void> rotate_master_key();
  /// A 32-byte key for a purpose ("session-ids"), made at first use, sealed in the vault; [0] seals, all
  /// open.
  Result<std::vector<Secret>> key_ring(const std::string& purpose);
  Result<void> rotate_ring(const std::string& purpose);

 private:
  explicit Vault(Database& database) : database_(database) {}
  Result<void> begin_under(const Secret& master);
  Result<Secret> data_key(std::int64_t id) const;
  Result<std::int64_t> add_data_key(const Secret& master);
  Result<std::int64_t> newest_data_key() const;
  Result<void> reseal_under(const Secret& master);
  Result<void> save(const std::string& name, std::int64_t key_id, const Secret& value);
  Result<std::vector<std::string>> names() const;

  Database& database_;
  Secret master_;  ///< empty only when a read-only registry has nothing sealed
  bool from_environment_ = false;
};

}  // namespace sallyport::store
