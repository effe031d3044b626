// The workload "spin", and what its stacks and clocks say.
#pragma once

#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <string>

#include "absl/time/time.h"
#include "absl/types/span.h"
#include "agent/capture/capture_source.h"
#include "base/check.h"
#include "tests/support/child_process.h"

namespace pilotlight::agent {

struct CodeRange {
  uint64_t start = 0;
  uint64_t end = 0;
  // Return addresses may be one past the last instruction.
  bool Holds(uint64_t address) const { return address >= start && address <= end; }
  bool HoldsAny(absl::Span<const uint64_t> addresses) const {
    for (const uint64_t address : addresses) {
      if (Holds(address)) return true;
    }
    return false;
  }
};

struct SpinTimes {
  absl::Duration heavy;
  absl::Duration light;
  absl::Duration process;
};

class SpinProcess : public ChildProcess {
 public:
  explicit SpinProcess(const std::string& mode, const char* program = PILOTLIGHT_SPIN)
      : ChildProcess({program, mode}) {
    const std::string ready = ReadLine();
    CHECK(std::sscanf(ready.c_str(),
                      "ready %" SCNx64 "-%" SCNx64 " %" SCNx64 "-%" SCNx64 " %" SCNx64 "-%" SCNx64,
                      &main_.start, &main_.end, &heavy_.start, &heavy_.end, &light_.start, &light_.end) == 6);
  }

  // CPU time so far, of mode "mix".
  SpinTimes Times() {
    WriteLine("");
    const std::string line = ReadLine();
    int64_t heavy = 0;
    int64_t light = 0;
    int64_t process = 0;
    CHECK(std::sscanf(line.c_str(), "%" SCNd64 " %" SCNd64 " %" SCNd64, &heavy, &light, &process) == 3);
    return {absl::Nanoseconds(heavy), absl::Nanoseconds(light), absl::Nanoseconds(process)};
  }

  // Returns when another `duration` of CPU time has been burned.
  void WaitForCpuTime(absl::Duration duration) {
    const absl::Duration until = Times().process + duration;
    while (Times().process < until) {
    }
  }

  const CodeRange& main_code() const { return main_; }
  const CodeRange& heavy_code() const { return heavy_; }
  const CodeRange& light_code() const { return light_; }

 private:
  CodeRange main_;
  CodeRange heavy_;
  CodeRange light_;
};

// The samples of `pid`; none when it has not been seen.
inline ProcessSamples SamplesOf(const Capture& capture, pid_t pid) {
  for (const ProcessSamples& process : capture.processes) {
    if (process.pid == pid) return process;
  }
  return {.pid = pid, .stacks = {}, .stackless_samples = 0};
}

template <typename Predicate>
uint64_t CountStacks(const ProcessSamples& process, Predicate matches) {
  uint64_t count = 0;
  for (const RawStack& stack : process.stacks) {
    if (matches(stack)) count += stack.count;
  }
  return count;
}

inline uint64_t CountAll(const ProcessSamples& process) {
  return process.stackless_samples + CountStacks(process, [](const RawStack&) { return true; });
}

inline uint64_t CountAll(const Capture& capture) {
  uint64_t count = 0;
  for (const ProcessSamples& process : capture.processes) count += CountAll(process);
  for (const LostSamples& lost : capture.lost) count += lost.count;
  return count;
}

}  // namespace pilotlight::agent
