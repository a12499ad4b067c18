#pragma once
/// The key that signs the journal's checkpoints: its private half lives in the vault, its public half beside
/// the journal.

#include <string>

#include "sallyport/core/crypto.hpp"
#include "sallyport/core/error.hpp"
#include "sallyport/store/vault.hpp"

namespace sallyport::admin {

/// Where the public half stands: hex, one line. Keep a copy elsewhere: who can rewrite the journal can
/// rewrite this file.
std::string journal_public_key_file(const std::string& data_directory);

/// Made at first use; writes the public half's file when it is absent or differs. Errors: storage.
/// Threads: as the vault's.
Result<SigningKey> journal_signing_key(store::Vault& vault, const std::string& data_directory);

/// Reads a public key file: 32 raw bytes. Errors: not_found, bad_request.
Result<std::string> read_public_key(const std::string& file);

}  // namespace sallyport::admin
