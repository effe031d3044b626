// Time that threads are blocked, by the BPF program of an EbpfSource.
#pragma once

#include "agent/capture/ebpf/ebpf_source.h"

namespace pilotlight::agent {

// Its windows are not at the same time as those of `ebpf`, which is borrowed.
class OffCpuSource : public CaptureSource {
 public:
  explicit OffCpuSource(EbpfSource& ebpf) : ebpf_(ebpf) {}

  absl::string_view name() const override { return "off_cpu"; }
  absl::StatusOr<Capture> Run(const CaptureOptions& options, ProcessObserver& observer,
                              const StopSignal& stop) override {
    return ebpf_.RunOffCpu(options, observer, stop);
  }
  void OnGoProgram(pid_t pid, const GoProgram& program) override { ebpf_.OnGoProgram(pid, program); }
  void ForgetGoPrograms() override { ebpf_.ForgetGoPrograms(); }
  void OnPythonProgram(pid_t pid, const PythonRuntime& runtime) override {
    ebpf_.OnPythonProgram(pid, runtime);
  }
  void ForgetPythonPrograms() override { ebpf_.ForgetPythonPrograms(); }
  void OnJvm(pid_t pid, const HotSpotSymbols& symbols) override { ebpf_.OnJvm(pid, symbols); }
  void ForgetJvm(pid_t pid) override { ebpf_.ForgetJvm(pid); }
  UnwindMaps* unwind_maps() override { return ebpf_.unwind_maps(); }

 private:
  EbpfSource& ebpf_;
};

}  // namespace pilotlight::agent
