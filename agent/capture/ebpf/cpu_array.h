// The BPF program's array `cpus`, mapped: read and cleared without system calls.
#pragma once

#include <cstddef>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "agent/capture/bpf/abi.h"

namespace pilotlight::agent {

// Movable, not thread-safe. The program may change it at any time while it is attached.
class CpuArray {
 public:
  // REQUIRES: `map_fd` is an array of `size` elements pl_cpu with BPF_F_MMAPABLE.
  static absl::StatusOr<CpuArray> Map(int map_fd, size_t size);
  CpuArray(CpuArray&& other) noexcept;
  CpuArray& operator=(CpuArray&& other) = delete;
  ~CpuArray();

  absl::Span<pl_cpu> cpus() const { return cpus_; }

 private:
  explicit CpuArray(absl::Span<pl_cpu> cpus) : cpus_(cpus) {}

  absl::Span<pl_cpu> cpus_;
};

}  // namespace pilotlight::agent
