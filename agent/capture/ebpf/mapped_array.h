// A BPF array, mapped: read and written without system calls.
#pragma once

#include <sys/mman.h>

#include <cerrno>
#include <cstddef>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace pilotlight::agent {

// Movable, not thread-safe. The BPF program may use it at any time while it is attached.
template <typename Element>
class MappedArray {
 public:
  static_assert(sizeof(Element) % 8 == 0, "the kernel rounds the distance of elements up");

  // REQUIRES: `map_fd` is an array of `size` elements with BPF_F_MMAPABLE.
  static absl::StatusOr<MappedArray> Map(int map_fd, size_t size) {
    void* mapping =
        ::mmap(nullptr, size * sizeof(Element), PROT_READ | PROT_WRITE, MAP_SHARED, map_fd, /*offset=*/0);
    if (mapping == MAP_FAILED) return absl::ErrnoToStatus(errno, "mapping a BPF array");
    return MappedArray(absl::MakeSpan(static_cast<Element*>(mapping), size));
  }
  MappedArray(MappedArray&& other) noexcept : elements_(std::exchange(other.elements_, {})) {}
  MappedArray& operator=(MappedArray&& other) noexcept {
    std::swap(elements_, other.elements_);
    return *this;
  }
  ~MappedArray() {
    if (!elements_.empty()) ::munmap(elements_.data(), elements_.size() * sizeof(Element));
  }

  absl::Span<Element> elements() const { return elements_; }

 private:
  explicit MappedArray(absl::Span<Element> elements) : elements_(elements) {}

  absl::Span<Element> elements_;
};

}  // namespace pilotlight::agent
