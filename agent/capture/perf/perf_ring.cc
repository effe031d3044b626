#include "agent/capture/perf/perf_ring.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace pilotlight::agent {
namespace {

constexpr size_t kWord = sizeof(uint64_t);

}  // namespace

bool PerfRingReader::Drain(absl::FunctionRef<void(absl::Span<const uint64_t>)> visit) {
  // Pairs with the kernel's barrier between writing a record and moving the head
  // (kernel/events/ring_buffer.c).
  const uint64_t head = __atomic_load_n(&control_->data_head, __ATOMIC_ACQUIRE);
  uint64_t tail = control_->data_tail;
  bool whole = head - tail <= data_.size() * kWord && head % kWord == 0 && tail % kWord == 0;
  while (whole && tail < head) {
    perf_event_header header;
    std::memcpy(&header, &data_[tail / kWord % data_.size()], sizeof(header));
    whole = header.size >= sizeof(header) && header.size % kWord == 0 && header.size <= head - tail;
    if (!whole) break;
    visit(Record(tail, header.size / kWord));
    tail += header.size;
  }
  // After the last read: from here on the kernel may write over what was read.
  __atomic_store_n(&control_->data_tail, head, __ATOMIC_RELEASE);
  return whole;
}

absl::Span<const uint64_t> PerfRingReader::Record(uint64_t position, size_t words) {
  const size_t begin = position / kWord % data_.size();
  const size_t before_end = std::min(words, data_.size() - begin);
  if (before_end == words) return data_.subspan(begin, words);
  unwrapped_.assign(data_.begin() + begin, data_.end());
  unwrapped_.insert(unwrapped_.end(), data_.begin(), data_.begin() + (words - before_end));
  return unwrapped_;
}

absl::StatusOr<PerfRing> PerfRing::Map(int event_fd) {
  const size_t page_size = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  void* mapping = mmap(nullptr, page_size + kDataBytes, PROT_READ | PROT_WRITE, MAP_SHARED, event_fd, 0);
  if (mapping != MAP_FAILED) return PerfRing(mapping, page_size);
  if (errno == EPERM) {
    return absl::PermissionDeniedError(absl::StrCat(
        "mapping ", kDataBytes >> 10,
        " KiB of perf ring buffer per CPU: needs a larger kernel.perf_event_mlock_kb, or CAP_IPC_LOCK"));
  }
  return absl::ErrnoToStatus(errno, "mapping a perf ring buffer");
}

PerfRing::PerfRing(void* mapping, size_t page_size)
    : mapping_(mapping),
      page_size_(page_size),
      reader_(static_cast<perf_event_mmap_page*>(mapping),
              {reinterpret_cast<const uint64_t*>(static_cast<const char*>(mapping) + page_size),
               kDataBytes / kWord}) {}

PerfRing::PerfRing(PerfRing&& other) noexcept
    : mapping_(std::exchange(other.mapping_, nullptr)),
      page_size_(other.page_size_),
      reader_(std::move(other.reader_)) {}

PerfRing::~PerfRing() {
  if (mapping_ != nullptr) munmap(mapping_, page_size_ + kDataBytes);
}

}  // namespace pilotlight::agent
