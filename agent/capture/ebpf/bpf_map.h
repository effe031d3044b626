// Reads BPF hash maps empty.
#pragma once

#include <cstddef>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"

namespace pilotlight::agent {

// Empties one hash map, many elements per system call; keeps its buffers for the next time. Not thread-safe.
class BpfMapDrain {
 public:
  // `map_fd` is borrowed. REQUIRES: the sizes are the map's.
  BpfMapDrain(int map_fd, size_t key_size, size_t value_size);

  // Calls `visit` for each element that it removes. What is added meanwhile may stay. The pointers are
  // aligned to 8 bytes when the sizes are multiples of 8, and live during the call.
  absl::Status Drain(absl::FunctionRef<void(const void* key, const void* value)> visit);

 private:
  const int map_fd_;
  const size_t key_size_;
  const size_t value_size_;
  std::vector<char> keys_;
  std::vector<char> values_;
};

}  // namespace pilotlight::agent
