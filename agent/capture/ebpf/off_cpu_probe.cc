#include "agent/capture/ebpf/off_cpu_probe.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "sampler_bpf.skel.h"

namespace pilotlight::agent {
namespace {

// Windows that are no further apart are one: a wait that began in the one before is counted whole.
constexpr int64_t kPauseNs = 100'000'000;

int64_t KernelNowNs() {
  timespec now{};
  CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);  // as bpf_ktime_get_ns() has it
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

uint32_t PageBytes() { return static_cast<uint32_t>(sysconf(_SC_PAGESIZE)); }

int Ignore(void* /*context*/, void* /*record*/, size_t /*size*/) { return 0; }

}  // namespace

void OffCpuProbe::LinkDeleter::operator()(bpf_link* link) const { bpf_link__destroy(link); }
void OffCpuProbe::RingBufferDeleter::operator()(ring_buffer* ring) const { ring_buffer__free(ring); }

void OffCpuProbe::Choose(sampler_bpf& skeleton, bool wanted, int possible_cpus) {
  bpf_program__set_autoload(skeleton.progs.see_switch, wanted);
  bpf_program__set_autoload(skeleton.progs.look_at_blocked, wanted);
  bpf_map__set_autocreate(skeleton.maps.blocked, wanted);
  bpf_map__set_autocreate(skeleton.maps.kicks, wanted);
  bpf_map__set_max_entries(skeleton.maps.kicks, static_cast<uint32_t>(possible_cpus));
}

absl::StatusOr<OffCpuProbe> OffCpuProbe::Create(sampler_bpf& skeleton, int possible_cpus) {
  OffCpuProbe probe(skeleton);
  for (int cpu = 0; cpu < possible_cpus; ++cpu) {
    UniqueFd ring(bpf_map_create(BPF_MAP_TYPE_RINGBUF, "kick", 0, 0, PageBytes(), /*opts=*/nullptr));
    if (!ring.valid()) return absl::ErrnoToStatus(errno, "creating a BPF ring buffer");
    const int fd = ring.get();
    if (bpf_map__update_elem(skeleton.maps.kicks, &cpu, sizeof(cpu), &fd, sizeof(fd), BPF_ANY) != 0) {
      return absl::ErrnoToStatus(errno, "handing a BPF ring buffer over");
    }
    if (probe.kicks_ == nullptr) {
      probe.kicks_.reset(ring_buffer__new(fd, &Ignore, /*ctx=*/nullptr, /*opts=*/nullptr));
      if (probe.kicks_ == nullptr) return absl::ErrnoToStatus(errno, "mapping a BPF ring buffer");
    } else if (const int error = ring_buffer__add(probe.kicks_.get(), fd, &Ignore, /*ctx=*/nullptr);
               error != 0) {
      return absl::ErrnoToStatus(-error, "mapping a BPF ring buffer");
    }
    probe.rings_.push_back(std::move(ring));
  }
  return probe;
}

absl::Status OffCpuProbe::Attach(int64_t period_ns) {
  const int64_t now = KernelNowNs();
  if (now - detached_ns_ > kPauseNs) skeleton_->bss->off_cpu_since_ns = now;
  skeleton_->bss->off_cpu_period_ns = period_ns;
  // Who looks comes before who asks for it.
  for (const bpf_program* program : {skeleton_->progs.look_at_blocked, skeleton_->progs.see_switch}) {
    bpf_link* const link = bpf_program__attach(program);
    if (link == nullptr) {
      const int error = errno;
      Detach();
      return absl::ErrnoToStatus(error, absl::StrCat("attaching ", bpf_program__section_name(program)));
    }
    links_.emplace_back(link);
  }
  return absl::OkStatus();
}

void OffCpuProbe::Detach() {
  skeleton_->bss->off_cpu_period_ns = 0;
  while (!links_.empty()) links_.pop_back();
  detached_ns_ = KernelNowNs();
  EmptyKicks();
}

void OffCpuProbe::EmptyKicks() { ring_buffer__consume(kicks_.get()); }

int64_t SpentNs(const pl_off_cpu_counters& counted) {
  const uint64_t switches =
      counted.timed_switches == 0 ? 0 : counted.timed_ns * counted.switches / counted.timed_switches;
  return static_cast<int64_t>(switches + counted.kept_ns);
}

}  // namespace pilotlight::agent
