#include "agent/capture/ebpf/bpf_map.h"

#include <bpf/bpf.h>

#include <cerrno>
#include <cstdint>

namespace pilotlight::agent {
namespace {

constexpr uint32_t kElementsPerCall = 128;

}  // namespace

BpfMapDrain::BpfMapDrain(int map_fd, size_t key_size, size_t value_size)
    : map_fd_(map_fd),
      key_size_(key_size),
      value_size_(value_size),
      keys_(kElementsPerCall * key_size),
      values_(kElementsPerCall * value_size) {}

absl::Status BpfMapDrain::Drain(absl::FunctionRef<void(const void*, const void*)> visit) {
  uint32_t position = 0;  // a hash map's position is the number of a bucket
  void* from = nullptr;   // null starts at the first
  while (true) {
    uint32_t count = static_cast<uint32_t>(keys_.size() / key_size_);
    const int result =
        bpf_map_lookup_and_delete_batch(map_fd_, from, &position, keys_.data(), values_.data(), &count,
                                        /*opts=*/nullptr);
    if (result == -ENOSPC) {
      // One bucket holds more than fits; it is never split.
      keys_.resize(keys_.size() * 2);
      values_.resize(values_.size() * 2);
      continue;
    }
    const bool end = result == -ENOENT;
    if (result != 0 && !end) return absl::ErrnoToStatus(-result, "emptying a BPF map");
    for (size_t i = 0; i < count; ++i) visit(keys_.data() + i * key_size_, values_.data() + i * value_size_);
    if (end) return absl::OkStatus();
    from = &position;
  }
}

}  // namespace pilotlight::agent
