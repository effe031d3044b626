// The part of the BPF program that sees threads give up their CPU and come back: agent/capture/bpf/off_cpu.h.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/capture/bpf/abi.h"
#include "base/unique_fd.h"

struct bpf_link;
struct ring_buffer;
struct sampler_bpf;

namespace pilotlight::agent {

// Movable, not thread-safe.
class OffCpuProbe {
 public:
  // Before `skeleton` is loaded: whether it is loaded with this part, which needs Linux 5.15.
  static void Choose(sampler_bpf& skeleton, bool wanted, int possible_cpus);
  // REQUIRES: `skeleton` is loaded with it, and outlives the probe.
  static absl::StatusOr<OffCpuProbe> Create(sampler_bpf& skeleton, int possible_cpus);

  // Until Detach(), each thread is sampled once in `period_ns` of the time that it is blocked.
  absl::Status Attach(int64_t period_ns);
  void Detach();
  // To be called several times a second meanwhile: else, samples are missed.
  void EmptyKicks();

 private:
  struct LinkDeleter {
    void operator()(bpf_link* link) const;
  };
  struct RingBufferDeleter {
    void operator()(ring_buffer* ring) const;
  };

  explicit OffCpuProbe(sampler_bpf& skeleton) : skeleton_(&skeleton) {}

  sampler_bpf* skeleton_;
  std::vector<UniqueFd> rings_;
  std::unique_ptr<ring_buffer, RingBufferDeleter> kicks_;
  std::vector<std::unique_ptr<bpf_link, LinkDeleter>> links_;
  int64_t detached_ns_ = 0;  // when it was, by the kernel's monotonic clock
};

// CPU time that was spent in the kernel for what was counted.
int64_t SpentNs(const pl_off_cpu_counters& counted);

}  // namespace pilotlight::agent
