// The agent's symbolizer: binaries parsed once, addresses looked up once.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "agent/symbolize/binary_cache.h"
#include "agent/symbolize/kernel_symbols.h"
#include "agent/symbolize/perf_map_cache.h"
#include "agent/symbolize/symbolizer.h"
#include "agent/symbolize/symbolizer_stats.h"
#include "agent/targets/address_range.h"
#include "base/clock.h"
#include "objfile/source_frame.h"
#include "profile/stack_trie.h"

namespace pilotlight::agent {

struct CachingSymbolizerOptions {
  std::string proc_root = "/proc";
  BinaryCacheLimits binaries;
  PerfMapLimits perf_maps;
  // 7/8 of a power of two fill abseil's table exactly. When full, all are forgotten.
  size_t max_addresses = 57344;
  // Modules and BPF programs come and go: kernel symbols are read again after so many windows if any address
  // had no name.
  uint64_t kernel_windows = 10;
  size_t max_name_bytes = size_t{6} << 20;  // of the names of the cached addresses
};

// Keeps what an address resolves to in a trie of its own, by binary and place in the file, so it serves all
// processes and outlives the caller's trie; frames are copied into that once each.
class CachingSymbolizer : public Symbolizer {
 public:
  explicit CachingSymbolizer(CachingSymbolizerOptions options = {});

  void SymbolizeUser(const Process& process, uint64_t address, bool is_return_address, StackTrie& trie,
                     std::vector<FrameId>& frames) override;
  bool IsFrameless(const Process& process, uint64_t address) override;
  void SymbolizeKernel(uint64_t address, bool is_return_address, StackTrie& trie,
                       std::vector<FrameId>& frames) override;

  // Where the process has the writable data of its Go code; empty when it runs none.
  std::vector<AddressRange> GoData(const Process& process);

  // After each window: closes files that are not used, and lets go of kernel symbols that are out of date.
  void EndWindow();

  SymbolizerStats stats() const;
  // Why kernel frames have no names; OK also before the first one.
  const absl::Status& kernel_status() const { return kernel_status_; }

 private:
  enum class Unnamed : uint8_t { kNot, kNoMapping, kAnonymous, kNoFile, kNoSymbol, kKernel };
  // A place in a binary, or an address of the kernel's.
  struct AddressKey {
    uint64_t place = 0;
    BinaryId binary = 0;

    friend bool operator==(const AddressKey&, const AddressKey&) = default;
    template <typename H>
    friend H AbslHashValue(H h, const AddressKey& k) {
      return H::combine(std::move(h), k.place, k.binary);
    }
  };
  struct Resolved {
    uint32_t first = 0;  // in resolved_frames_
    uint16_t count = 0;
    Unnamed unnamed = Unnamed::kNot;
  };

  static constexpr BinaryId kKernel = UINT32_MAX;
  static constexpr BinaryId kNoBinary = UINT32_MAX - 1;  // place is an Unnamed

  const Resolved* FindCached(const AddressKey& key);
  Resolved ResolveUser(BinaryId binary, uint64_t file_offset, const Process& process, const Mapping& mapping);
  Resolved ResolveKernel(uint64_t address);
  // JIT code that has a name; such code moves, so its addresses are not kept.
  bool SymbolizeJit(const Process& process, uint64_t address, StackTrie& trie, std::vector<FrameId>& frames);
  Resolved ResolveUnknown(Unnamed reason);
  Resolved Add(const FrameView& frame, Unnamed unnamed);
  // Remembers `resolved` and hands its frames out.
  void Deliver(const Resolved& resolved, StackTrie& trie, std::vector<FrameId>& frames);
  void CountUnnamed(Unnamed reason);
  void MakeRoom();
  void LoadKernelSymbols();

  const CachingSymbolizerOptions options_;
  BinaryCache binaries_;
  PerfMapCache perf_maps_;
  uint64_t binaries_generation_ = 0;
  std::optional<KernelSymbols> kernel_;
  bool kernel_tried_ = false;
  uint64_t unnamed_kernel_at_load_ = 0;
  uint64_t windows_since_kernel_load_ = 0;
  absl::Status kernel_status_;
  SymbolizerStats stats_;

  std::unique_ptr<StackTrie> names_;
  absl::flat_hash_map<AddressKey, Resolved> addresses_;
  std::vector<FrameId> resolved_frames_;  // of names_
  // From names_ to the caller's trie, while it is the same one.
  std::optional<TrieMapper> mapper_;
  const StackTrie* mapped_trie_ = nullptr;
  uint64_t mapped_trie_id_ = 0;
  std::vector<SourceFrame> scratch_;
};

}  // namespace pilotlight::agent
