#include "collector/store/embedded/database.h"

#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "collector/store/embedded/bytes.h"
#include "collector/store/embedded/keys.h"
#include "collector/store/embedded/rocks_status.h"
#include "collector/store/embedded/salvage.h"
#include "collector/store/embedded/store_memory.h"
#include "rocksdb/convenience.h"
#include "rocksdb/listener.h"
#include "rocksdb/options.h"
#include "rocksdb/table.h"
#include "rocksdb/utilities/checkpoint.h"
#include "spdlog/spdlog.h"

namespace pilotlight::collector {
namespace {

rocksdb::Options RocksOptions(const EmbeddedStoreOptions& options) {
  rocksdb::BlockBasedTableOptions table;
  if (options.memory != nullptr) table.block_cache = options.memory->tables;
  table.cache_index_and_filter_blocks = true;  // else they are memory beside the cache, without a limit
  table.block_size = size_t{32} << 10;         // everything is read in ranges
  table.format_version = 5;
  table.checksum = rocksdb::kXXH3;

  rocksdb::Options rocks;
  rocks.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  rocks.create_if_missing = true;
  if (options.env != nullptr) rocks.env = options.env;
  // What is soon written again is compressed fast, what stays is so well.
  rocks.compression = rocksdb::kLZ4Compression;
  rocks.bottommost_compression = rocksdb::kZSTD;
  rocks.bottommost_compression_opts.enabled = true;
  rocks.bottommost_compression_opts.level = 1;
  rocks.level0_file_num_compaction_trigger = 8;
  rocks.write_buffer_size = options.write_buffer_bytes;
  rocks.max_write_buffer_number = StoreMemory::kWriteBuffers;
  if (options.memory != nullptr) rocks.write_buffer_manager = options.memory->write_buffers;
  rocks.target_file_size_base = uint64_t{16} << 20;
  rocks.max_bytes_for_level_base = uint64_t{64} << 20;
  rocks.level_compaction_dynamic_level_bytes = true;
  rocks.max_background_jobs = 2;
  rocks.max_open_files = options.max_open_files;
  rocks.manifest_preallocation_size = size_t{64} << 10;
  // A torn end of the log is what a crash leaves; what was acknowledged is before it.
  rocks.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  rocks.keep_log_file_num = 2;
  rocks.max_log_file_size = size_t{1} << 20;
  rocks.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
  rocks.stats_dump_period_sec = 0;
  return rocks;
}

absl::Status OpenError(const std::string& path, const rocksdb::Status& status) {
  const std::string text = status.ToString();
  if (status.IsIOError() && (absl::StrContains(text, "lock file") || absl::StrContains(text, "lock hold"))) {
    return absl::FailedPreconditionError(absl::StrCat(
        path, " is in use by another collector; stop it, or give this one its own storage path"));
  }
  // The list of tables that CURRENT names. RocksDB deletes a new one when CURRENT names it already but the
  // directory cannot be synced; a machine that fails then is left without.
  if (status.IsPathNotFound() && absl::StrContains(text, "MANIFEST-")) return absl::DataLossError(text);
  return ToStatus(status, absl::StrCat("opening the store ", path));
}

absl::Status PrepareDirectory(const std::string& path) {
  if (path.empty()) return absl::InvalidArgumentError("the store needs a storage path");
  const absl::Status made = MakeDirectories(path);
  if (made.ok() && ::access(path.c_str(), R_OK | W_OK | X_OK) == 0) return absl::OkStatus();
  const absl::Status cause = made.ok() ? absl::ErrnoToStatus(errno, path) : made;
  return absl::Status(
      cause.code(),
      absl::StrCat("the store cannot be written; give a storage path that this user may write: ",
                   cause.message()));
}

}  // namespace

// Called on RocksDB's threads.
class Database::ErrorListener : public rocksdb::EventListener {
 public:
  void OnBackgroundError(rocksdb::BackgroundErrorReason reason, rocksdb::Status* error) override {
    spdlog::error("store: RocksDB stops writing: {}", error->ToString());
    if (error->IsCorruption()) corrupt_.store(true);
    failed_.store(true);
    // Reading and appending need no compaction; Recover() sees to it.
    if (reason == rocksdb::BackgroundErrorReason::kCompaction && error->IsCorruption()) {
      *error = rocksdb::Status::OK();
    }
  }
  void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason /*reason*/, rocksdb::Status error,
                            bool* auto_recovery) override {
    error.PermitUncheckedError();
    *auto_recovery = false;  // it is DB::Resume(), see above
  }

  bool failed() const { return failed_.load(); }
  bool corrupt() const { return corrupt_.load(); }
  void Reset() {
    failed_.store(false);
    corrupt_.store(false);
  }

 private:
  std::atomic<bool> failed_{false};
  std::atomic<bool> corrupt_{false};
};

Database::Use::Use(Database& database) : database_(database) {
  const MutexLock lock(database_.mutex_);
  while (database_.reopening_) database_.changed_.Wait(database_.mutex_);
  ++database_.uses_;
}

Database::Use::~Use() {
  const MutexLock lock(database_.mutex_);
  if (--database_.uses_ == 0) database_.changed_.NotifyAll();
}

absl::Status Database::Use::status() const {
  if (database_.rocks_ != nullptr) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat("the store ", database_.options_.path, " could not be opened again; it is tried on"));
}

Database::Database(const EmbeddedStoreOptions& options, StoreCounters& counters)
    : options_(options), counters_(counters), listener_(std::make_shared<ErrorListener>()) {}

Database::~Database() = default;

absl::StatusOr<std::unique_ptr<Database>> Database::Open(const EmbeddedStoreOptions& options,
                                                         StoreCounters& counters, bool salvage) {
  RETURN_IF_ERROR(PrepareDirectory(options.path));
  // Not make_unique: the constructor is private.
  std::unique_ptr<Database> database(new Database(options, counters));
  RETURN_IF_ERROR(database->OpenOrSalvage(salvage));
  return database;
}

absl::Status Database::OpenOrSalvage(bool salvage) {
  // One that was cut off has left the list of tables anyhow.
  if (!salvage && !SalvageWasCutOff(options_.path)) {
    absl::Status status = OpenRocks();
    if (status.ok()) status = CheckMeta();
    if (!absl::IsDataLoss(status)) {
      if (!status.ok()) rocks_.reset();
      return status;
    }
    spdlog::error("store: {} is corrupt and will be salvaged: {}", options_.path, status.ToString());
    rocks_.reset();
  }
  const rocksdb::Options rocks = RocksOptions(options_);
  RETURN_IF_ERROR(RepairTables(options_.path, rocks));
  RETURN_IF_ERROR(OpenRocks());
  absl::Status status = PutBackLostTables(*rocks_, options_.path, rocks, counters_);
  if (status.ok()) status = CheckMeta();
  if (!status.ok()) rocks_.reset();
  return status;
}

absl::Status Database::OpenRocks() {
  rocksdb::Options rocks = RocksOptions(options_);
  rocks.listeners.push_back(listener_);
  rocksdb::DB* opened = nullptr;
  const rocksdb::Status status = rocksdb::DB::Open(rocks, options_.path, &opened);
  if (!status.ok()) return OpenError(options_.path, status);
  rocks_.reset(opened);
  return absl::OkStatus();
}

absl::StatusOr<Database::ReadOnly> Database::OpenReadOnly(const EmbeddedStoreOptions& options) {
  // It would write a file of messages.
  class NoLogger : public rocksdb::Logger {
   public:
    using rocksdb::Logger::Logv;
    void Logv(const char* /*format*/, va_list /*arguments*/) override {}
  };
  rocksdb::Options rocks = RocksOptions(options);
  rocks.create_if_missing = false;
  rocks.info_log = std::make_shared<NoLogger>();
  ReadOnly opened;
  // A snapshot has no lock file, and locking would make it one.
  const std::string lock_path = absl::StrCat(options.path, "/LOCK");
  if (rocks.env->FileExists(lock_path).ok()) {
    rocksdb::FileLock* lock = nullptr;
    const rocksdb::Status locked = rocks.env->LockFile(lock_path, &lock);
    if (!locked.ok()) {
      const absl::Status error = OpenError(options.path, locked);
      if (!absl::IsFailedPrecondition(error)) return error;
      return absl::FailedPreconditionError(absl::StrCat(
          options.path, " is in use by a collector; stop it, or check a snapshot of it (POST /-/snapshot)"));
    }
    opened.lock = std::shared_ptr<rocksdb::FileLock>(
        lock, [env = rocks.env](rocksdb::FileLock* held) { env->UnlockFile(held); });
  }
  rocksdb::DB* db = nullptr;
  const rocksdb::Status status = rocksdb::DB::OpenForReadOnly(rocks, options.path, &db);
  if (status.IsNotFound() || status.IsPathNotFound()) {
    return absl::NotFoundError(absl::StrCat("there is no store in ", options.path));
  }
  if (!status.ok()) return OpenError(options.path, status);
  opened.rocks.reset(db);
  std::string version;
  const rocksdb::Status read = db->Get(rocksdb::ReadOptions(), FormatVersionKey(), &version);
  if (read.IsNotFound()) {
    return absl::FailedPreconditionError(
        absl::StrCat(options.path, " holds a RocksDB database that is not a collector's"));
  }
  RETURN_IF_ERROR(ToStatus(read, absl::StrCat(options.path, ": reading the format version")));
  RETURN_IF_ERROR(CheckVersion(version, options.path));
  return opened;
}

absl::Status Database::CheckVersion(absl::string_view record, const std::string& path) {
  ByteReader reader(record);
  const uint64_t version = reader.Varint();
  if (!reader.done()) return absl::DataLossError(absl::StrCat(path, ": broken format version"));
  if (version == kFormatVersion) return absl::OkStatus();
  if (version < kFormatVersion) {
    return absl::FailedPreconditionError(absl::StrCat(path, " was written by an older collector (format ",
                                                      version, ", this one knows ", kFormatVersion,
                                                      "); use another storage path"));
  }
  return absl::FailedPreconditionError(absl::StrCat(path, " was written by a newer collector (format ",
                                                    version, ", this one knows ", kFormatVersion,
                                                    "); use that version, or another storage path"));
}

absl::Status Database::CheckMeta() {
  const std::unique_ptr<rocksdb::Iterator> records(rocks_->NewIterator(rocksdb::ReadOptions()));
  records->SeekToFirst();
  const bool empty = !records->Valid();
  for (; records->Valid() && IsMetaKey(ToView(records->key())); records->Next()) {
  }
  RETURN_IF_ERROR(ToStatus(records->status(), absl::StrCat("reading ", options_.path)));

  std::string record;
  const rocksdb::Status read = rocks_->Get(rocksdb::ReadOptions(), FormatVersionKey(), &record);
  if (read.ok()) return CheckVersion(record, options_.path);
  if (!read.IsNotFound()) return ToStatus(read, absl::StrCat(options_.path, ": reading the format version"));
  if (!empty) {
    return absl::FailedPreconditionError(absl::StrCat(
        options_.path, " holds a RocksDB database that is not a collector's; use another storage path"));
  }
  std::string version;
  AppendVarint(version, kFormatVersion);
  rocksdb::WriteBatch batch;
  batch.Put(FormatVersionKey(), version);
  rocksdb::WriteOptions options;
  options.sync = true;
  return ToStatus(rocks_->Write(options, &batch), absl::StrCat("writing ", options_.path));
}

absl::Status Database::CheckRoom(uint64_t min_free_bytes) const {
  struct statvfs space {};
  // An unreadable file system shows itself in the write.
  if (::statvfs(options_.path.c_str(), &space) != 0) return absl::OkStatus();
  const uint64_t free_bytes = uint64_t{space.f_bavail} * space.f_frsize;
  if (free_bytes >= min_free_bytes) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat(options_.path, ": ", free_bytes >> 20, " MiB free, ",
                                                   min_free_bytes >> 20,
                                                   " MiB are kept for the store's upkeep"));
}

absl::Status Database::Write(rocksdb::WriteBatch& batch) {
  const Use use(*this);
  RETURN_IF_ERROR(use.status());
  rocksdb::WriteOptions options;
  options.sync = true;
  const rocksdb::Status written = use.rocks().Write(options, &batch);
  if (!written.ok()) write_failed_.store(true);
  return ToStatus(written, absl::StrCat("writing to ", options_.path));
}

bool Database::broken() const { return write_failed_.load() || listener_->failed(); }

absl::Status Database::Recover(const std::function<void()>& on_reopened) {
  if (!broken()) return absl::OkStatus();
  // Reading the log again may write as much as it holds.
  RETURN_IF_ERROR(CheckRoom(std::max<uint64_t>(options_.min_free_bytes, 2 * options_.write_buffer_bytes)));
  {
    const MutexLock lock(mutex_);
    const auto now = std::chrono::steady_clock::now();
    if (now - last_recovery_ < absl::ToChronoNanoseconds(options_.recovery_pause)) {
      return absl::UnavailableError(
          absl::StrCat("the store ", options_.path, " is about to be opened again"));
    }
    last_recovery_ = now;
    reopening_ = true;
    while (uses_ > 0) changed_.Wait(mutex_);
  }
  const bool salvage = listener_->corrupt();
  rocks_.reset();
  listener_->Reset();
  write_failed_.store(false);
  absl::Status status = OpenOrSalvage(salvage);
  if (status.ok()) {
    spdlog::info("store: {} is open again", options_.path);
  } else {
    write_failed_.store(true);
  }
  on_reopened();
  const MutexLock lock(mutex_);
  reopening_ = false;
  changed_.NotifyAll();
  return status;
}

absl::Status Database::DeleteFiles(const std::string& begin, const std::string& end) {
  const Use use(*this);
  RETURN_IF_ERROR(use.status());
  const rocksdb::Slice first = ToSlice(begin);
  const rocksdb::Slice last = ToSlice(end);
  return ToStatus(rocksdb::DeleteFilesInRange(&use.rocks(), use.rocks().DefaultColumnFamily(), &first, &last,
                                              /*include_end=*/false),
                  "dropping files");
}

absl::Status Database::Compact() {
  const Use use(*this);
  RETURN_IF_ERROR(use.status());
  rocksdb::CompactRangeOptions options;
  options.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForceOptimized;
  return ToStatus(use.rocks().CompactRange(options, nullptr, nullptr), "compacting");
}

absl::Status Database::Compact(const std::string& begin, const std::string& end) {
  const Use use(*this);
  RETURN_IF_ERROR(use.status());
  const rocksdb::Slice first = ToSlice(begin);
  const rocksdb::Slice last = ToSlice(end);
  rocksdb::CompactRangeOptions options;
  options.exclusive_manual_compaction = false;
  return ToStatus(use.rocks().CompactRange(options, &first, &last), "compacting what was dropped");
}

absl::Status Database::Checkpoint(const std::string& directory) {
  const Use use(*this);
  RETURN_IF_ERROR(use.status());
  const std::string what = absl::StrCat("making the snapshot ", directory);
  rocksdb::Checkpoint* made = nullptr;
  RETURN_IF_ERROR(ToStatus(rocksdb::Checkpoint::Create(&use.rocks(), &made), what));
  const std::unique_ptr<rocksdb::Checkpoint> checkpoint(made);
  return ToStatus(checkpoint->CreateCheckpoint(directory), what);
}

absl::Status Database::Flush() {
  const Use use(*this);
  RETURN_IF_ERROR(use.status());
  return ToStatus(use.rocks().Flush(rocksdb::FlushOptions()), "writing a table");
}

uint64_t Database::write_buffer_bytes() {
  const Use use(*this);
  uint64_t bytes = 0;
  if (use.status().ok()) {
    use.rocks().GetIntProperty(rocksdb::DB::Properties::kCurSizeActiveMemTable, &bytes);
  }
  return bytes;
}

uint64_t Database::disk_bytes() {
  const Use use(*this);
  if (!use.status().ok()) return 0;
  uint64_t tables = 0;
  use.rocks().GetIntProperty(rocksdb::DB::Properties::kTotalSstFilesSize, &tables);
  rocksdb::VectorLogPtr logs;
  uint64_t log_bytes = 0;
  if (use.rocks().GetSortedWalFiles(logs).ok()) {
    for (const auto& log : logs) log_bytes += log->SizeFileBytes();
  }
  return tables + log_bytes;
}

}  // namespace pilotlight::collector
