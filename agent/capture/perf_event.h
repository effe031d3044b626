// perf_event_open(2) on the kernel's software CPU clock, which needs no hardware counter.
#pragma once

#include <linux/perf_event.h>
#include <sys/types.h>

#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/unique_fd.h"

namespace pilotlight::agent {

// A disabled event that ticks each `period_ns` of CPU time, not in the idle task, and takes no data yet.
perf_event_attr CpuClockAttributes(uint64_t period_ns);
// Starts the ticks of an event anew, with another period. On an event of a thread, which ticks only while
// that runs, this would lose the time since its last tick.
absl::Status SetPeriod(int event_fd, uint64_t period_ns);
// CPU time between two ticks at a frequency. REQUIRES: frequency_hz > 0.
int64_t CpuClockPeriodNs(int frequency_hz);
// InvalidArgument outside 1 to 1000 Hz: above, the timer interrupts alone cost more than 1 % of each core.
absl::Status CheckFrequency(int frequency_hz);

// `pid` -1 is every process, `cpu` -1 every CPU. PermissionDenied names what is missing; NotFound when the
// CPU is offline or the process is gone.
absl::StatusOr<UniqueFd> OpenPerfEvent(const perf_event_attr& attributes, pid_t pid, int cpu);

// CPUs that run now, in ascending order.
absl::StatusOr<std::vector<int>> OnlineCpus(const std::string& path = "/sys/devices/system/cpu/online");
// "0-3,8" as the kernel writes it; InvalidArgument for anything else.
absl::StatusOr<std::vector<int>> ParseCpuList(absl::string_view text);

// kernel.perf_event_max_stack; its default, 127, where it cannot be read.
uint32_t MaxStackFrames(const std::string& path = "/proc/sys/kernel/perf_event_max_stack");

struct Capability {
  const char* name;
  int bit;  // linux/capability.h
};
inline constexpr Capability kCapSysAdmin = {"CAP_SYS_ADMIN", 21};
inline constexpr Capability kCapPerfmon = {"CAP_PERFMON", 38};
inline constexpr Capability kCapBpf = {"CAP_BPF", 39};

// "CAP_BPF and CAP_PERFMON", those of `wanted` that this process lacks; empty when it has all, or
// CAP_SYS_ADMIN, which includes them.
std::string MissingCapabilities(std::initializer_list<Capability> wanted,
                                const std::string& status_path = "/proc/self/status");

}  // namespace pilotlight::agent
