// The file system under a test's RocksDB: the real one, whose calls fail when the test says so.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <string>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"
#include "rocksdb/file_system.h"

namespace pilotlight::collector {

enum class FileCall { kRead = 0, kWrite = 1, kSync = 2 };  // writes are also creating and renaming

// Thread-safe. It fails as disks do:
// - A write that fails has written some of its bytes.
// - What a failed sync was to save is lost, and a later sync that succeeds does not bring it back. By chance
// it
//   is gone at once, or is still read until the power fails.
// - Without power every call but reading fails. Then what was not synced is gone, but for some of its first
//   bytes; and by chance each file that was made since its directory was synced.
// What a rename has replaced does not come back: file systems with a journal keep that order.
class FaultyFileSystem : public rocksdb::FileSystemWrapper {
 public:
  explicit FaultyFileSystem(unsigned seed);

  // From now on calls of a kind fail with this chance.
  void FailAtRandom(FileCall kind, double chance);
  // The n-th call of a kind from now on fails, n from 1, and no other.
  void FailNth(FileCall kind, uint64_t n);
  // From now on writes that fail say that the disk is full.
  void SetDiskFull(bool full);
  // No call fails any more.
  void Heal();
  void CutPower();
  // REQUIRES: no file is open.
  void RestorePower();

  uint64_t calls(FileCall kind) const;
  uint64_t failed(FileCall kind) const;

  const char* Name() const override { return "FaultyFileSystem"; }
  rocksdb::IOStatus NewSequentialFile(const std::string& path, const rocksdb::FileOptions& options,
                                      std::unique_ptr<rocksdb::FSSequentialFile>* file,
                                      rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus NewRandomAccessFile(const std::string& path, const rocksdb::FileOptions& options,
                                        std::unique_ptr<rocksdb::FSRandomAccessFile>* file,
                                        rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file,
                                    rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus NewDirectory(const std::string& path, const rocksdb::IOOptions& options,
                                 std::unique_ptr<rocksdb::FSDirectory>* directory,
                                 rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to,
                               const rocksdb::IOOptions& options, rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus DeleteFile(const std::string& path, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;

  // For the files.
  rocksdb::IOStatus Call(FileCall kind, const std::string& path);
  // How many of `size` bytes a write that fails has written.
  size_t ShortOf(size_t size);
  void NoteSize(const std::string& path, uint64_t size);
  void NoteSync(const std::string& path, bool success);
  void NoteDirectorySync(const std::string& path);

 private:
  struct KindState {
    uint64_t calls = 0;
    uint64_t failed = 0;
    double chance = 0;
    uint64_t calls_left = 0;  // until one fails; 0: none
  };
  struct FileState {
    uint64_t size = 0;
    uint64_t synced_size = 0;
    bool sync_failed = false;
    bool in_directory = false;  // survives
  };

  KindState& StateOf(FileCall kind) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return kinds_[static_cast<size_t>(kind)];
  }

  mutable Mutex mutex_;
  std::mt19937 random_ ABSL_GUARDED_BY(mutex_);
  std::array<KindState, 3> kinds_ ABSL_GUARDED_BY(mutex_);
  bool disk_full_ ABSL_GUARDED_BY(mutex_) = false;
  bool has_power_ ABSL_GUARDED_BY(mutex_) = true;
  std::map<std::string, FileState> files_ ABSL_GUARDED_BY(mutex_);  // by path
};

}  // namespace pilotlight::collector
