#include "agent/unwind/unwind_table_keeper.h"

#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/types/span.h"
#include "agent/symbolize/binary_opener.h"
#include "agent/symbolize/runtime_finder.h"
#include "agent/symbolize/vdso.h"
#include "base/process_memory.h"
#include "objfile/unwind_rule.h"
#include "objfile/unwind_table.h"

namespace pilotlight::agent {
namespace {

// When full, all are forgotten, and made again for those that are met.
constexpr size_t kMaxProcesses = 4096;
constexpr size_t kMaxFiles = 8192;
// Whoever keeps more binaries busy than there is room for does not get new tables all the time.
constexpr uint64_t kWindowsBetweenClears = 60;
// A JIT compiler may ask for memory often.
constexpr int kMaxRefreshesOfWindow = 8;

}  // namespace

UnwindTableKeeper::UnwindTableKeeper(ProcessObserver& next, ProcessTable& processes, CaptureSource& source,
                                     UnwindTableKeeperOptions options)
    : ProcessWatcher(next),
      processes_(processes),
      maps_(source.unwind_maps()),
      options_(std::move(options)) {}

void UnwindTableKeeper::OnUnmappedCode(pid_t pid) {
  if (maps_ == nullptr) return;
  const auto known = known_.find(pid);
  if (known == known_.end() || ++known->second.refreshes > kMaxRefreshesOfWindow) return;
  processes_.SnapshotMaps(pid);
  const std::shared_ptr<const Process> process = processes_.Find(pid);
  if (process != nullptr) Register(*process, known->second, options_.build_in_window);
}

void UnwindTableKeeper::Look(pid_t pid) {
  if (maps_ == nullptr) return;
  const std::shared_ptr<const Process> process = processes_.Find(pid);
  if (process == nullptr || process->kernel_thread || process->start_ticks == 0) return;
  const auto [known, is_new] = known_.try_emplace(pid);
  if (!is_new && known->second.start_ticks == process->start_ticks &&
      known->second.executable == process->executable) {
    return;
  }
  Register(*process, known->second, options_.build_in_window);
}

void UnwindTableKeeper::AddProcess(const Process& process) {
  if (maps_ != nullptr) Register(process, known_[process.pid], /*build=*/true);
}

void UnwindTableKeeper::Register(const Process& process, Known& known, bool build) {
  known.start_ticks = process.start_ticks;
  known.executable = process.executable;
  known.incomplete = false;
  std::vector<UnwindMapping> mappings;
  bool needs_tables = false;
  for (const Mapping& mapping : process.maps.mappings()) {
    if (static_cast<int64_t>(mapping.start) < 0) continue;  // [vsyscall]
    UnwindMapping& unwind = mappings.emplace_back();
    unwind.start = mapping.start;
    unwind.end = mapping.end;
    const bool is_vdso = mapping.path == "[vdso]";
    if (mapping.inode == 0 && !is_vdso) {
      unwind.table = TableOfMadeCode(process, mapping);
      unwind.load_bias = mapping.start;
      continue;
    }
    const std::optional<Binary> binary = BinaryOf(process, mapping, build);
    unwind.table = UnwindMaps::NoTable();
    if (!binary.has_value()) {
      known.incomplete = true;
      continue;
    }
    for (const ElfSegment& segment : binary->segments) {
      if (mapping.file_offset + (mapping.end - mapping.start) <= segment.offset ||
          mapping.file_offset >= segment.offset + segment.file_size) {
        continue;
      }
      unwind.table = binary->table;
      unwind.load_bias = mapping.start - (mapping.file_offset - segment.offset + segment.vaddr);
      needs_tables |= binary->table.pages > 0 && !is_vdso;
      break;
    }
  }
  // Go programs without C, for one: walking by frame pointers alone is cheaper.
  if (!needs_tables) {
    maps_->ForgetProcess(process.pid);
    return;
  }
  const absl::Status status = maps_->SetProcess(process.pid, mappings);
  if (status.ok()) return;
  ++stats_.full;
  is_full_ |= absl::IsResourceExhausted(status);
  spdlog::debug("process {} is unwound by frame pointers alone: {}", process.pid,
                std::string(status.message()));
}

std::optional<UnwindTableKeeper::Binary> UnwindTableKeeper::BinaryOf(const Process& process,
                                                                     const Mapping& mapping, bool build) {
  if (mapping.inode == 0) return BinaryOfVdso();
  const MappedFile file(mapping.device, mapping.inode, mapping.path);
  if (const auto known = by_mapped_file_.find(file); known != by_mapped_file_.end()) return known->second;
  std::optional<Binary> binary = BinaryOfFile(process, mapping, build);
  if (binary.has_value()) by_mapped_file_[file] = *binary;
  return binary;
}

std::optional<UnwindTableKeeper::Binary> UnwindTableKeeper::BinaryOfVdso() {
  if (!vdso_.has_value()) {
    const std::string vdso = ReadVdso();
    const absl::StatusOr<std::unique_ptr<ElfFile>> elf = ElfFile::FromBytes(vdso);
    vdso_ = elf.ok() ? Build(**elf) : Binary{};
  }
  return vdso_;
}

std::optional<UnwindTableKeeper::Binary> UnwindTableKeeper::BinaryOfFile(const Process& process,
                                                                         const Mapping& mapping, bool build) {
  absl::StatusOr<UniqueFd> fd = OpenMappedFile(process, mapping, options_.proc_root);
  struct stat status {};
  if (!fd.ok() || ::fstat(fd->get(), &status) != 0) {
    ++stats_.unreadable;
    return Binary{};
  }
  const FileIdentity file(status);
  if (const auto known = by_file_.find(file); known != by_file_.end()) return known->second;
  if (!build) return std::nullopt;
  const absl::StatusOr<std::unique_ptr<ElfFile>> elf = ElfFile::FromFd(*std::move(fd));
  if (!elf.ok()) {
    ++stats_.unparsable;
    return by_file_[file] = {};
  }
  const auto [known, is_new] = by_build_id_.try_emplace((*elf)->build_id());
  if (is_new) known->second = Build(**elf);
  return by_file_[file] = known->second;
}

UnwindTable UnwindTableKeeper::TableOfMadeCode(const Process& process, const Mapping& mapping) {
  // What Python calls each function through with -X perf: Python/asm_trampoline.S, of 3.12 and later. Where
  // it has called, its frame is 16 bytes; it keeps no frame pointer.
  constexpr absl::string_view kTrampoline = "\x48\x83\xec\x08\xff\xd1\x48\x83\xc4\x08\xc3";
  constexpr absl::string_view kEndbr64 = "\xf3\x0f\x1e\xfa";
  constexpr UnwindRule kInTrampoline = {.cfa = CfaRule::kStackPointer, .cfa_offset = 16, .ra_offset = -8};
  constexpr uint64_t kMaxBytes = 16 << 20;
  if (!MayRunPython(process)) return UnwindMaps::JitCode();
  const absl::StatusOr<std::string> start =
      ReadProcessMemory(process.pid, mapping.start, kEndbr64.size() + kTrampoline.size(), options_.proc_root);
  if (!start.ok() || !absl::StartsWith(absl::StripPrefix(*start, kEndbr64), kTrampoline)) {
    return UnwindMaps::JitCode();
  }
  if (!trampolines_.has_value()) {
    const absl::StatusOr<UnwindTable> table = maps_->AddTable([&](RowSink sink) {
      sink(0, kInTrampoline);
      sink(kMaxBytes - 1, kInTrampoline);
      return absl::OkStatus();
    });
    if (!table.ok()) return UnwindMaps::NoTable();
    trampolines_ = *table;
  }
  return *trampolines_;
}

UnwindTableKeeper::Binary UnwindTableKeeper::Build(const ElfFile& elf) {
  Binary binary;
  for (const ElfSegment& segment : elf.segments()) {
    if (segment.executable) binary.segments.push_back(segment);
  }
  absl::StatusOr<UnwindTable> table =
      maps_->AddTable([&](RowSink sink) { return ReadUnwindTable(elf, sink).status(); });
  if (table.ok()) {
    ++stats_.built;
    ++stats_.tables;
    binary.table = *table;
    return binary;
  }
  // Nothing describes its code: it keeps frame pointers, or cannot be unwound anyhow.
  if (absl::IsNotFound(table.status())) return binary;
  if (absl::IsResourceExhausted(table.status())) {
    ++stats_.full;
    is_full_ = true;
  } else {
    ++stats_.unparsable;
  }
  spdlog::debug("no unwind table of a binary: {}", std::string(table.status().message()));
  return {};
}

void UnwindTableKeeper::EndWindow() {
  if (maps_ == nullptr) return;
  by_mapped_file_.clear();
  ++windows_since_clear_;
  MakeRoom();
  for (auto it = known_.begin(); it != known_.end();) {
    const auto current = it++;
    const pid_t pid = current->first;
    if (::access(absl::StrCat(options_.proc_root, "/", pid).c_str(), F_OK) != 0 &&
        !current->second.incomplete) {
      maps_->ForgetProcess(pid);
      known_.erase(current);
      continue;
    }
    current->second.refreshes = 0;
    if (!current->second.incomplete) continue;
    const std::shared_ptr<const Process> process = processes_.Find(pid);
    if (process != nullptr) {
      Register(*process, current->second, /*build=*/true);
    } else {
      maps_->ForgetProcess(pid);
      known_.erase(current);
    }
  }
}

void UnwindTableKeeper::MakeRoom() {
  if (maps_->needs_room_for_mappings()) maps_->Compact();
  const bool too_much = is_full_ || known_.size() > kMaxProcesses || by_file_.size() > kMaxFiles;
  if (!too_much || windows_since_clear_ < kWindowsBetweenClears) return;
  windows_since_clear_ = 0;
  is_full_ = false;
  maps_->Clear();
  known_.clear();
  by_file_.clear();
  by_build_id_.clear();
  vdso_.reset();
  trampolines_.reset();
  stats_.tables = 0;
  ++stats_.resets;
}

UnwindStats UnwindTableKeeper::stats() const {
  UnwindStats stats = stats_;
  if (maps_ == nullptr) return stats;
  stats.processes = maps_->processes();
  stats.rows = maps_->rows();
  stats.table_bytes = maps_->table_bytes();
  return stats;
}

}  // namespace pilotlight::agent
