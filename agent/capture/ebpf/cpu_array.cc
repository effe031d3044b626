#include "agent/capture/ebpf/cpu_array.h"

#include <sys/mman.h>

#include <cerrno>
#include <utility>

namespace pilotlight::agent {

absl::StatusOr<CpuArray> CpuArray::Map(int map_fd, size_t size) {
  void* mapping =
      mmap(nullptr, size * sizeof(pl_cpu), PROT_READ | PROT_WRITE, MAP_SHARED, map_fd, /*offset=*/0);
  if (mapping == MAP_FAILED) return absl::ErrnoToStatus(errno, "mapping a BPF array");
  return CpuArray(absl::MakeSpan(static_cast<pl_cpu*>(mapping), size));
}

CpuArray::CpuArray(CpuArray&& other) noexcept : cpus_(std::exchange(other.cpus_, {})) {}

CpuArray::~CpuArray() {
  if (!cpus_.empty()) munmap(cpus_.data(), cpus_.size() * sizeof(pl_cpu));
}

}  // namespace pilotlight::agent
