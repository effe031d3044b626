#include "agent/symbolize/caching_symbolizer.h"

#include <string>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "objfile/demangle.h"
#include "spdlog/spdlog.h"

namespace pilotlight::agent {
namespace {

constexpr absl::string_view kUnknownFunction = "[unknown]";
constexpr absl::string_view kKernelMapping = "[kernel]";
constexpr absl::string_view kVdso = "[vdso]";
// Of a mapping without a file, and a frame in it that has no name.
constexpr absl::string_view kJit = "[jit]";

}  // namespace

CachingSymbolizer::CachingSymbolizer(CachingSymbolizerOptions options)
    : options_(std::move(options)),
      binaries_(options_.binaries, options_.proc_root),
      perf_maps_(options_.perf_maps, options_.proc_root),
      names_(std::make_unique<StackTrie>()) {}

void CachingSymbolizer::SymbolizeUser(const Process& process, uint64_t address, bool is_return_address,
                                      StackTrie& trie, std::vector<FrameId>& frames) {
  const uint64_t target = is_return_address && address > 0 ? address - 1 : address;
  const Mapping* mapping = process.maps.Find(target);
  const bool has_file = mapping != nullptr && (mapping->inode != 0 || mapping->path == kVdso);
  if (mapping != nullptr && !has_file && SymbolizeJit(process, target, trie, frames)) return;
  if (!has_file) {
    const Unnamed reason = mapping == nullptr ? Unnamed::kNoMapping : Unnamed::kAnonymous;
    const AddressKey key{.place = static_cast<uint64_t>(reason), .binary = kNoBinary};
    if (const Resolved* cached = FindCached(key); cached != nullptr) return Deliver(*cached, trie, frames);
    const Resolved resolved = ResolveUnknown(reason);
    addresses_.emplace(key, resolved);
    return Deliver(resolved, trie, frames);
  }
  const BinaryId binary = binaries_.Identify(process, *mapping);
  const AddressKey key{.place = target - mapping->start + mapping->file_offset, .binary = binary};
  if (const Resolved* cached = FindCached(key); cached != nullptr) return Deliver(*cached, trie, frames);
  const Resolved resolved = ResolveUser(binary, key.place, process, *mapping);
  addresses_.emplace(key, resolved);
  Deliver(resolved, trie, frames);
}

bool CachingSymbolizer::IsFrameless(const Process& process, uint64_t address) {
  const Mapping* mapping = process.maps.Find(address);
  if (mapping == nullptr || mapping->inode == 0) return false;
  const Binary* binary = binaries_.Load(binaries_.Identify(process, *mapping), process, *mapping);
  if (binary == nullptr || binary->go() == nullptr) return false;
  const std::optional<uint64_t> vaddr =
      binary->elf().OffsetToVaddr(address - mapping->start + mapping->file_offset);
  return vaddr.has_value() && binary->go()->IsFrameless(*vaddr);
}

void CachingSymbolizer::SymbolizeKernel(uint64_t address, bool is_return_address, StackTrie& trie,
                                        std::vector<FrameId>& frames) {
  const uint64_t target = is_return_address && address > 0 ? address - 1 : address;
  const AddressKey key{.place = target, .binary = kKernel};
  if (const Resolved* cached = FindCached(key); cached != nullptr) return Deliver(*cached, trie, frames);
  const Resolved resolved = ResolveKernel(target);
  addresses_.emplace(key, resolved);
  Deliver(resolved, trie, frames);
}

std::vector<AddressRange> CachingSymbolizer::GoData(const Process& process) {
  std::vector<AddressRange> data;
  absl::flat_hash_set<BinaryId> seen;
  for (const Mapping& mapping : process.maps.mappings()) {
    if (mapping.inode == 0) continue;
    const BinaryId id = binaries_.Identify(process, mapping);
    if (!seen.insert(id).second) continue;
    const Binary* binary = binaries_.Load(id, process, mapping);
    if (binary == nullptr || binary->go() == nullptr) continue;
    const std::optional<uint64_t> vaddr = binary->elf().OffsetToVaddr(mapping.file_offset);
    if (!vaddr.has_value()) continue;
    const uint64_t bias = mapping.start - *vaddr;
    for (const ElfSegment& segment : binary->elf().segments()) {
      if (!segment.writable) continue;
      data.push_back({segment.vaddr + bias, segment.vaddr + bias + segment.memory_size});
    }
  }
  return data;
}

const CachingSymbolizer::Resolved* CachingSymbolizer::FindCached(const AddressKey& key) {
  if (binaries_generation_ != binaries_.generation()) {
    // The numbers of binaries in the keys mean nothing any more.
    binaries_generation_ = binaries_.generation();
    addresses_.clear();
    resolved_frames_.clear();
  }
  const auto found = addresses_.find(key);
  if (found != addresses_.end()) {
    ++stats_.address_hits;
    return &found->second;
  }
  ++stats_.address_misses;
  MakeRoom();
  return nullptr;
}

void CachingSymbolizer::MakeRoom() {
  if (addresses_.size() < options_.max_addresses && names_->byte_size() < options_.max_name_bytes) return;
  ++stats_.address_resets;
  addresses_.clear();
  resolved_frames_.clear();
  mapper_.reset();
  mapped_trie_ = nullptr;
  names_ = std::make_unique<StackTrie>();
}

bool CachingSymbolizer::SymbolizeJit(const Process& process, uint64_t address, StackTrie& trie,
                                     std::vector<FrameId>& frames) {
  const absl::string_view name = perf_maps_.Find(process, address);
  if (name.empty()) return false;
  const std::string function = CleanName(std::string(name));
  frames.push_back(trie.InternFrame(
      FrameView{.function = function, .mapping = kJit, .kind = FrameKind::kNative, .symbolized = true}));
  return true;
}

CachingSymbolizer::Resolved CachingSymbolizer::ResolveUnknown(Unnamed reason) {
  if (reason == Unnamed::kAnonymous) {
    return Add({.function = kJit, .mapping = kJit, .kind = FrameKind::kUnknown}, reason);
  }
  return Add({.function = kUnknownFunction, .kind = FrameKind::kUnknown}, reason);
}

CachingSymbolizer::Resolved CachingSymbolizer::ResolveUser(BinaryId id, uint64_t file_offset,
                                                           const Process& process, const Mapping& mapping) {
  scratch_.clear();
  Binary* binary = binaries_.Load(id, process, mapping);
  const std::string& mapping_name = binaries_.name(id);
  FrameKind kind = FrameKind::kUnknown;
  uint64_t vaddr = file_offset;
  if (binary != nullptr) {
    binaries_.OpenDebugInfo(id);
    vaddr = binary->elf().OffsetToVaddr(file_offset).value_or(file_offset);
    kind = binary->Lookup(vaddr, scratch_);
  }
  if (scratch_.empty()) {
    const std::string place = absl::StrCat(mapping_name, "+0x", absl::Hex(vaddr));
    return Add({.function = place, .mapping = mapping_name, .kind = kind},
               binary == nullptr ? Unnamed::kNoFile : Unnamed::kNoSymbol);
  }
  const Resolved resolved{.first = static_cast<uint32_t>(resolved_frames_.size()),
                          .count = static_cast<uint16_t>(scratch_.size())};
  for (const SourceFrame& frame : scratch_) {
    resolved_frames_.push_back(names_->InternFrame(FrameView{.function = frame.function,
                                                             .file = frame.file,
                                                             .mapping = mapping_name,
                                                             .line = frame.line,
                                                             .start_line = frame.start_line,
                                                             .kind = kind,
                                                             .inlined = frame.inlined,
                                                             .symbolized = true}));
  }
  return resolved;
}

CachingSymbolizer::Resolved CachingSymbolizer::ResolveKernel(uint64_t address) {
  if (!kernel_tried_) LoadKernelSymbols();
  const KernelSymbols::Symbol symbol = kernel_.has_value() ? kernel_->Find(address) : KernelSymbols::Symbol();
  if (symbol.name.empty()) {
    return Add({.function = kKernelMapping, .mapping = kKernelMapping, .kind = FrameKind::kKernel},
               Unnamed::kKernel);
  }
  return Add({.function = symbol.name,
              .mapping = symbol.module.empty() ? kKernelMapping : symbol.module,
              .kind = FrameKind::kKernel,
              .symbolized = true},
             Unnamed::kNot);
}

void CachingSymbolizer::EndWindow() {
  binaries_.EndWindow();
  perf_maps_.EndWindow();
  ++windows_since_kernel_load_;
  const bool unnamed = stats_.unnamed_kernel != unnamed_kernel_at_load_;
  if (!kernel_tried_ || !unnamed || windows_since_kernel_load_ < options_.kernel_windows) return;
  kernel_tried_ = false;
  kernel_.reset();
  absl::erase_if(addresses_, [](const auto& entry) { return entry.first.binary == kKernel; });
}

void CachingSymbolizer::LoadKernelSymbols() {
  kernel_tried_ = true;
  windows_since_kernel_load_ = 0;
  unnamed_kernel_at_load_ = stats_.unnamed_kernel;
  const absl::Status before = kernel_status_;
  absl::StatusOr<KernelSymbols> kernel = KernelSymbols::Read(absl::StrCat(options_.proc_root, "/kallsyms"));
  kernel_status_ = kernel.status();
  if (!kernel.ok()) {
    // Once, not each time that it is tried again.
    if (before.ok()) {
      spdlog::warn("kernel frames will have no names: {}", std::string(kernel.status().message()));
    }
    return;
  }
  kernel_ = *std::move(kernel);
}

CachingSymbolizer::Resolved CachingSymbolizer::Add(const FrameView& frame, Unnamed unnamed) {
  const Resolved resolved{
      .first = static_cast<uint32_t>(resolved_frames_.size()), .count = 1, .unnamed = unnamed};
  resolved_frames_.push_back(names_->InternFrame(frame));
  return resolved;
}

void CachingSymbolizer::Deliver(const Resolved& resolved, StackTrie& trie, std::vector<FrameId>& frames) {
  if (mapped_trie_ != &trie || mapped_trie_id_ != trie.id()) {
    mapper_.emplace(*names_, trie);
    mapped_trie_ = &trie;
    mapped_trie_id_ = trie.id();
  }
  for (uint32_t i = 0; i < resolved.count; ++i) {
    frames.push_back(mapper_->MapFrame(resolved_frames_[resolved.first + i]));
  }
  if (resolved.unnamed != Unnamed::kNot) CountUnnamed(resolved.unnamed);
}

void CachingSymbolizer::CountUnnamed(Unnamed reason) {
  switch (reason) {
    case Unnamed::kNot:
      break;
    case Unnamed::kNoMapping:
      ++stats_.unnamed_no_mapping;
      break;
    case Unnamed::kAnonymous:
      ++stats_.unnamed_anonymous;
      break;
    case Unnamed::kNoFile:
      ++stats_.unnamed_no_file;
      break;
    case Unnamed::kNoSymbol:
      ++stats_.unnamed_no_symbol;
      break;
    case Unnamed::kKernel:
      ++stats_.unnamed_kernel;
      break;
  }
}

SymbolizerStats CachingSymbolizer::stats() const {
  SymbolizerStats stats = stats_;
  binaries_.AddTo(stats);
  perf_maps_.AddTo(stats);
  stats.cached_addresses = addresses_.size();
  constexpr size_t kControlByte = 1;
  stats.cached_bytes += names_->byte_size() + resolved_frames_.capacity() * sizeof(FrameId) +
                        addresses_.capacity() * (sizeof(AddressKey) + sizeof(Resolved) + kControlByte) +
                        (kernel_.has_value() ? kernel_->byte_size() : 0);
  return stats;
}

}  // namespace pilotlight::agent
