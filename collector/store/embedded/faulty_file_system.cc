#include "collector/store/embedded/faulty_file_system.h"

#include <filesystem>
#include <system_error>
#include <utility>

namespace pilotlight::collector {
namespace {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

class SequentialFile : public rocksdb::FSSequentialFileOwnerWrapper {
 public:
  SequentialFile(std::unique_ptr<rocksdb::FSSequentialFile> file, std::string path, FaultyFileSystem& system)
      : FSSequentialFileOwnerWrapper(std::move(file)), path_(std::move(path)), system_(system) {}

  IOStatus Read(size_t size, const IOOptions& options, Slice* result, char* scratch,
                IODebugContext* debug) override {
    IOStatus status = system_.Call(FileCall::kRead, path_);
    return status.ok() ? target()->Read(size, options, result, scratch, debug) : status;
  }
  IOStatus PositionedRead(uint64_t offset, size_t size, const IOOptions& options, Slice* result,
                          char* scratch, IODebugContext* debug) override {
    IOStatus status = system_.Call(FileCall::kRead, path_);
    return status.ok() ? target()->PositionedRead(offset, size, options, result, scratch, debug) : status;
  }

 private:
  const std::string path_;
  FaultyFileSystem& system_;
};

class RandomAccessFile : public rocksdb::FSRandomAccessFileOwnerWrapper {
 public:
  RandomAccessFile(std::unique_ptr<rocksdb::FSRandomAccessFile> file, std::string path,
                   FaultyFileSystem& system)
      : FSRandomAccessFileOwnerWrapper(std::move(file)), path_(std::move(path)), system_(system) {}

  IOStatus Read(uint64_t offset, size_t size, const IOOptions& options, Slice* result, char* scratch,
                IODebugContext* debug) const override {
    IOStatus status = system_.Call(FileCall::kRead, path_);
    return status.ok() ? target()->Read(offset, size, options, result, scratch, debug) : status;
  }
  IOStatus MultiRead(rocksdb::FSReadRequest* requests, size_t count, const IOOptions& options,
                     IODebugContext* debug) override {
    IOStatus status = system_.Call(FileCall::kRead, path_);
    return status.ok() ? target()->MultiRead(requests, count, options, debug) : status;
  }
  IOStatus Prefetch(uint64_t offset, size_t size, const IOOptions& options, IODebugContext* debug) override {
    IOStatus status = system_.Call(FileCall::kRead, path_);
    return status.ok() ? target()->Prefetch(offset, size, options, debug) : status;
  }

 private:
  const std::string path_;
  FaultyFileSystem& system_;
};

class WritableFile : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  WritableFile(std::unique_ptr<rocksdb::FSWritableFile> file, std::string path, FaultyFileSystem& system)
      : FSWritableFileOwnerWrapper(std::move(file)), path_(std::move(path)), system_(system) {}

  IOStatus Append(const Slice& data, const IOOptions& options, IODebugContext* debug) override {
    IOStatus status = system_.Call(FileCall::kWrite, path_);
    const Slice written(data.data(), status.ok() ? data.size() : system_.ShortOf(data.size()));
    IOStatus real = target()->Append(written, options, debug);
    size_ += written.size();
    system_.NoteSize(path_, size_);
    return status.ok() ? real : status;
  }
  IOStatus Append(const Slice& data, const IOOptions& options, const rocksdb::DataVerificationInfo&,
                  IODebugContext* debug) override {
    return Append(data, options, debug);
  }
  IOStatus Truncate(uint64_t size, const IOOptions& options, IODebugContext* debug) override {
    IOStatus status = system_.Call(FileCall::kWrite, path_);
    if (!status.ok()) return status;
    size_ = size;
    system_.NoteSize(path_, size_);
    return target()->Truncate(size, options, debug);
  }
  IOStatus Sync(const IOOptions& options, IODebugContext* debug) override {
    return Synced([&] { return target()->Sync(options, debug); });
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    return Synced([&] { return target()->Fsync(options, debug); });
  }
  // It promises nothing.
  IOStatus RangeSync(uint64_t, uint64_t, const IOOptions&, IODebugContext*) override {
    return system_.Call(FileCall::kSync, path_);
  }

 private:
  template <typename RealSync>
  IOStatus Synced(const RealSync& sync) {
    IOStatus status = system_.Call(FileCall::kSync, path_);
    if (status.ok()) status = sync();
    system_.NoteSync(path_, status.ok());
    return status;
  }

  const std::string path_;
  FaultyFileSystem& system_;
  uint64_t size_ = 0;
};

class Directory : public rocksdb::FSDirectoryWrapper {
 public:
  Directory(std::unique_ptr<rocksdb::FSDirectory> directory, std::string path, FaultyFileSystem& system)
      : FSDirectoryWrapper(std::move(directory)), path_(std::move(path)), system_(system) {}

  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    return FsyncWithDirOptions(options, debug, rocksdb::DirFsyncOptions());
  }
  IOStatus FsyncWithDirOptions(const IOOptions& options, IODebugContext* debug,
                               const rocksdb::DirFsyncOptions& how) override {
    IOStatus status = system_.Call(FileCall::kSync, path_);
    if (status.ok()) status = FSDirectoryWrapper::FsyncWithDirOptions(options, debug, how);
    if (status.ok()) system_.NoteDirectorySync(path_);
    return status;
  }

 private:
  const std::string path_;
  FaultyFileSystem& system_;
};

}  // namespace

FaultyFileSystem::FaultyFileSystem(unsigned seed)
    : FileSystemWrapper(rocksdb::FileSystem::Default()), random_(seed) {}

void FaultyFileSystem::FailAtRandom(FileCall kind, double chance) {
  const MutexLock lock(mutex_);
  StateOf(kind).chance = chance;
}

void FaultyFileSystem::FailNth(FileCall kind, uint64_t n) {
  const MutexLock lock(mutex_);
  StateOf(kind).calls_left = n;
}

void FaultyFileSystem::SetDiskFull(bool full) {
  const MutexLock lock(mutex_);
  disk_full_ = full;
}

void FaultyFileSystem::Heal() {
  const MutexLock lock(mutex_);
  for (KindState& kind : kinds_) {
    kind.chance = 0;
    kind.calls_left = 0;
  }
  disk_full_ = false;
}

void FaultyFileSystem::CutPower() {
  const MutexLock lock(mutex_);
  has_power_ = false;
}

void FaultyFileSystem::RestorePower() {
  const MutexLock lock(mutex_);
  for (auto& [path, file] : files_) {
    std::error_code error;
    const uint64_t size = std::filesystem::file_size(path, error);
    if (error) continue;
    if (!file.in_directory && random_() % 2 == 0) {
      std::filesystem::remove(path, error);
    } else if (size > file.synced_size) {
      const uint64_t unsynced = file.sync_failed ? 0 : size - file.synced_size;
      std::filesystem::resize_file(path, file.synced_size + random_() % (unsynced + 1), error);
    }
  }
  files_.clear();
  has_power_ = true;
}

uint64_t FaultyFileSystem::calls(FileCall kind) const {
  const MutexLock lock(mutex_);
  return kinds_[static_cast<size_t>(kind)].calls;
}

uint64_t FaultyFileSystem::failed(FileCall kind) const {
  const MutexLock lock(mutex_);
  return kinds_[static_cast<size_t>(kind)].failed;
}

IOStatus FaultyFileSystem::Call(FileCall kind, const std::string& path) {
  const MutexLock lock(mutex_);
  if (kind != FileCall::kRead && !has_power_) return IOStatus::IOError(path, "no power");
  KindState& state = StateOf(kind);
  ++state.calls;
  const bool is_nth = state.calls_left > 0 && --state.calls_left == 0;
  if (!is_nth && std::uniform_real_distribution<>()(random_) >= state.chance) return IOStatus::OK();
  ++state.failed;
  if (kind != FileCall::kWrite || !disk_full_) return IOStatus::IOError(path, "Input/output error");
  // As RocksDB's own.
  IOStatus full = IOStatus::NoSpace(path, "No space left on device");
  full.SetRetryable(true);
  return full;
}

size_t FaultyFileSystem::ShortOf(size_t size) {
  const MutexLock lock(mutex_);
  return size == 0 || !has_power_ ? 0 : random_() % size;
}

void FaultyFileSystem::NoteSize(const std::string& path, uint64_t size) {
  const MutexLock lock(mutex_);
  files_[path].size = size;
}

void FaultyFileSystem::NoteSync(const std::string& path, bool success) {
  const MutexLock lock(mutex_);
  FileState& file = files_[path];
  if (success) {
    if (!file.sync_failed) file.synced_size = file.size;
    return;
  }
  file.sync_failed = true;
  std::error_code error;  // then it stays
  if (has_power_ && random_() % 2 == 0) std::filesystem::resize_file(path, file.synced_size, error);
}

void FaultyFileSystem::NoteDirectorySync(const std::string& path) {
  const MutexLock lock(mutex_);
  for (auto& [file_path, file] : files_) {
    if (std::filesystem::path(file_path).parent_path() == path) file.in_directory = true;
  }
}

IOStatus FaultyFileSystem::NewSequentialFile(const std::string& path, const rocksdb::FileOptions& options,
                                             std::unique_ptr<rocksdb::FSSequentialFile>* file,
                                             IODebugContext* debug) {
  std::unique_ptr<rocksdb::FSSequentialFile> real;
  IOStatus status = target()->NewSequentialFile(path, options, &real, debug);
  if (status.ok()) *file = std::make_unique<SequentialFile>(std::move(real), path, *this);
  return status;
}

IOStatus FaultyFileSystem::NewRandomAccessFile(const std::string& path, const rocksdb::FileOptions& options,
                                               std::unique_ptr<rocksdb::FSRandomAccessFile>* file,
                                               IODebugContext* debug) {
  std::unique_ptr<rocksdb::FSRandomAccessFile> real;
  IOStatus status = target()->NewRandomAccessFile(path, options, &real, debug);
  if (status.ok()) *file = std::make_unique<RandomAccessFile>(std::move(real), path, *this);
  return status;
}

IOStatus FaultyFileSystem::NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                           std::unique_ptr<rocksdb::FSWritableFile>* file,
                                           IODebugContext* debug) {
  IOStatus status = Call(FileCall::kWrite, path);
  if (!status.ok()) return status;
  std::unique_ptr<rocksdb::FSWritableFile> real;
  status = target()->NewWritableFile(path, options, &real, debug);
  if (!status.ok()) return status;
  *file = std::make_unique<WritableFile>(std::move(real), path, *this);
  const MutexLock lock(mutex_);
  files_[path] = {};
  return status;
}

IOStatus FaultyFileSystem::NewDirectory(const std::string& path, const IOOptions& options,
                                        std::unique_ptr<rocksdb::FSDirectory>* directory,
                                        IODebugContext* debug) {
  std::unique_ptr<rocksdb::FSDirectory> real;
  IOStatus status = target()->NewDirectory(path, options, &real, debug);
  if (status.ok()) *directory = std::make_unique<Directory>(std::move(real), path, *this);
  return status;
}

IOStatus FaultyFileSystem::RenameFile(const std::string& from, const std::string& to,
                                      const IOOptions& options, IODebugContext* debug) {
  IOStatus status = Call(FileCall::kWrite, from);
  if (status.ok()) status = target()->RenameFile(from, to, options, debug);
  if (!status.ok()) return status;
  const MutexLock lock(mutex_);
  files_.erase(to);
  if (auto moved = files_.extract(from); !moved.empty()) {
    moved.key() = to;
    moved.mapped().in_directory = true;
    files_.insert(std::move(moved));
  }
  return status;
}

IOStatus FaultyFileSystem::DeleteFile(const std::string& path, const IOOptions& options,
                                      IODebugContext* debug) {
  {
    const MutexLock lock(mutex_);
    if (!has_power_) return IOStatus::IOError(path, "no power");
    files_.erase(path);
  }
  return target()->DeleteFile(path, options, debug);
}

}  // namespace pilotlight::collector
