#pragma once
/// SQLite on a disk that fails at one call: a VFS over the machine's own, through which the registry's files
/// go.

#include <sqlite3.h>

#include <array>
#include <cstring>

namespace sallyport::store {

/// The default VFS while it lives. Threads: one.
class FaultySqlite {
 public:
  /// What a call can be; each kind has its own way to fail.
  enum class Kind : int { open, read, write, truncate, sync, size, lock, shared, remove, access };

  FaultySqlite() : real_(sqlite3_vfs_find(nullptr)), vfs_(*real_) {
    the_ = this;
    vfs_.pNext = nullptr;
    vfs_.zName = "faulty";
    vfs_.szOsFile = static_cast<int>(sizeof(File)) + real_->szOsFile;
    vfs_.xOpen = [](sqlite3_vfs*, sqlite3_filename name, sqlite3_file* to, int flags, int* out) {
      auto* file = reinterpret_cast<File*>(to);
      file->base.pMethods = nullptr;
      if (the_->fails(Kind::open)) return SQLITE_CANTOPEN;
      const int rc = the_->real_->xOpen(the_->real_, name, real(file), flags, out);
      if (real(file)->pMethods) file->base.pMethods = methods();
      return rc;
    };
    vfs_.xDelete = [](sqlite3_vfs*, const char* name, int sync) {
      return the_->fails(Kind::remove) ? SQLITE_IOERR_DELETE : the_->real_->xDelete(the_->real_, name, sync);
    };
    vfs_.xAccess = [](sqlite3_vfs*, const char* name, int flags, int* out) {
      return the_->fails(Kind::access) ? SQLITE_IOERR_ACCESS
                                       : the_->real_->xAccess(the_->real_, name, flags, out);
    };
    sqlite3_vfs_register(&vfs_, 1);
  }
  ~FaultySqlite() {
    sqlite3_vfs_unregister(&vfs_);
    sqlite3_vfs_register(real_, 1);
    the_ = nullptr;
  }
  FaultySqlite(const FaultySqlite&) = delete;
  FaultySqlite& operator=(const FaultySqlite&) = delete;

  /// From now on the `n`th call fails (1: the next), once, with what its kind has as an error; a write with
  /// `full`.
  void arm(int n, bool full, bool busy) {
    left_ = n;
    full_ = full;
    busy_ = busy;
    fired_ = false;
  }
  void disarm() { left_ = 0; }
  bool fired() const { return fired_; }

 private:
  struct File {
    sqlite3_file base;
  };
  static sqlite3_file* real(sqlite3_file* file) {
    return reinterpret_cast<sqlite3_file*>(reinterpret_cast<File*>(file) + 1);
  }
  static sqlite3_file* real(File* file) { return reinterpret_cast<sqlite3_file*>(file + 1); }

  /// Locks fail only as busy, everything else only as broken: a run is about one of the two.
  bool fails(Kind kind) {
    const bool lock = kind == Kind::lock || kind == Kind::shared;
    if (left_ == 0 || lock != busy_) return false;
    if (full_ && kind != Kind::write && kind != Kind::truncate) return false;
    if (--left_ > 0) return false;
    fired_ = true;
    return true;
  }

  static const sqlite3_io_methods* methods() {
    static const sqlite3_io_methods the = {
        .iVersion = 2,
        .xClose = [](sqlite3_file* f) { return real(f)->pMethods->xClose(real(f)); },
        .xRead =
            [](sqlite3_file* f, void* to, int n, sqlite3_int64 at) {
              return the_->fails(Kind::read) ? SQLITE_IOERR_READ
                                             : real(f)->pMethods->xRead(real(f), to, n, at);
            },
        .xWrite =
            [](sqlite3_file* f, const void* from, int n, sqlite3_int64 at) {
              if (!the_->fails(Kind::write)) return real(f)->pMethods->xWrite(real(f), from, n, at);
              // Half of it may have gone in.
              real(f)->pMethods->xWrite(real(f), from, n / 2, at);
              return the_->full_ ? SQLITE_FULL : SQLITE_IOERR_WRITE;
            },
        .xTruncate =
            [](sqlite3_file* f, sqlite3_int64 n) {
              return the_->fails(Kind::truncate) ? SQLITE_IOERR_TRUNCATE
                                                 : real(f)->pMethods->xTruncate(real(f), n);
            },
        // The power stays on here: nothing is gained by waiting for the disk.
        .xSync = [](sqlite3_file*, int) { return the_->fails(Kind::sync) ? SQLITE_IOERR_FSYNC : SQLITE_OK; },
        .xFileSize =
            [](sqlite3_file* f, sqlite3_int64* n) {
              return the_->fails(Kind::size) ? SQLITE_IOERR_FSTAT : real(f)->pMethods->xFileSize(real(f), n);
            },
        .xLock =
            [](sqlite3_file* f, int how) {
              return the_->fails(Kind::lock) ? SQLITE_BUSY : real(f)->pMethods->xLock(real(f), how);
            },
        .xUnlock = [](sqlite3_file* f, int how) { return real(f)->pMethods->xUnlock(real(f), how); },
        .xCheckReservedLock = [](sqlite3_file* f,
                                 int* out) { return real(f)->pMethods->xCheckReservedLock(real(f), out); },
        .xFileControl = [](sqlite3_file* f, int op,
                           void* arg) { return real(f)->pMethods->xFileControl(real(f), op, arg); },
        .xSectorSize = [](sqlite3_file* f) { return real(f)->pMethods->xSectorSize(real(f)); },
        .xDeviceCharacteristics =
            [](sqlite3_file* f) { return real(f)->pMethods->xDeviceCharacteristics(real(f)); },
        .xShmMap =
            [](sqlite3_file* f, int page, int size, int extend, void volatile** out) {
              return the_->fails(Kind::open) ? SQLITE_IOERR_SHMMAP
                                             : real(f)->pMethods->xShmMap(real(f), page, size, extend, out);
            },
        .xShmLock =
            [](sqlite3_file* f, int offset, int n, int flags) {
              const bool taking = (flags & SQLITE_SHM_LOCK) != 0;
              return taking && the_->fails(Kind::shared)
                         ? SQLITE_BUSY
                         : real(f)->pMethods->xShmLock(real(f), offset, n, flags);
            },
        .xShmBarrier = [](sqlite3_file* f) { real(f)->pMethods->xShmBarrier(real(f)); },
        .xShmUnmap = [](sqlite3_file* f, int gone) { return real(f)->pMethods->xShmUnmap(real(f), gone); },
        .xFetch = nullptr,
        .xUnfetch = nullptr,
    };
    return &the;
  }

  static inline FaultySqlite* the_ = nullptr;
  sqlite3_vfs* const real_;
  sqlite3_vfs vfs_;
  int left_ = 0;
  bool full_ = false, busy_ = false, fired_ = false;
};

}  // namespace sallyport::store
