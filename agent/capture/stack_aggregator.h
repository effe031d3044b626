// Groups samples by process and counts equal stacks: what every capture source ends in.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "agent/capture/capture_source.h"

namespace pilotlight::agent {

// Frames as in RawStack, borrowed.
struct StackView {
  absl::Span<const uint64_t> user = {};
  absl::Span<const uint64_t> kernel = {};
  bool truncated = false;
  bool joined = false;
  bool with_top = false;
  bool broken = false;
  absl::string_view wait_reason;
};

// Not thread-safe. Past `max_stacks` new stacks are counted as stackless samples of their process, so that
// totals stay exact; past `max_processes` the samples of new processes are only counted as lost.
class StackAggregator {
 public:
  static constexpr uint32_t kNone = static_cast<uint32_t>(-1);

  struct Limits {
    size_t max_stacks = 8192;
    size_t max_processes = 4096;
  };

  explicit StackAggregator(const Limits& limits) : limits_(limits) {}

  // Where the samples of a stack are counted.
  struct Position {
    uint32_t process = kNone;  // of `processes_`; none when there was no room for another
    uint32_t stack = kNone;    // of the process; none when its samples count as stackless
  };

  // A stack without any frame counts as stackless. REQUIRES: count > 0.
  Position Add(pid_t pid, const StackView& stack, uint64_t count);
  void AddStackless(pid_t pid, uint64_t count);
  // More samples of a stack that was added before.
  void AddMore(const Position& position, uint64_t count);

  uint64_t lost() const { return lost_; }
  std::vector<ProcessSamples> Take() && { return std::move(processes_); }

 private:
  // Process, and the 128-bit hash of the frames: no two stacks share it in practice, so frames are not
  // compared.
  using StackKey = std::tuple<pid_t, uint64_t, uint64_t>;

  Position FindOrAdd(pid_t pid, const StackView& stack);
  // kNone when there is no room for another process.
  uint32_t FindOrAddProcess(pid_t pid);

  const Limits limits_;
  std::vector<ProcessSamples> processes_;
  absl::flat_hash_map<pid_t, uint32_t> process_index_;
  absl::flat_hash_map<StackKey, Position> stack_index_;
  uint64_t lost_ = 0;
};

}  // namespace pilotlight::agent
