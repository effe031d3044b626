#include "agent/uplink/spool.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "agent/uplink/spool_record.h"
#include "base/check.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "spdlog/spdlog.h"

namespace pilotlight::agent {
namespace {

constexpr uint64_t kBlockBytes = 4096;  // what a small file takes on the usual file systems
constexpr size_t kBootIdBytes = 8;
constexpr const char* kKnownReasons[] = {"spool_full", "disk_full", "too_large",   "corrupt",
                                         "invalid",    "refused",   "agent_killed"};

uint64_t OnDisk(uint64_t bytes) { return (bytes + kBlockBytes - 1) / kBlockBytes * kBlockBytes; }

}  // namespace

Spool::Spool(const SpoolOptions& options)
    : options_(options),
      boot_(RandomHex(kBootIdBytes)),
      shared_boot_(std::make_shared<const std::string>(boot_)) {
  for (const char* reason : kKnownReasons) dropped_[reason];
}

absl::StatusOr<std::unique_ptr<Spool>> Spool::Open(const SpoolOptions& options) {
  RETURN_IF_ERROR(MakeDirectories(options.directory));
  auto spool = std::unique_ptr<Spool>(new Spool(options));
  RETURN_IF_ERROR(spool->Start());
  return spool;
}

absl::Status Spool::Start() {
  ASSIGN_OR_RETURN(lock_, LockDirectory(options_.directory));
  ASSIGN_OR_RETURN(agent_, ReadOrMakeAgentId(options_.directory));
  RETURN_IF_ERROR(ReadDirectory());
  {
    const MutexLock marker_lock(marker_mutex_);
    ASSIGN_OR_RETURN(marker_, UnsavedMarker::Open(options_.directory));
    CountLeftOver(marker_->left_over());
  }
  WriteMarker();
  const MutexLock lock(mutex_);
  MakeRoomOnDisk(0);
  return absl::OkStatus();
}

absl::Status Spool::ReadDirectory() {
  std::error_code error;
  std::filesystem::directory_iterator files(options_.directory, error);
  std::map<std::string, std::shared_ptr<const std::string>> boots;
  const MutexLock lock(mutex_);
  for (; !error && files != std::filesystem::directory_iterator(); files.increment(error)) {
    const std::string name = files->path().filename().string();
    // Left by a kill in the middle of a write; its window is still marked as the open one.
    if (absl::EndsWith(name, ".new")) ::unlink(files->path().c_str());
    const std::optional<SpoolFileName> parsed = SpoolFileName::Parse(name);
    if (!parsed.has_value() || parsed->ToString() != name || parsed->position == 0) continue;
    std::error_code gone;
    const uint64_t bytes = files->file_size(gone);
    if (gone) continue;
    std::shared_ptr<const std::string>& boot = boots[parsed->boot];
    if (boot == nullptr) boot = std::make_shared<const std::string>(parsed->boot);
    Entry entry{.boot = boot, .sequence = parsed->sequence, .disk_bytes = OnDisk(bytes), .record = nullptr};
    disk_bytes_ += entry.disk_bytes;
    last_position_ = std::max(last_position_, parsed->position);
    entries_.insert_or_assign(parsed->position, std::move(entry));
  }
  if (error) return absl::ErrnoToStatus(error.value(), options_.directory);
  return absl::OkStatus();
}

void Spool::CountLeftOver(const UnsavedWindows& left_over) {
  const MutexLock lock(mutex_);
  if (left_over.memory_windows > 0) {
    Count("disk_full", left_over.memory_windows, "they were only in the memory of the last process");
  }
  if (left_over.open_sequence == 0) return;
  // The kill may have come between the window's file and the marker.
  const bool saved = std::any_of(entries_.begin(), entries_.end(), [&left_over](const auto& item) {
    return item.second.sequence == left_over.open_sequence && *item.second.boot == left_over.boot;
  });
  if (!saved) Count("agent_killed", 1, "it was being taken when the last process died");
}

std::string Spool::PathOf(uint64_t position, const Entry& entry) const {
  const SpoolFileName name{.position = position, .boot = *entry.boot, .sequence = entry.sequence};
  return absl::StrCat(options_.directory, "/", name.ToString());
}

WindowIdentity Spool::BeginWindow() {
  WindowIdentity identity{.agent = agent_, .boot = boot_, .sequence = 0};
  {
    const MutexLock lock(mutex_);
    CHECK(open_sequence_ == 0);  // stated in the header
    open_sequence_ = ++last_sequence_;
    identity.sequence = open_sequence_;
  }
  WriteMarker();
  return identity;
}

void Spool::Commit(Window window) {
  window.agent = agent_;
  window.boot = boot_;
  {
    const MutexLock lock(mutex_);
    CHECK(open_sequence_ != 0);  // stated in the header
    window.sequence = open_sequence_;
  }
  absl::StatusOr<std::string> record = EncodeSpoolRecord(window, options_.max_window_bytes);
  if (!record.ok()) {
    {
      const MutexLock lock(mutex_);
      Count("too_large", 1, record.status().message());
    }
    CloseWindow();
    return;
  }
  Keep(*std::move(record), window.sequence);
  Notify();
}

void Spool::AbandonWindow(absl::string_view reason) {
  {
    const MutexLock lock(mutex_);
    CHECK(open_sequence_ != 0);  // stated in the header
    Count(reason, 1, "abandoned");
  }
  CloseWindow();
}

void Spool::Keep(std::string record, uint64_t sequence) {
  Entry entry{
      .boot = shared_boot_, .sequence = sequence, .disk_bytes = OnDisk(record.size()), .record = nullptr};
  absl::Status status = SaveMemoryWindows();
  uint64_t position = 0;
  {
    const MutexLock lock(mutex_);
    position = ++last_position_;
    if (status.ok()) MakeRoomOnDisk(entry.disk_bytes);
  }
  if (status.ok()) status = WriteRecord(PathOf(position, entry), record);
  if (status.ok()) {
    // The marker first: once it is entered the window may be sent and its file removed, and a kill would
    // then look like the loss of an open window.
    CloseWindow();
    const MutexLock lock(mutex_);
    disk_bytes_ += entry.disk_bytes;
    entries_.emplace(position, std::move(entry));
    return;
  }
  {
    const MutexLock lock(mutex_);
    entry.disk_bytes = 0;
    entry.record = std::make_unique<std::string>(std::move(record));
    KeepInMemory(position, std::move(entry));
    if (disk_trouble_log_.Allow()) {
      spdlog::warn("cannot write to the spool, keeping {} windows in memory: {}", memory_windows_,
                   std::string(status.message()));
    }
  }
  CloseWindow();
}

absl::Status Spool::WriteRecord(const std::string& path, absl::string_view record) {
  absl::Status status = WriteFileDurably(path, record);
  if (!status.ok()) {
    ::unlink(absl::StrCat(path, ".new").c_str());
    ::unlink(path.c_str());
  }
  return status;
}

absl::Status Spool::SaveMemoryWindows() {
  while (true) {
    uint64_t position = 0;
    std::string path;
    std::string record;
    {
      const MutexLock lock(mutex_);
      const auto oldest = std::find_if(entries_.begin(), entries_.end(),
                                       [](const auto& item) { return item.second.record != nullptr; });
      if (oldest == entries_.end()) return absl::OkStatus();
      position = oldest->first;
      path = PathOf(position, oldest->second);
      record = *oldest->second.record;
      MakeRoomOnDisk(OnDisk(record.size()));
    }
    RETURN_IF_ERROR(WriteRecord(path, record));
    const MutexLock lock(mutex_);
    const auto saved = entries_.find(position);
    if (saved == entries_.end()) {  // acknowledged in the meantime
      ::unlink(path.c_str());
      continue;
    }
    memory_bytes_ -= record.size();
    --memory_windows_;
    saved->second.record.reset();
    saved->second.disk_bytes = OnDisk(record.size());
    disk_bytes_ += saved->second.disk_bytes;
  }
}

void Spool::KeepInMemory(uint64_t position, Entry entry) {
  memory_bytes_ += entry.record->size();
  ++memory_windows_;
  entries_.emplace(position, std::move(entry));
  auto oldest = entries_.begin();
  while (memory_bytes_ > options_.max_memory_bytes && oldest != entries_.end()) {
    const auto next = std::next(oldest);
    if (oldest->second.record != nullptr) {
      Erase(oldest, /*keep=*/false);
      Count("disk_full", 1, "the memory for windows that cannot be written is full too");
    }
    oldest = next;
  }
}

void Spool::MakeRoomOnDisk(uint64_t incoming) {
  auto oldest = entries_.begin();
  while (disk_bytes_ + incoming > options_.max_bytes && oldest != entries_.end()) {
    const auto next = std::next(oldest);
    if (oldest->second.record == nullptr) {
      Erase(oldest, /*keep=*/false);
      Count("spool_full", 1, absl::StrCat("the spool has its ", options_.max_bytes, " bytes"));
    }
    oldest = next;
  }
}

void Spool::Erase(Entries::iterator entry, bool keep) {
  if (entry->second.record != nullptr) {
    memory_bytes_ -= entry->second.record->size();
    --memory_windows_;
  } else {
    const std::string path = PathOf(entry->first, entry->second);
    const std::string aside = absl::StrCat(options_.directory, "/set-aside.window");
    if (!keep || ::rename(path.c_str(), aside.c_str()) != 0) ::unlink(path.c_str());
    disk_bytes_ -= entry->second.disk_bytes;
  }
  entries_.erase(entry);
}

void Spool::Count(absl::string_view reason, uint64_t windows, absl::string_view detail) {
  Dropped& dropped = dropped_[std::string(reason)];
  dropped.windows += windows;
  if (dropped.log.Allow()) {
    spdlog::warn("{} window(s) lost, {}: {}; {} so far", windows, std::string(reason), std::string(detail),
                 dropped.windows);
  }
}

void Spool::CloseWindow() {
  {
    const MutexLock lock(mutex_);
    open_sequence_ = 0;
  }
  WriteMarker();
}

void Spool::WriteMarker() {
  const MutexLock marker_lock(marker_mutex_);
  UnsavedWindows unsaved{.boot = boot_, .open_sequence = 0, .memory_windows = 0};
  {
    const MutexLock lock(mutex_);
    unsaved.open_sequence = open_sequence_;
    unsaved.memory_windows = memory_windows_;
  }
  // Without it only the count of a later kill is wrong; the window itself goes on.
  if (const absl::Status status = marker_->Write(unsaved); !status.ok() && marker_log_.Allow()) {
    spdlog::warn("cannot mark the open window: {}", std::string(status.message()));
  }
}

std::optional<SpooledWindow> Spool::NextAfter(uint64_t position) {
  while (true) {
    std::string path;
    std::string record;
    Entry wanted;
    {
      const MutexLock lock(mutex_);
      const auto next = entries_.upper_bound(position);
      if (next == entries_.end()) return std::nullopt;
      position = next->first;
      wanted.boot = next->second.boot;
      wanted.sequence = next->second.sequence;
      if (next->second.record != nullptr) {
        record = *next->second.record;
      } else {
        path = PathOf(position, next->second);
      }
    }
    absl::StatusOr<Window> window = absl::UnknownError("");
    if (absl::StatusOr<std::string> read = path.empty() ? std::move(record) : ReadFile(path); read.ok()) {
      window = DecodeSpoolRecord(*read, options_.max_window_bytes);
      if (window.ok() && (window->boot != *wanted.boot || window->sequence != wanted.sequence)) {
        window = absl::DataLossError("another window than the file's name says");
      }
    } else if (absl::IsResourceExhausted(read.status()) || absl::IsPermissionDenied(read.status())) {
      // No descriptor or memory left: the window is whole and may be read later.
      const MutexLock lock(mutex_);
      if (read_log_.Allow()) spdlog::warn("cannot read the spool: {}", std::string(read.status().message()));
      return std::nullopt;
    } else {
      window = read.status();
    }
    if (window.ok()) {
      window->agent = agent_;
      return SpooledWindow{.position = position, .window = *std::move(window)};
    }
    Drop(position, absl::IsInvalidArgument(window.status()) ? "invalid" : "corrupt", /*keep=*/true,
         window.status().message());
  }
}

void Spool::Remove(uint64_t position) {
  bool was_in_memory = false;
  {
    const MutexLock lock(mutex_);
    const auto entry = entries_.find(position);
    if (entry == entries_.end()) return;
    was_in_memory = entry->second.record != nullptr;
    Erase(entry, /*keep=*/false);
  }
  if (was_in_memory) WriteMarker();
}

void Spool::Drop(uint64_t position, absl::string_view reason, bool keep, absl::string_view detail) {
  bool was_in_memory = false;
  {
    const MutexLock lock(mutex_);
    const auto entry = entries_.find(position);
    if (entry == entries_.end()) return;
    was_in_memory = entry->second.record != nullptr;
    Erase(entry, keep);
    Count(reason, 1, detail);
  }
  if (was_in_memory) WriteMarker();
}

bool Spool::empty() const {
  const MutexLock lock(mutex_);
  return entries_.empty();
}

SpoolStats Spool::stats() const {
  const MutexLock lock(mutex_);
  SpoolStats stats{.bytes = disk_bytes_,
                   .windows = entries_.size(),
                   .memory_windows = memory_windows_,
                   .dropped_windows = {}};
  for (const auto& [reason, dropped] : dropped_) stats.dropped_windows[reason] = dropped.windows;
  return stats;
}

void Spool::SetListener(std::function<void()> listener) {
  const MutexLock lock(listener_mutex_);
  listener_ = std::move(listener);
}

void Spool::Notify() {
  const MutexLock lock(listener_mutex_);
  if (listener_) listener_();
}

}  // namespace pilotlight::agent
