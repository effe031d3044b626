// The default capture source: a BPF program unwinds, hashes and counts in the kernel; nothing crosses to user
// space per sample. Needs Linux 5.8, CAP_BPF and CAP_PERFMON; no kprobes, tracefs or memlock limit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/capture/bpf/abi.h"
#include "agent/capture/capture_source.h"
#include "agent/capture/ebpf/bpf_map.h"
#include "agent/capture/ebpf/jvm_programs.h"
#include "agent/capture/ebpf/mapped_array.h"
#include "agent/capture/ebpf/off_cpu_probe.h"
#include "agent/capture/ebpf/python_programs.h"
#include "agent/capture/ebpf/unwind_maps.h"
#include "agent/capture/monotonic_time.h"
#include "agent/capture/sampling_clock.h"
#include "base/unique_fd.h"

struct ring_buffer;
struct sampler_bpf;

namespace pilotlight::agent {

// Kernel memory, allocated once: the ring buffer, 18 KiB per possible CPU, and 64 bytes per process:
// 0.6 MiB by default on two CPUs. All but the latter is mapped into the agent too, the ring buffer twice.
// That of unwind tables comes on top, see UnwindMaps.
struct EbpfLimits {
  uint32_t max_stacks = 8192;  // distinct ones in a window; past it samples become stackless ones
  uint32_t max_processes = 4096;
  // Of the ring buffer, a power of two of pages; 0 has 64 KiB per possible CPU, at least 256 KiB. While it is
  // full, the first samples of stacks become stackless ones.
  uint32_t record_bytes = 0;
};

// Not thread-safe: one thread captures at a time.
class EbpfSource : public CaptureSource {
 public:
  // Loads the program, with what off_cpu() needs when that is wanted, and attaches it to nothing.
  // PermissionDenied names the missing capability; Unimplemented when the kernel is too old.
  static absl::StatusOr<std::unique_ptr<EbpfSource>> Create(const EbpfLimits& limits = {},
                                                            bool off_cpu = false);
  ~EbpfSource() override;

  absl::string_view name() const override { return "ebpf"; }
  absl::StatusOr<Capture> Run(const CaptureOptions& options, ProcessObserver& observer,
                              const StopSignal& stop) override;
  CaptureSource* off_cpu() override { return off_cpu_.get(); }
  // What off_cpu() runs. REQUIRES: off_cpu() is not null.
  absl::StatusOr<Capture> RunOffCpu(const CaptureOptions& options, ProcessObserver& observer,
                                    const StopSignal& stop);
  void OnGoProgram(pid_t pid, const GoProgram& program) override;
  void ForgetGoPrograms() override;
  void OnPythonProgram(pid_t pid, const PythonRuntime& runtime) override;
  void ForgetPythonPrograms() override;
  void OnJvm(pid_t pid, const HotSpotSymbols& symbols) override;
  void ForgetJvm(pid_t pid) override;
  UnwindMaps* unwind_maps() override { return &unwind_maps_; }

  // To ask the kernel about the program (BPF_OBJ_GET_INFO_BY_FD): its run counter stands still between
  // windows.
  int program_fd() const;
  // What off_cpu() has counted since the program was loaded.
  pl_off_cpu_counters off_cpu_counters() const;

 private:
  struct SkeletonDeleter {
    void operator()(sampler_bpf* skeleton) const;
  };
  struct RingBufferDeleter {
    void operator()(ring_buffer* ring) const;
  };
  class Window;
  struct Clock;
  using Skeleton = std::unique_ptr<sampler_bpf, SkeletonDeleter>;

  EbpfSource(const EbpfLimits& limits, Skeleton skeleton, MappedArray<pl_cpu> cpus, UnwindMaps unwind_maps);
  absl::Status OpenRing();
  static int OnRecord(void* source, void* data, size_t size);
  absl::Status Watch(const CaptureOptions& options);
  absl::StatusOr<Capture> TakeWindow(const CaptureOptions& options, ProcessObserver& observer,
                                     const Clock& clock);
  // Reads records until `wake_up`, the deadline or `stop`; false when it was not `wake_up`.
  absl::StatusOr<bool> WaitUntil(MonotonicTime wake_up, MonotonicTime deadline, const StopSignal& stop);
  // Empties what a window fills; into `window_`, if there is one.
  absl::Status Drain();
  pl_counters ReadCounters() const;

  const EbpfLimits limits_;
  const uint32_t max_stack_frames_;
  Skeleton skeleton_;
  const MappedArray<pl_cpu> cpus_;
  std::unique_ptr<ring_buffer, RingBufferDeleter> records_;
  BpfMapDrain processes_;
  BpfMapDrain watched_;
  BpfMapDrain go_programs_;
  UnwindMaps unwind_maps_;
  InterpretedFrames interpreted_;  // of the window
  PythonPrograms python_programs_;
  JvmPrograms jvm_programs_;
  std::optional<OffCpuProbe> off_cpu_probe_;
  std::unique_ptr<CaptureSource> off_cpu_;
  Window* window_ = nullptr;  // the one that is open
  bool drained_ = true;       // false while the maps may hold what a failed window left
};

}  // namespace pilotlight::agent
