// What the BPF program unwinds by: tables of binaries, and where they are in processes.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "agent/capture/bpf/abi.h"
#include "agent/capture/ebpf/mapped_array.h"
#include "base/unique_fd.h"
#include "objfile/unwind_rule.h"

struct sampler_bpf;

namespace pilotlight::agent {

// The table of one binary.
struct UnwindTable {
  uint64_t base = 0;        // address that its first page begins at, as the ELF file has it
  uint32_t first_page = 0;  // of the BPF program's
  uint32_t pages = 0;       // 0: its code keeps frame pointers
};

// Executable memory of a process.
struct UnwindMapping {
  uint64_t start = 0;
  uint64_t end = 0;        // exclusive
  uint64_t load_bias = 0;  // an address in the process less the same one of the ELF file; modulo 2^64
  UnwindTable table;
};

using RowSink = absl::FunctionRef<void(uint64_t address, const UnwindRule& rule)>;

// Rows cost 4 bytes of kernel memory each, and come in chunks of 256 KiB; what else there is costs 1.8 MiB.
// Not thread-safe. All but Clear() and Compact() may be called while samples are taken.
class UnwindMaps {
 public:
  static absl::StatusOr<UnwindMaps> Create(sampler_bpf& skeleton);

  // `read` calls its argument with rules in the order of their addresses, as ReadUnwindTable() does; its
  // error is handed on. ResourceExhausted when there is no room.
  absl::StatusOr<UnwindTable> AddTable(absl::FunctionRef<absl::Status(RowSink)> read);
  // Of code of which nothing is known: stacks break there.
  static UnwindTable NoTable() { return {.base = 0, .first_page = 0, .pages = 1}; }
  // Of code that a JIT compiler has made: it keeps frame pointers, or its stacks break.
  static UnwindTable JitCode() { return {.base = 0, .first_page = PL_JIT_CODE, .pages = 0}; }
  // From now on `pid` is unwound by these mappings, which are sorted by their start. ResourceExhausted when
  // there is no room: then it is unwound as before.
  absl::Status SetProcess(pid_t pid, absl::Span<const UnwindMapping> mappings);
  void ForgetProcess(pid_t pid);
  // Makes room for mappings. REQUIRES: no sample is being taken.
  void Compact();
  // Forgets everything. REQUIRES: likewise.
  void Clear();

  // Of Compact().
  bool needs_room_for_mappings() const { return used_mappings_ > PL_MAX_MAPPINGS / 4 * 3; }
  size_t processes() const { return processes_.size(); }
  size_t rows() const { return rows_; }
  size_t table_bytes() const { return chunks_.size() * sizeof(pl_rows); }

 private:
  class TableWriter;
  // Page 0 has no rows.
  static constexpr uint32_t kFirstPage = 1;
  struct Range {
    uint32_t first = 0;
    uint32_t count = 0;
  };

  UnwindMaps(sampler_bpf& skeleton, MappedArray<pl_mapping> mappings, MappedArray<pl_page> pages,
             MappedArray<pl_rule> rules);
  // 0, the rule that nothing is known, also when there is no room for another.
  uint16_t NumberOf(const UnwindRule& rule);
  absl::Status AddChunk();
  absl::Status Publish(pid_t pid, const Range& range);

  sampler_bpf* skeleton_;
  MappedArray<pl_mapping> mappings_;
  MappedArray<pl_page> pages_;
  MappedArray<pl_rule> rules_;
  std::vector<UniqueFd> chunks_;
  std::optional<MappedArray<pl_rows>> open_chunk_;  // the last one
  uint32_t open_chunk_rows_ = 0;
  uint32_t used_pages_ = kFirstPage;
  uint32_t used_mappings_ = 0;
  size_t rows_ = 0;
  absl::flat_hash_map<UnwindRule, uint16_t> rule_numbers_;
  absl::flat_hash_map<pid_t, Range> processes_;
};

}  // namespace pilotlight::agent
