// The ring buffer that the kernel fills and user space empties, one per CPU.
#pragma once

#include <linux/perf_event.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace pilotlight::agent {

// Reads one ring. Not thread-safe beside the kernel as the only writer.
class PerfRingReader {
 public:
  // Both are borrowed. REQUIRES: the number of words is a power of two.
  PerfRingReader(perf_event_mmap_page* control, absl::Span<const uint64_t> data)
      : control_(control), data_(data) {}

  // Calls `visit` with each whole record and gives its room back. False when what is there cannot be cut into
  // records: then all of it is dropped. A view lives during the call.
  bool Drain(absl::FunctionRef<void(absl::Span<const uint64_t> record)> visit);

 private:
  absl::Span<const uint64_t> Record(uint64_t position, size_t words);

  perf_event_mmap_page* control_;
  absl::Span<const uint64_t> data_;
  std::vector<uint64_t> unwrapped_;  // a record that goes over the buffer's end
};

// The mapping of one event's ring; several events of a CPU may write to it (PERF_EVENT_IOC_SET_OUTPUT).
class PerfRing {
 public:
  // Room for more than a second of the deepest stacks (1.1 kB) at 99 Hz; drained twice a second. With its
  // control page it also fits into what kernel.perf_event_mlock_kb (516 by default) lets anyone have for each
  // CPU.
  static constexpr size_t kDataBytes = size_t{128} << 10;

  static absl::StatusOr<PerfRing> Map(int event_fd);
  PerfRing(PerfRing&& other) noexcept;
  PerfRing& operator=(PerfRing&&) = delete;
  ~PerfRing();

  PerfRingReader& reader() { return reader_; }

 private:
  PerfRing(void* mapping, size_t page_size);

  void* mapping_;
  size_t page_size_;
  PerfRingReader reader_;
};

}  // namespace pilotlight::agent
