#include "agent/symbolize/binary_cache.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "agent/symbolize/binary_opener.h"
#include "agent/symbolize/debug_file.h"
#include "agent/symbolize/vdso.h"
#include "agent/targets/process_maps.h"

namespace pilotlight::agent {
namespace {

constexpr absl::string_view kVdso = "[vdso]";

std::string BaseName(absl::string_view path) {
  const size_t slash = path.rfind('/');
  return std::string(slash == absl::string_view::npos ? path : path.substr(slash + 1));
}

}  // namespace

BinaryCache::BinaryCache(BinaryCacheLimits limits, std::string proc_root)
    : limits_(limits),
      proc_root_(std::move(proc_root)),
      blocks_(std::make_shared<BlockCache>(/*slots=*/128)) {}

BinaryId BinaryCache::Identify(const Process& process, const Mapping& mapping) {
  const MappingKey key{.pid = process.pid,
                       .start_ticks = process.start_ticks,
                       .start = mapping.start,
                       .device = mapping.device,
                       .inode = mapping.inode};
  if (last_id_ != kNoBinary && key == last_mapping_) return last_id_;
  BinaryId id = kNoBinary;
  if (const auto found = by_mapping_.find(key); found != by_mapping_.end()) {
    id = found->second;
  } else {
    if (by_mapping_.size() >= limits_.mappings) by_mapping_.clear();
    if (entries_.size() >= limits_.known_binaries) ForgetAll();
    id = mapping.path == kVdso ? IdentifyVdso() : IdentifyFile(process, mapping);
    by_mapping_.emplace(key, id);
  }
  last_mapping_ = key;
  last_id_ = id;
  return id;
}

BinaryId BinaryCache::IdentifyVdso() {
  if (vdso_id_ != kNoBinary) return vdso_id_;
  if (vdso_.empty()) vdso_ = ReadVdso();
  vdso_id_ = AddEntry(std::string(kVdso));
  absl::StatusOr<std::unique_ptr<ElfFile>> elf = ElfFile::FromBytes(vdso_);
  if (elf.ok()) {
    Store(vdso_id_, std::make_unique<Binary>(*std::move(elf)));
  } else {
    entries_[vdso_id_].unusable = true;
  }
  return vdso_id_;
}

BinaryId BinaryCache::IdentifyFile(const Process& process, const Mapping& mapping) {
  if (by_file_.size() >= limits_.files) by_file_.clear();
  if (by_mapped_file_.size() >= limits_.files) by_mapped_file_.clear();
  const MappedFile mapped{.device = mapping.device, .inode = mapping.inode, .path = mapping.path};
  absl::StatusOr<UniqueFd> fd = OpenMappedFile(process, mapping, proc_root_);
  struct stat status;
  if (fd.ok() && ::fstat(fd->get(), &status) != 0) fd = absl::ErrnoToStatus(errno, mapping.path);
  if (!fd.ok()) {
    CountOpenFailure(fd.status());
    const auto [known, is_new] = by_mapped_file_.try_emplace(mapped, kNoBinary);
    if (is_new) {
      known->second = AddEntry(BaseName(mapping.path));
      entries_[known->second].unusable = true;
    }
    return known->second;
  }
  const FileIdentity file(status);
  const auto found = by_file_.find(file);
  const BinaryId id = found != by_file_.end() ? found->second
                                              : AddFile(*std::move(fd), static_cast<uint64_t>(status.st_size),
                                                        BaseName(mapping.path));
  by_file_.try_emplace(file, id);
  by_mapped_file_.insert_or_assign(mapped, id);
  return id;
}

BinaryId BinaryCache::AddFile(UniqueFd fd, uint64_t size, const std::string& name) {
  absl::StatusOr<std::unique_ptr<ElfFile>> elf = ElfFile::FromFd(std::move(fd), blocks_);
  if (!elf.ok()) {
    CountParseFailure(elf.status());
    const BinaryId id = AddEntry(name);
    entries_[id].unusable = true;
    return id;
  }
  const auto [known, is_new] = by_build_id_.try_emplace(std::make_pair((*elf)->build_id(), size), kNoBinary);
  if (!is_new) {
    ++stats_.binaries_shared;
    return known->second;
  }
  const BinaryId id = AddEntry(name);
  known->second = id;
  ++stats_.binaries_parsed;
  Store(id, std::make_unique<Binary>(*std::move(elf)));
  return id;
}

BinaryId BinaryCache::AddEntry(const std::string& name) {
  const auto id = static_cast<BinaryId>(entries_.size());
  entries_.emplace_back().name = name;
  return id;
}

Binary* BinaryCache::Load(BinaryId id, const Process& process, const Mapping& mapping) {
  Entry& entry = entries_[id];
  if (entry.unusable) return nullptr;
  if (entry.binary == nullptr) {
    // Evicted. The number stands for these contents, so what is mapped here is they.
    absl::StatusOr<UniqueFd> fd = OpenMappedFile(process, mapping, proc_root_);
    if (!fd.ok()) {
      CountOpenFailure(fd.status());
      return nullptr;
    }
    absl::StatusOr<std::unique_ptr<ElfFile>> elf = ElfFile::FromFd(*std::move(fd), blocks_);
    if (!elf.ok()) {
      CountParseFailure(elf.status());
      return nullptr;
    }
    ++stats_.binaries_parsed;
    Store(id, std::make_unique<Binary>(*std::move(elf)));
  }
  if (entry.binary->wants_debug_file()) {
    entry.binary->SetDebugFile(OpenDebugFile(entry.binary->elf(), process, mapping, proc_root_, blocks_));
  }
  entry.last_used = ++uses_;
  entry.last_window = windows_;
  // It may have grown since it was used last.
  if (entry.binary->byte_size() != entry.bytes) Account(id);
  return entry.binary.get();
}

size_t BinaryCache::open_debug_info_bytes() const {
  size_t bytes = 0;
  for (const Entry& entry : entries_) {
    if (entry.binary != nullptr && entry.binary->has_debug_info()) bytes += entry.binary->debug_info_bytes();
  }
  return bytes;
}

void BinaryCache::OpenDebugInfo(BinaryId id) {
  Binary& binary = *entries_[id].binary;
  const uint64_t bytes = binary.debug_info_bytes();
  if (bytes == 0 || bytes > limits_.debug_info_bytes || binary.has_debug_info()) return;
  while (open_debug_info_bytes() + bytes > limits_.debug_info_bytes) {
    Entry* oldest = nullptr;
    for (Entry& other : entries_) {
      if (other.binary == nullptr || !other.binary->has_debug_info()) continue;
      if (oldest == nullptr || other.last_used < oldest->last_used) oldest = &other;
    }
    oldest->binary->CloseDebugInfo();
  }
  binary.OpenDebugInfo();
}

void BinaryCache::Store(BinaryId id, std::unique_ptr<Binary> binary) {
  entries_[id].binary = std::move(binary);
  entries_[id].last_used = ++uses_;
  entries_[id].last_window = windows_;
  ++loaded_count_;
  Account(id);
}

void BinaryCache::Account(BinaryId id) {
  Entry& entry = entries_[id];
  loaded_bytes_ -= entry.bytes;
  entry.bytes = entry.binary->byte_size();
  loaded_bytes_ += entry.bytes;
  while (loaded_bytes_ > limits_.bytes || loaded_count_ > limits_.open_files) {
    Entry* oldest = nullptr;
    for (Entry& other : entries_) {
      if (other.binary == nullptr || &other == &entry) continue;
      if (vdso_id_ != kNoBinary && &other == &entries_[vdso_id_]) continue;  // cannot be opened again
      if (oldest == nullptr || other.last_used < oldest->last_used) oldest = &other;
    }
    if (oldest == nullptr) return;
    Unload(*oldest);
    ++stats_.binaries_evicted;
  }
}

void BinaryCache::Unload(Entry& entry) {
  entry.binary.reset();
  loaded_bytes_ -= std::exchange(entry.bytes, 0);
  --loaded_count_;
}

void BinaryCache::EndWindow() {
  ++windows_;
  for (Entry& entry : entries_) {
    if (entry.binary == nullptr) continue;
    entry.binary->CloseDebugInfo();
    if (entry.last_window + limits_.idle_windows >= windows_) continue;
    if (vdso_id_ != kNoBinary && &entry == &entries_[vdso_id_]) continue;  // no file behind it
    Unload(entry);
    ++stats_.binaries_closed;
  }
}

void BinaryCache::ForgetAll() {
  entries_.clear();
  by_mapping_.clear();
  by_file_.clear();
  by_mapped_file_.clear();
  by_build_id_.clear();
  last_id_ = kNoBinary;
  vdso_id_ = kNoBinary;
  loaded_bytes_ = 0;
  loaded_count_ = 0;
  ++generation_;
}

void BinaryCache::CountOpenFailure(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kPermissionDenied:
      ++stats_.open_denied;
      break;
    case absl::StatusCode::kNotFound:
      ++stats_.open_vanished;
      break;
    case absl::StatusCode::kFailedPrecondition:
      ++stats_.open_replaced;
      break;
    default:
      ++stats_.open_failed;
  }
}

void BinaryCache::CountParseFailure(const absl::Status& status) {
  ++(absl::IsUnimplemented(status) ? stats_.unsupported_elf : stats_.not_elf);
}

void BinaryCache::AddTo(SymbolizerStats& stats) const {
  stats.binaries_parsed += stats_.binaries_parsed;
  stats.binaries_shared += stats_.binaries_shared;
  stats.binaries_evicted += stats_.binaries_evicted;
  stats.binaries_closed += stats_.binaries_closed;
  stats.open_denied += stats_.open_denied;
  stats.open_vanished += stats_.open_vanished;
  stats.open_replaced += stats_.open_replaced;
  stats.open_failed += stats_.open_failed;
  stats.not_elf += stats_.not_elf;
  stats.unsupported_elf += stats_.unsupported_elf;
  stats.cached_binaries += loaded_count_;
  stats.cached_bytes += byte_size();
}

}  // namespace pilotlight::agent
