// The binaries behind the mappings of all processes, each parsed once.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "agent/symbolize/binary.h"
#include "agent/symbolize/file_identity.h"
#include "agent/symbolize/symbolizer_stats.h"
#include "agent/targets/process_table.h"
#include "objfile/byte_source.h"

namespace pilotlight::agent {

// A number for one binary, or for one file that cannot be read; valid until BinaryCache::generation()
// changes.
using BinaryId = uint32_t;

struct BinaryCacheLimits {
  size_t bytes = size_t{12} << 20;  // of parsed binaries; the least recently used go first
  // Of debug information that is open at once, on top; the least recently used goes first, and that of a
  // binary that has more is left alone. 0 opens none.
  size_t debug_info_bytes = 0;
  size_t open_files = 256;
  size_t known_binaries = 8192;  // numbers given out; when all are, everything is forgotten
  size_t mappings = 14336;       // of processes, remembered; when full they are looked up anew
  size_t files = 3584;           // the same for files
  // An open file keeps its file system from being unmounted: closed after so many windows without use.
  uint64_t idle_windows = 5;
};

// Not thread-safe.
class BinaryCache {
 public:
  explicit BinaryCache(BinaryCacheLimits limits = {}, std::string proc_root = "/proc");

  // The binary of a mapping. Opens the file unless this mapping of this process is known.
  // REQUIRES: mapping has a file, or is "[vdso]".
  BinaryId Identify(const Process& process, const Mapping& mapping);
  // The binary itself, parsed if need be; nullptr when it cannot be used. Valid until the next call.
  // REQUIRES: `id` is what Identify() gave for the mapping.
  Binary* Load(BinaryId id, const Process& process, const Mapping& mapping);
  // Opens the debug information of a binary that Load() has given, if it has some and that fits.
  void OpenDebugInfo(BinaryId id);
  // Closes all debug information, and the binaries that have not been used for a while; what is known of
  // their addresses stays.
  void EndWindow();
  // Its file name without directories.
  const std::string& name(BinaryId id) const { return entries_[id].name; }

  // Grows when the numbers given out before have lost their meaning.
  uint64_t generation() const { return generation_; }
  // Adds its part.
  void AddTo(SymbolizerStats& stats) const;
  size_t byte_size() const { return loaded_bytes_ + blocks_->byte_size() + open_debug_info_bytes(); }

 private:
  static constexpr BinaryId kNoBinary = UINT32_MAX;
  struct Entry {
    std::string name;
    std::unique_ptr<Binary> binary;
    bool unusable = false;
    size_t bytes = 0;  // as counted in loaded_bytes_
    uint64_t last_used = 0;
    uint64_t last_window = 0;
  };
  // A mapping of a process; `inode` because another file may be mapped there later.
  struct MappingKey {
    pid_t pid = 0;
    uint64_t start_ticks = 0;
    uint64_t start = 0;
    uint64_t device = 0;
    uint64_t inode = 0;

    friend bool operator==(const MappingKey&, const MappingKey&) = default;
    template <typename H>
    friend H AbslHashValue(H h, const MappingKey& k) {
      return H::combine(std::move(h), k.pid, k.start_ticks, k.start, k.device, k.inode);
    }
  };

  // A mapped file as /proc/PID/maps shows it.
  struct MappedFile {
    uint64_t device = 0;
    uint64_t inode = 0;
    std::string path;

    friend bool operator==(const MappedFile&, const MappedFile&) = default;
    template <typename H>
    friend H AbslHashValue(H h, const MappedFile& f) {
      return H::combine(std::move(h), f.device, f.inode, f.path);
    }
  };

  BinaryId IdentifyFile(const Process& process, const Mapping& mapping);
  BinaryId IdentifyVdso();
  // Parses the file and finds its number by build ID, or gives it one.
  BinaryId AddFile(UniqueFd fd, uint64_t size, const std::string& name);
  BinaryId AddEntry(const std::string& name);
  void CountOpenFailure(const absl::Status& status);
  void CountParseFailure(const absl::Status& status);
  void Store(BinaryId id, std::unique_ptr<Binary> binary);
  // Updates the size of `id` and drops others until the limits hold.
  void Account(BinaryId id);
  void Unload(Entry& entry);
  size_t open_debug_info_bytes() const;
  void ForgetAll();

  const BinaryCacheLimits limits_;
  const std::string proc_root_;
  const std::shared_ptr<BlockCache> blocks_;
  SymbolizerStats stats_;
  uint64_t generation_ = 0;
  uint64_t uses_ = 0;
  uint64_t windows_ = 0;
  size_t loaded_bytes_ = 0;
  size_t loaded_count_ = 0;
  std::vector<Entry> entries_;
  absl::flat_hash_map<MappingKey, BinaryId> by_mapping_;
  absl::flat_hash_map<FileIdentity, BinaryId> by_file_;
  // For processes that were gone before their files could be opened, and for files that could not be.
  absl::flat_hash_map<MappedFile, BinaryId> by_mapped_file_;
  absl::flat_hash_map<std::pair<std::string, uint64_t>, BinaryId>
      by_build_id_;  // and size: stripped copies share IDs
  // The mapping asked for last: stacks stay within a binary for many frames.
  MappingKey last_mapping_;
  BinaryId last_id_ = kNoBinary;
  std::string vdso_;
  BinaryId vdso_id_ = kNoBinary;
};

}  // namespace pilotlight::agent
