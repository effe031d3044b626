#include "collector/store/embedded/database.h"

#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "collector/store/embedded/bytes.h"
#include "collector/store/embedded/keys.h"
#include "rocksdb/cache.h"
#include "rocksdb/convenience.h"
#include "rocksdb/env.h"
#include "rocksdb/options.h"
#include "rocksdb/sst_file_manager.h"
#include "rocksdb/table.h"

namespace pilotlight::collector {
namespace {

rocksdb::Options RocksOptions(const EmbeddedStoreOptions& options) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(options.block_cache_bytes);
  table.cache_index_and_filter_blocks = true;  // else they are memory beside the cache, without a limit
  table.block_size = size_t{32} << 10;         // everything is read in ranges
  table.format_version = 5;
  table.checksum = rocksdb::kXXH3;

  rocksdb::Options rocks;
  rocks.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  rocks.create_if_missing = true;
  rocks.compression = rocksdb::kZSTD;
  rocks.write_buffer_size = options.write_buffer_bytes;
  rocks.max_write_buffer_number = 3;
  rocks.target_file_size_base = uint64_t{16} << 20;
  rocks.max_bytes_for_level_base = uint64_t{64} << 20;
  rocks.level_compaction_dynamic_level_bytes = true;
  rocks.max_background_jobs = 2;
  rocks.max_open_files = 128;
  rocks.manifest_preallocation_size = size_t{64} << 10;
  // A torn end of the log is what a crash leaves; what was acknowledged is before it.
  rocks.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  rocks.keep_log_file_num = 2;
  rocks.max_log_file_size = size_t{1} << 20;
  rocks.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
  rocks.stats_dump_period_sec = 0;
  // With it RocksDB comes back by itself from errors for want of space.
  rocks.sst_file_manager.reset(rocksdb::NewSstFileManager(rocksdb::Env::Default()));
  return rocks;
}

absl::Status OpenError(const std::string& path, const rocksdb::Status& status) {
  const std::string text = status.ToString();
  if (status.IsIOError() && (absl::StrContains(text, "lock file") || absl::StrContains(text, "lock hold"))) {
    return absl::FailedPreconditionError(absl::StrCat(
        path, " is in use by another collector; stop it, or give this one its own storage path"));
  }
  return ToStatus(status, absl::StrCat("opening the store ", path));
}

}  // namespace

absl::Status ToStatus(const rocksdb::Status& status, absl::string_view what) {
  if (status.ok()) return absl::OkStatus();
  const std::string text = absl::StrCat(what, ": ", status.ToString());
  if (status.IsNoSpace() || status.subcode() == rocksdb::Status::kSpaceLimit ||
      absl::StrContains(text, "No space left") || absl::StrContains(text, "Disk quota exceeded")) {
    return absl::ResourceExhaustedError(text);
  }
  if (status.IsCorruption()) return absl::DataLossError(text);
  return absl::UnavailableError(text);
}

Database::Database(std::string path, uint64_t min_free_bytes)
    : path_(std::move(path)), min_free_bytes_(min_free_bytes) {}

Database::~Database() = default;

absl::StatusOr<std::unique_ptr<Database>> Database::Open(const EmbeddedStoreOptions& options) {
  if (options.path.empty()) return absl::InvalidArgumentError("the store needs a storage path");
  const absl::Status made = MakeDirectories(options.path);
  if (!made.ok() || ::access(options.path.c_str(), R_OK | W_OK | X_OK) != 0) {
    const absl::Status cause = made.ok() ? absl::ErrnoToStatus(errno, options.path) : made;
    return absl::Status(cause.code(),
                        absl::StrCat("the store cannot be written; give a storage path that this "
                                     "user may write: ",
                                     cause.message()));
  }
  // Not make_unique: the constructor is private.
  std::unique_ptr<Database> database(new Database(options.path, options.min_free_bytes));
  rocksdb::DB* rocks = nullptr;
  const rocksdb::Status opened = rocksdb::DB::Open(RocksOptions(options), options.path, &rocks);
  if (!opened.ok()) return OpenError(options.path, opened);
  database->rocks_.reset(rocks);
  RETURN_IF_ERROR(database->CheckFormat());
  return database;
}

absl::Status Database::CheckFormat() {
  std::string record;
  const rocksdb::Status read = rocks_->Get(rocksdb::ReadOptions(), FormatVersionKey(), &record);
  if (read.ok()) {
    ByteReader reader(record);
    const uint64_t version = reader.Varint();
    if (!reader.done()) return absl::DataLossError(absl::StrCat(path_, ": the format version is broken"));
    if (version <= kFormatVersion) return absl::OkStatus();
    return absl::FailedPreconditionError(absl::StrCat(path_, " was written by a newer collector (format ",
                                                      version, ", this one knows ", kFormatVersion,
                                                      "); use that version, or another storage path"));
  }
  if (!read.IsNotFound()) return ToStatus(read, absl::StrCat(path_, ": reading the format version"));
  const std::unique_ptr<rocksdb::Iterator> any(rocks_->NewIterator(rocksdb::ReadOptions()));
  any->SeekToFirst();
  if (any->Valid()) {
    return absl::FailedPreconditionError(
        absl::StrCat(path_, " holds a RocksDB database that is not a collector's; use another storage path"));
  }
  RETURN_IF_ERROR(ToStatus(any->status(), absl::StrCat("reading ", path_)));
  std::string version;
  AppendVarint(version, kFormatVersion);
  rocksdb::WriteBatch batch;
  batch.Put(FormatVersionKey(), version);
  rocksdb::WriteOptions options;
  options.sync = true;
  return ToStatus(rocks_->Write(options, &batch), absl::StrCat("writing ", path_));
}

absl::Status Database::CheckRoom() const {
  struct statvfs space {};
  // An unreadable file system shows itself in the write.
  if (::statvfs(path_.c_str(), &space) != 0) return absl::OkStatus();
  const uint64_t free_bytes = uint64_t{space.f_bavail} * space.f_frsize;
  if (free_bytes >= min_free_bytes_) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat(path_, ": ", free_bytes >> 20, " MiB free, ",
                                                   min_free_bytes_ >> 20,
                                                   " MiB are kept for the store's upkeep"));
}

absl::Status Database::Write(rocksdb::WriteBatch& batch) {
  if (write_failed_.load()) {
    RETURN_IF_ERROR(ToStatus(rocks_->Resume(), "recovering from a failed write"));
    write_failed_.store(false);
  }
  rocksdb::WriteOptions options;
  options.sync = true;
  const rocksdb::Status written = rocks_->Write(options, &batch);
  if (!written.ok()) write_failed_.store(true);
  return ToStatus(written, absl::StrCat("writing to ", path_));
}

absl::Status Database::DeleteFiles(const std::string& begin, const std::string& end) {
  const rocksdb::Slice first = ToSlice(begin);
  const rocksdb::Slice last = ToSlice(end);
  return ToStatus(rocksdb::DeleteFilesInRange(rocks_.get(), rocks_->DefaultColumnFamily(), &first, &last,
                                              /*include_end=*/false),
                  "dropping files");
}

absl::Status Database::Compact() {
  rocksdb::CompactRangeOptions options;
  options.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForceOptimized;
  return ToStatus(rocks_->CompactRange(options, nullptr, nullptr), "compacting");
}

uint64_t Database::disk_bytes() const {
  uint64_t tables = 0;
  rocks_->GetIntProperty(rocksdb::DB::Properties::kTotalSstFilesSize, &tables);
  rocksdb::VectorLogPtr logs;
  uint64_t log_bytes = 0;
  if (rocks_->GetSortedWalFiles(logs).ok()) {
    for (const auto& log : logs) log_bytes += log->SizeFileBytes();
  }
  return tables + log_bytes;
}

}  // namespace pilotlight::collector
