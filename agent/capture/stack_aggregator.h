// Groups samples by process and counts equal stacks: what every capture source ends in.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/types/span.h"
#include "agent/capture/capture_source.h"

namespace pilotlight::agent {

// Frames as in RawStack, borrowed.
struct StackView {
  absl::Span<const uint64_t> user = {};
  absl::Span<const uint64_t> kernel = {};
  bool truncated = false;
  bool joined_at_mcall = false;
};

// Not thread-safe. Past `max_stacks` new stacks are counted as stackless samples of their process, so that
// totals stay exact; past `max_processes` the samples of new processes are only counted as lost.
class StackAggregator {
 public:
  struct Limits {
    size_t max_stacks = 8192;
    size_t max_processes = 4096;
  };

  explicit StackAggregator(const Limits& limits) : limits_(limits) {}

  // A stack without any frame counts as stackless. REQUIRES: count > 0.
  void Add(pid_t pid, const StackView& stack, uint64_t count);
  void AddStackless(pid_t pid, uint64_t count);

  uint64_t lost() const { return lost_; }
  std::vector<ProcessSamples> Take() && { return std::move(processes_); }

 private:
  // Process, and the 128-bit hash of the frames: no two stacks share it in practice, so frames are not
  // compared.
  using StackKey = std::tuple<pid_t, uint64_t, uint64_t>;
  struct StackPosition {
    size_t process;
    size_t stack;
  };

  // Null, and counted as lost, when there is no room for another process.
  ProcessSamples* FindOrAddProcess(pid_t pid, uint64_t count);

  const Limits limits_;
  std::vector<ProcessSamples> processes_;
  absl::flat_hash_map<pid_t, size_t> process_index_;
  absl::flat_hash_map<StackKey, StackPosition> stack_index_;
  uint64_t lost_ = 0;
};

}  // namespace pilotlight::agent
