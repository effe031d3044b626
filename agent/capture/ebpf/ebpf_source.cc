#include "agent/capture/ebpf/ebpf_source.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <string>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "agent/capture/monotonic_time.h"
#include "agent/capture/perf_event.h"
#include "agent/capture/stack_aggregator.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "sampler_bpf.skel.h"
#include "spdlog/spdlog.h"

namespace pilotlight::agent {
namespace {

// The initial pid namespace's number, PROC_PID_INIT_INO in include/linux/proc_ns.h.
constexpr ino_t kInitialPidNamespace = 0xEFFFFFFC;

int LogLibbpf(libbpf_print_level level, const char* format, va_list arguments) {
  if (level == LIBBPF_DEBUG) return 0;
  char line[1024];
  const int length = std::vsnprintf(line, sizeof(line), format, arguments);
  // The caller gets one clear error; libbpf's own words are for whoever debugs the program.
  spdlog::debug("{}", std::string(absl::StripTrailingAsciiWhitespace(line)));
  return length;
}

absl::Status LoadError(int error) {
  if (error == EPERM || error == EACCES) {
    const std::string missing = MissingCapabilities({kCapBpf, kCapPerfmon});
    if (!missing.empty()) return absl::PermissionDeniedError(absl::StrCat("eBPF needs ", missing));
    return absl::PermissionDeniedError(
        "the kernel refused the BPF program although the capabilities are there (kernel lockdown, seccomp, "
        "or on "
        "Linux before 5.11 the limit of locked memory, ulimit -l)");
  }
  if (error == EINVAL || error == ENOSYS || error == E2BIG) {
    return absl::UnimplementedError(
        absl::StrCat("eBPF sampling needs Linux 5.8 or later with BPF: ", std::strerror(error)));
  }
  return absl::ErrnoToStatus(error, "loading the BPF program");
}

// Sample-taking events of all CPUs; closing them detaches the program.
absl::StatusOr<std::vector<UniqueFd>> OpenEvents(uint64_t period_ns, int program_fd) {
  ASSIGN_OR_RETURN(const std::vector<int> cpus, OnlineCpus());
  const perf_event_attr attributes = CpuClockAttributes(period_ns);
  std::vector<UniqueFd> events;
  for (const int cpu : cpus) {
    absl::StatusOr<UniqueFd> event = OpenPerfEvent(attributes, /*pid=*/-1, cpu);
    if (absl::IsNotFound(event.status())) continue;  // went offline just now
    RETURN_IF_ERROR(event.status());
    if (ioctl(event->get(), PERF_EVENT_IOC_SET_BPF, program_fd) != 0) {
      return absl::ErrnoToStatus(errno, "attaching the BPF program to a perf event");
    }
    events.push_back(*std::move(event));
  }
  if (events.empty()) return absl::InternalError("no CPU is online");
  return events;
}

absl::Status SwitchEvents(const std::vector<UniqueFd>& events, unsigned long request) {
  for (const UniqueFd& event : events) {
    if (ioctl(event.get(), request, 0) != 0) return absl::ErrnoToStatus(errno, "switching a perf event");
  }
  return absl::OkStatus();
}

pl_counters Difference(const pl_counters& now, const pl_counters& before) {
  return {.runs = now.runs - before.runs,
          .timed_runs = now.timed_runs - before.timed_runs,
          .timed_ns = now.timed_ns - before.timed_ns,
          .counted = now.counted - before.counted,
          .stackless = now.stackless - before.stackless,
          .idle = now.idle - before.idle,
          .not_watched = now.not_watched - before.not_watched,
          .other_namespace = now.other_namespace - before.other_namespace,
          .lost_map_full = now.lost_map_full - before.lost_map_full,
          .lost_map_busy = now.lost_map_busy - before.lost_map_busy,
          .unannounced = now.unannounced - before.unannounced};
}

void Accumulate(pl_counters& sum, const pl_counters& more) {
  sum.runs += more.runs;
  sum.timed_runs += more.timed_runs;
  sum.timed_ns += more.timed_ns;
  sum.counted += more.counted;
  sum.stackless += more.stackless;
  sum.idle += more.idle;
  sum.not_watched += more.not_watched;
  sum.other_namespace += more.other_namespace;
  sum.lost_map_full += more.lost_map_full;
  sum.lost_map_busy += more.lost_map_busy;
  sum.unannounced += more.unannounced;
}

void AddLoss(Capture& capture, const char* reason, uint64_t count) {
  if (count > 0) capture.lost.push_back({.reason = reason, .count = count});
}

}  // namespace

// Tells the observer of each process once per window, however many ways it becomes known.
class EbpfSource::Announcer {
 public:
  void BeginWindow(ProcessObserver* observer) {
    observer_ = observer;
    announced_.clear();
  }
  void EndWindow() { observer_ = nullptr; }

  void Announce(pid_t pid, absl::string_view comm) {
    if (observer_ == nullptr || !announced_.insert(pid).second) return;
    if (comm.empty()) {
      observer_->OnProcess(pid);
    } else {
      observer_->OnNamedProcess(pid, comm);
    }
  }

  static int OnRecord(void* announcer, void* data, size_t size) {
    pl_new_process record;
    if (size < sizeof(record)) return 0;
    std::memcpy(&record, data, sizeof(record));
    static_cast<Announcer*>(announcer)->Announce(
        static_cast<pid_t>(record.tgid),
        absl::string_view(record.comm, strnlen(record.comm, sizeof(record.comm))));
    return 0;
  }

 private:
  ProcessObserver* observer_ = nullptr;
  absl::flat_hash_set<pid_t> announced_;
};

void EbpfSource::SkeletonDeleter::operator()(sampler_bpf* skeleton) const { sampler_bpf::destroy(skeleton); }
void EbpfSource::RingBufferDeleter::operator()(ring_buffer* ring) const { ring_buffer__free(ring); }

absl::StatusOr<std::unique_ptr<EbpfSource>> EbpfSource::Create(const EbpfLimits& limits) {
  libbpf_set_print(LogLibbpf);
  Skeleton skeleton(sampler_bpf::open(nullptr));
  if (skeleton == nullptr) return LoadError(errno);
  bpf_map__set_max_entries(skeleton->maps.stacks, limits.max_stacks);
  bpf_map__set_max_entries(skeleton->maps.processes, limits.max_processes);
  skeleton->rodata->has_task_pt_regs =
      libbpf_probe_bpf_helper(BPF_PROG_TYPE_PERF_EVENT, BPF_FUNC_task_pt_regs, /*opts=*/nullptr) == 1;
  struct stat pid_namespace {};
  if (stat("/proc/self/ns/pid", &pid_namespace) == 0 && pid_namespace.st_ino != kInitialPidNamespace) {
    skeleton->rodata->pid_namespace_device = pid_namespace.st_dev;
    skeleton->rodata->pid_namespace_inode = pid_namespace.st_ino;
    spdlog::info("ebpf: only processes of the agent's own pid namespace are seen (hostPID would show all)");
  }
  if (const int error = sampler_bpf::load(skeleton.get()); error != 0) return LoadError(-error);
  std::unique_ptr<EbpfSource> source(new EbpfSource(limits, std::move(skeleton)));
  RETURN_IF_ERROR(source->OpenRing());
  // Opened and closed for the error: the rights to load and to sample are not the same.
  RETURN_IF_ERROR(OpenEvents(CpuClockPeriodNs(1), source->program_fd()).status());
  return source;
}

EbpfSource::EbpfSource(const EbpfLimits& limits, Skeleton skeleton)
    : limits_(limits),
      max_stack_frames_(MaxStackFrames()),
      possible_cpus_(libbpf_num_possible_cpus()),
      skeleton_(std::move(skeleton)),
      announcer_(std::make_unique<Announcer>()),
      stacks_(bpf_map__fd(skeleton_->maps.stacks), sizeof(pl_stack_key), sizeof(pl_stack)),
      processes_(bpf_map__fd(skeleton_->maps.processes), sizeof(uint32_t), sizeof(uint64_t)),
      watched_(bpf_map__fd(skeleton_->maps.watched), sizeof(uint32_t), sizeof(uint8_t)),
      go_programs_(bpf_map__fd(skeleton_->maps.go_programs), sizeof(uint32_t), sizeof(pl_go_program)) {}

EbpfSource::~EbpfSource() = default;

int EbpfSource::program_fd() const { return bpf_program__fd(skeleton_->progs.take_sample_at_tick); }

absl::Status EbpfSource::OpenRing() {
  if (possible_cpus_ <= 0) return absl::InternalError("the number of possible CPUs is not known");
  new_processes_.reset(ring_buffer__new(bpf_map__fd(skeleton_->maps.new_processes), &Announcer::OnRecord,
                                        announcer_.get(), /*opts=*/nullptr));
  if (new_processes_ == nullptr) return absl::ErrnoToStatus(errno, "mapping the BPF ring buffer");
  return absl::OkStatus();
}

absl::StatusOr<Capture> EbpfSource::Run(const CaptureOptions& options, ProcessObserver& observer,
                                        const StopSignal& stop) {
  RETURN_IF_ERROR(CheckFrequency(options.frequency_hz));
  if (!drained_) {
    // Announces to nobody: outside a window the announcer has no observer.
    ring_buffer__consume(new_processes_.get());
    Capture discarded;
    RETURN_IF_ERROR(DrainStacks(discarded));
  }
  RETURN_IF_ERROR(Watch(options));
  ASSIGN_OR_RETURN(const pl_counters before, ReadCounters());
  absl::BitGen random;
  SamplingClock clock(options.frequency_hz, MonotonicTime::Now(), random);
  ASSIGN_OR_RETURN(std::vector<UniqueFd> events, OpenEvents(clock.period_ns(), program_fd()));

  drained_ = false;
  announcer_->BeginWindow(&observer);
  Capture capture;
  capture.start = absl::Now();
  capture.period_ns = CpuClockPeriodNs(options.frequency_hz);
  absl::Status status = SwitchEvents(events, PERF_EVENT_IOC_ENABLE);
  const MonotonicTime began = MonotonicTime::Now();
  if (status.ok() && options.on_started) options.on_started();
  if (status.ok()) status = WaitForEnd(began + options.duration, clock, events, stop);
  capture.duration = MonotonicTime::Now() - began;
  SwitchEvents(events, PERF_EVENT_IOC_DISABLE).IgnoreError();  // closing does it too, one after the other
  events.clear();

  if (status.ok()) {
    ring_buffer__consume(new_processes_.get());
    status = DrainStacks(capture);
  }
  // Those that found no room in the ring buffer.
  for (const ProcessSamples& process : capture.processes) announcer_->Announce(process.pid, /*comm=*/"");
  announcer_->EndWindow();
  RETURN_IF_ERROR(status);

  ASSIGN_OR_RETURN(const pl_counters after, ReadCounters());
  const pl_counters window = Difference(after, before);
  if (window.timed_runs > 0) {
    capture.kernel_time = absl::Nanoseconds(window.timed_ns) * window.runs / window.timed_runs;
  }
  AddLoss(capture, "map_full", window.lost_map_full);
  AddLoss(capture, "map_busy", window.lost_map_busy);
  if (options.pids.empty()) AddLoss(capture, "other_pid_namespace", window.other_namespace);
  return capture;
}

void EbpfSource::OnGoProgram(pid_t pid, const GoProgram& program) {
  const uint32_t tgid = static_cast<uint32_t>(pid);
  const pl_go_program value = {
      .mcall_start = program.mcall_start, .mcall_bytes = program.mcall_bytes, .gobuf_bp = program.gobuf_bp};
  // Without it the stacks of the process end at runtime.mcall, and metrics say how many do.
  const int error =
      bpf_map__update_elem(skeleton_->maps.go_programs, &tgid, sizeof(tgid), &value, sizeof(value), BPF_ANY);
  if (error != 0) spdlog::debug("ebpf: process {} will not be joined at runtime.mcall: {}", pid, error);
}

void EbpfSource::ForgetGoPrograms() {
  go_programs_.Drain([](const void*, const void*) {}).IgnoreError();  // then they are overwritten later
}

absl::Status EbpfSource::Watch(const CaptureOptions& options) {
  RETURN_IF_ERROR(watched_.Drain([](const void*, const void*) {}));
  for (const pid_t pid : options.pids) {
    const uint32_t tgid = static_cast<uint32_t>(pid);
    const uint8_t watched = 1;
    const int error = bpf_map__update_elem(skeleton_->maps.watched, &tgid, sizeof(tgid), &watched,
                                           sizeof(watched), BPF_ANY);
    if (error != 0) {
      return absl::ErrnoToStatus(-error, absl::StrCat("watching ", options.pids.size(), " processes"));
    }
  }
  skeleton_->bss->only_watched = options.pids.empty() ? 0 : 1;
  skeleton_->bss->without_kernel_frames = options.kernel_frames ? 0 : 1;
  return absl::OkStatus();
}

absl::Status EbpfSource::WaitForEnd(MonotonicTime deadline, SamplingClock& clock,
                                    const std::vector<UniqueFd>& events, const StopSignal& stop) {
  pollfd descriptors[] = {
      {.fd = stop.fd(), .events = POLLIN, .revents = 0},
      {.fd = ring_buffer__epoll_fd(new_processes_.get()), .events = POLLIN, .revents = 0}};
  while (true) {
    const MonotonicTime now = MonotonicTime::Now();
    if (deadline - now <= absl::ZeroDuration() || stop.stopped()) return absl::OkStatus();
    if (clock.Left(now) <= absl::ZeroDuration()) {
      clock.Advance(now);
      for (const UniqueFd& event : events) RETURN_IF_ERROR(SetPeriod(event.get(), clock.period_ns()));
    }
    const timespec timeout = absl::ToTimespec(std::min(deadline - now, clock.Left(now)));
    if (ppoll(descriptors, std::size(descriptors), &timeout, /*sigmask=*/nullptr) < 0 && errno != EINTR) {
      return absl::ErrnoToStatus(errno, "waiting for the window's end");
    }
    if (descriptors[1].revents != 0) ring_buffer__consume(new_processes_.get());
  }
}

absl::Status EbpfSource::DrainStacks(Capture& capture) {
  // The kernel's maps are the limit; what they held fits.
  StackAggregator aggregator(
      {.max_stacks = limits_.max_stacks, .max_processes = limits_.max_stacks + limits_.max_processes});
  const uint32_t kernel_limit = std::min<uint32_t>(PL_MAX_KERNEL_FRAMES, max_stack_frames_);
  RETURN_IF_ERROR(stacks_.Drain([&](const void* key_bytes, const void* stack_bytes) {
    const auto& key = *static_cast<const pl_stack_key*>(key_bytes);
    const auto& stack = *static_cast<const pl_stack*>(stack_bytes);
    CHECK(stack.n_user <= PL_MAX_USER_FRAMES &&
          stack.n_kernel <= PL_MAX_KERNEL_FRAMES);  // our own program wrote them
    const absl::Span<const uint64_t> frames(reinterpret_cast<const uint64_t*>(stack.frames), PL_MAX_FRAMES);
    aggregator.Add(static_cast<pid_t>(key.tgid),
                   {.user = frames.subspan(0, stack.n_user),
                    .kernel = frames.subspan(PL_FIRST_KERNEL_FRAME, stack.n_kernel),
                    .truncated = stack.n_user >= PL_MAX_USER_FRAMES || stack.n_kernel >= kernel_limit,
                    .joined_at_mcall = stack.joined != 0},
                   stack.count);
  }));
  RETURN_IF_ERROR(processes_.Drain([&](const void* key_bytes, const void* value_bytes) {
    uint32_t tgid = 0;
    uint64_t stackless = 0;
    std::memcpy(&tgid, key_bytes, sizeof(tgid));
    std::memcpy(&stackless, value_bytes, sizeof(stackless));
    if (stackless > 0) aggregator.AddStackless(static_cast<pid_t>(tgid), stackless);
  }));
  drained_ = true;
  capture.processes = std::move(aggregator).Take();
  return absl::OkStatus();
}

absl::StatusOr<pl_counters> EbpfSource::ReadCounters() const {
  std::vector<pl_cpu> cpus(static_cast<size_t>(possible_cpus_));
  const uint32_t only = 0;
  const int error = bpf_map__lookup_elem(skeleton_->maps.cpus, &only, sizeof(only), cpus.data(),
                                         cpus.size() * sizeof(pl_cpu), /*flags=*/0);
  if (error != 0) return absl::ErrnoToStatus(-error, "reading the BPF program's counters");
  pl_counters sum{};
  for (const pl_cpu& cpu : cpus) Accumulate(sum, cpu.counters);
  return sum;
}

}  // namespace pilotlight::agent
