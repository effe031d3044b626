#include "agent/capture/ebpf/ebpf_source.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <poll.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <string>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "agent/capture/ebpf/counters.h"
#include "agent/capture/ebpf/off_cpu_source.h"
#include "agent/capture/ebpf/pid_namespace.h"
#include "agent/capture/ebpf/wait_reason.h"
#include "agent/capture/monotonic_time.h"
#include "agent/capture/perf_event.h"
#include "agent/capture/stack_aggregator.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "sampler_bpf.skel.h"
#include "spdlog/spdlog.h"

namespace pilotlight::agent {
namespace {

// Functions of Python are named so soon after their first sample: what is imported, or ends, is gone then.
constexpr absl::Duration kPythonTick = absl::Milliseconds(100);

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

uint32_t RecordBytes(int possible_cpus) {
  constexpr uint32_t kPerCpu = 64 << 10;
  return std::max<uint32_t>(256 << 10, std::bit_ceil(static_cast<uint32_t>(possible_cpus)) * kPerCpu);
}

absl::Status SwitchEvents(const std::vector<UniqueFd>& events, unsigned long request) {
  for (const UniqueFd& event : events) {
    if (ioctl(event.get(), request, 0) != 0) return absl::ErrnoToStatus(errno, "switching a perf event");
  }
  return absl::OkStatus();
}

void AddLoss(Capture& capture, const char* reason, uint64_t count) {
  if (count > 0) capture.lost.push_back({.reason = reason, .count = count});
}

pl_go_program ToBpf(const GoProgram& program) {
  pl_go_program result = {.start = program.mcall.start,
                          .gobuf_bp = program.gobuf_bp,
                          .m_curg = program.m_curg,
                          .unused = 0,
                          .text_start = program.text_start,
                          .text_bytes = program.text_bytes};
  const auto place = [&](const GoProgram::Function& function) {
    if (function.bytes == 0) return pl_go_function{};
    const pl_go_function placed = {static_cast<uint32_t>(function.start - program.mcall.start),
                                   function.bytes};
    result.switches_bytes = std::max(result.switches_bytes, placed.start + placed.bytes);
    return placed;
  };
  result.mcall = place(program.mcall);
  result.morestack = place(program.morestack);
  result.systemstack = place(program.systemstack);
  return result;
}

}  // namespace

// What one window has seen so far. Tells the observer of each process once, however many ways it becomes
// known.
class EbpfSource::Window {
 public:
  Window(const EbpfLimits& limits, size_t slots, uint32_t max_stack_frames, ProcessObserver& observer,
         PythonPrograms& python_programs, JvmPrograms& jvm_programs)
      : max_stack_frames_(max_stack_frames),
        max_kernel_frames_(std::min<uint32_t>(PL_MAX_KERNEL_FRAMES, max_stack_frames)),
        observer_(observer),
        python_programs_(python_programs),
        jvm_programs_(jvm_programs),
        aggregator_({.max_stacks = limits.max_stacks, .max_processes = limits.max_processes}),
        positions_(slots) {}

  void OnNewProcess(const pl_new_process& record) {
    Announce(static_cast<pid_t>(record.tgid),
             absl::string_view(record.comm, strnlen(record.comm, sizeof(record.comm))));
  }

  void OnStack(const pl_stack& stack) {
    const absl::Span<const uint64_t> frames(reinterpret_cast<const uint64_t*>(stack.frames), PL_MAX_FRAMES);
    const pid_t pid = static_cast<pid_t>(stack.tgid);
    const bool walked_by_kernel = stack.end == PL_END_UNKNOWN;
    const StackAggregator::Position position =
        aggregator_.Add(pid,
                        {.user = jvm_programs_.Name(
                             pid, python_programs_.Name(pid, frames.subspan(0, stack.n_user), stack.flags)),
                         .kernel = frames.subspan(stack.n_user, stack.n_kernel),
                         .truncated = stack.end == PL_END_TRUNCATED ||
                                      (walked_by_kernel && stack.n_user >= max_stack_frames_) ||
                                      stack.n_kernel >= max_kernel_frames_,
                         .joined = (stack.flags & PL_STACK_JOINED) != 0,
                         .with_top = (stack.flags & PL_STACK_WITH_TOP) != 0,
                         .broken = stack.end >= PL_END_UNMAPPED && stack.end != PL_END_GO_SWITCH,
                         .wait_reason = WaitReason(stack.wait)},
                        stack.count);
    if (stack.end == PL_END_UNMAPPED) observer_.OnUnmappedCode(pid);
    if (stack.slot != PL_NO_SLOT) positions_[stack.slot] = position;
  }

  void OnRepeats(size_t slot, uint64_t count) { aggregator_.AddMore(positions_[slot], count); }
  void OnStackless(pid_t pid, uint64_t count) { aggregator_.AddStackless(pid, count); }

  uint64_t lost() const { return aggregator_.lost(); }

  std::vector<ProcessSamples> Finish() && {
    std::vector<ProcessSamples> processes = std::move(aggregator_).Take();
    // Those that found no room in the ring buffer.
    for (const ProcessSamples& process : processes) Announce(process.pid, /*comm=*/"");
    return processes;
  }

 private:
  void Announce(pid_t pid, absl::string_view comm) {
    if (!announced_.insert(pid).second) return;
    if (comm.empty()) {
      observer_.OnProcess(pid);
    } else {
      observer_.OnNamedProcess(pid, comm);
    }
  }

  const uint32_t max_stack_frames_;  // of the kernel's own walks
  const uint32_t max_kernel_frames_;
  ProcessObserver& observer_;
  PythonPrograms& python_programs_;
  JvmPrograms& jvm_programs_;
  StackAggregator aggregator_;
  std::vector<StackAggregator::Position> positions_;  // of the stacks in the slots of all CPUs
  absl::flat_hash_set<pid_t> announced_;
};

int EbpfSource::OnRecord(void* source, void* data, size_t size) {
  Window* window = static_cast<EbpfSource*>(source)->window_;
  if (window == nullptr) return 0;
  uint32_t kind = 0;
  CHECK(size >= sizeof(kind));  // our own program wrote it
  std::memcpy(&kind, data, sizeof(kind));
  if (kind == PL_KIND_NEW_PROCESS) {
    CHECK(size >= sizeof(pl_new_process));
    window->OnNewProcess(*static_cast<const pl_new_process*>(data));
  } else {
    const pl_stack& stack = *static_cast<const pl_stack*>(data);
    CHECK(size >= PL_STACK_HEADER_BYTES &&
          size >= PL_STACK_HEADER_BYTES + (stack.n_user + stack.n_kernel) * sizeof(uint64_t));
    window->OnStack(stack);
  }
  return 0;
}

void EbpfSource::SkeletonDeleter::operator()(sampler_bpf* skeleton) const { sampler_bpf::destroy(skeleton); }
void EbpfSource::RingBufferDeleter::operator()(ring_buffer* ring) const { ring_buffer__free(ring); }

absl::StatusOr<std::unique_ptr<EbpfSource>> EbpfSource::Create(const EbpfLimits& limits, bool off_cpu) {
  libbpf_set_print(LogLibbpf);
  Skeleton skeleton(sampler_bpf::open(nullptr));
  if (skeleton == nullptr) return LoadError(errno);
  const int possible_cpus = libbpf_num_possible_cpus();
  if (possible_cpus <= 0) return absl::InternalError("the number of possible CPUs is not known");
  const uint32_t record_bytes = limits.record_bytes != 0 ? limits.record_bytes : RecordBytes(possible_cpus);
  bpf_map__set_max_entries(skeleton->maps.cpus, static_cast<uint32_t>(possible_cpus));
  bpf_map__set_max_entries(skeleton->maps.records, record_bytes);
  bpf_map__set_max_entries(skeleton->maps.processes, limits.max_processes);
  skeleton->rodata->records_to_wake = record_bytes / 2;
  skeleton->rodata->has_task_pt_regs =
      libbpf_probe_bpf_helper(BPF_PROG_TYPE_PERF_EVENT, BPF_FUNC_task_pt_regs, /*opts=*/nullptr) == 1;
  if (off_cpu && skeleton->rodata->has_task_pt_regs == 0) {
    return absl::UnimplementedError("off-CPU profiles need Linux 5.15 or later");
  }
  OffCpuProbe::Choose(*skeleton, off_cpu, possible_cpus);
  if (SetPidNamespace(*skeleton->rodata)) {
    spdlog::info("ebpf: only processes of the agent's own pid namespace are seen (hostPID would show all)");
  }
  if (const int error = sampler_bpf::load(skeleton.get()); error != 0) return LoadError(-error);
  ASSIGN_OR_RETURN(MappedArray<pl_cpu> cpus,
                   MappedArray<pl_cpu>::Map(bpf_map__fd(skeleton->maps.cpus), possible_cpus));
  ASSIGN_OR_RETURN(UnwindMaps unwind_maps, UnwindMaps::Create(*skeleton));
  std::unique_ptr<EbpfSource> source(
      new EbpfSource(limits, std::move(skeleton), std::move(cpus), std::move(unwind_maps)));
  RETURN_IF_ERROR(source->OpenRing());
  // Opened and closed for the error: the rights to load and to sample are not the same.
  RETURN_IF_ERROR(OpenEvents(CpuClockPeriodNs(1), source->program_fd()).status());
  if (off_cpu) {
    ASSIGN_OR_RETURN(source->off_cpu_probe_, OffCpuProbe::Create(*source->skeleton_, possible_cpus));
    RETURN_IF_ERROR(source->off_cpu_probe_->Attach(/*period_ns=*/0));  // for the error, too
    source->off_cpu_probe_->Detach();
    source->off_cpu_ = std::make_unique<OffCpuSource>(*source);
  }
  return source;
}

EbpfSource::EbpfSource(const EbpfLimits& limits, Skeleton skeleton, MappedArray<pl_cpu> cpus,
                       UnwindMaps unwind_maps)
    : limits_(limits),
      max_stack_frames_(MaxStackFrames()),
      skeleton_(std::move(skeleton)),
      cpus_(std::move(cpus)),
      processes_(bpf_map__fd(skeleton_->maps.processes), sizeof(uint32_t), sizeof(uint64_t)),
      watched_(bpf_map__fd(skeleton_->maps.watched), sizeof(uint32_t), sizeof(uint8_t)),
      go_programs_(bpf_map__fd(skeleton_->maps.go_programs), sizeof(uint32_t), sizeof(pl_go_program)),
      unwind_maps_(std::move(unwind_maps)),
      python_programs_(*skeleton_, interpreted_),
      jvm_programs_(*skeleton_, interpreted_) {}

EbpfSource::~EbpfSource() = default;

int EbpfSource::program_fd() const { return bpf_program__fd(skeleton_->progs.take_sample_at_tick); }

absl::Status EbpfSource::OpenRing() {
  records_.reset(ring_buffer__new(bpf_map__fd(skeleton_->maps.records), &OnRecord, this, /*opts=*/nullptr));
  if (records_ == nullptr) return absl::ErrnoToStatus(errno, "mapping the BPF ring buffer");
  return absl::OkStatus();
}

// What a window's samples are due by.
struct EbpfSource::Clock {
  ProfileType type;
  int64_t period_ns;
  std::function<absl::Status()> attach;
  // Returns when the window is to end.
  std::function<absl::Status(MonotonicTime deadline)> wait;
  // To be called after a failed `attach` or `wait` too.
  std::function<void()> detach;
};

absl::StatusOr<Capture> EbpfSource::TakeWindow(const CaptureOptions& options, ProcessObserver& observer,
                                               const Clock& clock) {
  if (!drained_) RETURN_IF_ERROR(Drain());  // to nobody
  RETURN_IF_ERROR(Watch(options));
  const pl_counters before = ReadCounters();
  drained_ = false;
  Window window(limits_, cpus_.elements().size() * PL_SLOTS, max_stack_frames_, observer, python_programs_,
                jvm_programs_);
  interpreted_.Take();
  python_programs_.BeginWindow();
  jvm_programs_.BeginWindow();
  window_ = &window;
  const absl::Cleanup close_window = [this] { window_ = nullptr; };
  absl::Cleanup detach = clock.detach;
  Capture capture;
  capture.start = absl::Now();
  capture.type = clock.type;
  capture.period_ns = clock.period_ns;
  RETURN_IF_ERROR(clock.attach());
  const MonotonicTime began = MonotonicTime::Now();
  if (options.on_started) options.on_started();
  RETURN_IF_ERROR(clock.wait(began + options.duration));
  capture.duration = MonotonicTime::Now() - began;
  std::move(detach).Invoke();

  RETURN_IF_ERROR(Drain());
  drained_ = true;
  const pl_counters counted = Difference(ReadCounters(), before);
  if (counted.timed_runs > 0) {
    capture.kernel_time = absl::Nanoseconds(counted.timed_ns) * counted.runs / counted.timed_runs;
  }
  AddLoss(capture, "map_full", counted.lost + window.lost());
  if (options.pids.empty()) AddLoss(capture, "other_pid_namespace", counted.other_namespace);
  capture.processes = std::move(window).Finish();
  capture.interpreted = interpreted_.Take();
  return capture;
}

absl::StatusOr<Capture> EbpfSource::Run(const CaptureOptions& options, ProcessObserver& observer,
                                        const StopSignal& stop) {
  RETURN_IF_ERROR(CheckFrequency(options.frequency_hz));
  absl::BitGen random;
  SamplingClock periods(options.frequency_hz, MonotonicTime::Now(), random);
  ASSIGN_OR_RETURN(std::vector<UniqueFd> events, OpenEvents(periods.period_ns(), program_fd()));
  const auto wait = [&](MonotonicTime deadline) -> absl::Status {
    while (true) {
      const MonotonicTime now = MonotonicTime::Now();
      ASSIGN_OR_RETURN(const bool goes_on, WaitUntil(now + periods.Left(now), deadline, stop));
      if (!goes_on) return absl::OkStatus();
      periods.Advance(MonotonicTime::Now());
      for (const UniqueFd& event : events) RETURN_IF_ERROR(SetPeriod(event.get(), periods.period_ns()));
    }
  };
  return TakeWindow(options, observer,
                    {.type = {},
                     .period_ns = CpuClockPeriodNs(options.frequency_hz),
                     .attach = [&events] { return SwitchEvents(events, PERF_EVENT_IOC_ENABLE); },
                     .wait = wait,
                     .detach =
                         [&events] {
                           // Closing does it too, one after the other.
                           SwitchEvents(events, PERF_EVENT_IOC_DISABLE).IgnoreError();
                           events.clear();
                         }});
}

absl::StatusOr<Capture> EbpfSource::RunOffCpu(const CaptureOptions& options, ProcessObserver& observer,
                                              const StopSignal& stop) {
  RETURN_IF_ERROR(CheckFrequency(options.off_cpu_frequency_hz));
  // Kicks are to be emptied, and the cost to be looked at.
  constexpr absl::Duration kTick = absl::Milliseconds(200);
  const int64_t period_ns = CpuClockPeriodNs(options.off_cpu_frequency_hz);
  const pl_off_cpu_counters before = off_cpu_counters();
  const auto cost = [&] { return absl::Nanoseconds(SpentNs(Difference(off_cpu_counters(), before))); };
  const auto wait = [&](MonotonicTime deadline) -> absl::Status {
    while (true) {
      ASSIGN_OR_RETURN(const bool goes_on, WaitUntil(MonotonicTime::Now() + kTick, deadline, stop));
      if (!goes_on || cost() > options.max_kernel_time) return absl::OkStatus();
      off_cpu_probe_->EmptyKicks();
    }
  };
  ASSIGN_OR_RETURN(Capture capture, TakeWindow(options, observer,
                                               {.type = OffCpuType(),
                                                .period_ns = period_ns,
                                                .attach = [&] { return off_cpu_probe_->Attach(period_ns); },
                                                .wait = wait,
                                                .detach = [this] { off_cpu_probe_->Detach(); }}));
  const pl_off_cpu_counters counted = Difference(off_cpu_counters(), before);
  capture.kernel_time = cost();
  AddLoss(capture, "above_ceiling", counted.above_ceiling);
  AddLoss(capture, "missed", counted.missed);
  return capture;
}

void EbpfSource::OnGoProgram(pid_t pid, const GoProgram& program) {
  const uint32_t tgid = static_cast<uint32_t>(pid);
  const pl_go_program value = ToBpf(program);
  // Without it the stacks of the process end where it goes over to g0, and metrics say how many do at mcall.
  const int error =
      bpf_map__update_elem(skeleton_->maps.go_programs, &tgid, sizeof(tgid), &value, sizeof(value), BPF_ANY);
  if (error != 0) spdlog::debug("ebpf: process {} will not be joined at runtime.mcall: {}", pid, error);
  ++skeleton_->bss->programs_generation;
}

void EbpfSource::ForgetGoPrograms() {
  go_programs_.Drain([](const void*, const void*) {}).IgnoreError();  // then they are overwritten later
  ++skeleton_->bss->programs_generation;
}

void EbpfSource::OnPythonProgram(pid_t pid, const PythonRuntime& runtime) {
  python_programs_.Add(pid, runtime);
}

void EbpfSource::ForgetPythonPrograms() { python_programs_.Forget(); }

void EbpfSource::OnJvm(pid_t pid, const HotSpotSymbols& symbols) { jvm_programs_.Add(pid, symbols); }

void EbpfSource::ForgetJvm(pid_t pid) { jvm_programs_.Forget(pid); }

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

absl::StatusOr<bool> EbpfSource::WaitUntil(MonotonicTime wake_up, MonotonicTime deadline,
                                           const StopSignal& stop) {
  pollfd descriptors[] = {{.fd = stop.fd(), .events = POLLIN, .revents = 0},
                          {.fd = ring_buffer__epoll_fd(records_.get()), .events = POLLIN, .revents = 0}};
  while (true) {
    const MonotonicTime now = MonotonicTime::Now();
    if (deadline - now <= absl::ZeroDuration() || stop.stopped()) return false;
    if (wake_up - now <= absl::ZeroDuration()) return true;
    absl::Duration wait = std::min(deadline - now, wake_up - now);
    if (!python_programs_.empty()) wait = std::min(wait, kPythonTick);
    const timespec timeout = absl::ToTimespec(wait);
    if (ppoll(descriptors, std::size(descriptors), &timeout, /*sigmask=*/nullptr) < 0 && errno != EINTR) {
      return absl::ErrnoToStatus(errno, "waiting for the window's end");
    }
    if (descriptors[1].revents != 0 || !python_programs_.empty()) ring_buffer__consume(records_.get());
    python_programs_.Retry();
    jvm_programs_.Retry();
  }
}

absl::Status EbpfSource::Drain() {
  ring_buffer__consume(records_.get());
  const absl::Span<pl_cpu> cpus = cpus_.elements();
  for (size_t cpu = 0; cpu < cpus.size(); ++cpu) {
    for (size_t i = 0; i < PL_SLOTS; ++i) {
      pl_slot& slot = cpus[cpu].slots[i];
      if (slot.tgid == 0) continue;
      if (window_ != nullptr && slot.repeats > 0) window_->OnRepeats(cpu * PL_SLOTS + i, slot.repeats);
      slot = {};
    }
  }
  return processes_.Drain([this](const void* key_bytes, const void* value_bytes) {
    uint32_t tgid = 0;
    uint64_t stackless = 0;
    std::memcpy(&tgid, key_bytes, sizeof(tgid));
    std::memcpy(&stackless, value_bytes, sizeof(stackless));
    if (window_ != nullptr && stackless > 0) window_->OnStackless(static_cast<pid_t>(tgid), stackless);
  });
}

pl_off_cpu_counters EbpfSource::off_cpu_counters() const {
  pl_off_cpu_counters sum{};
  for (const pl_cpu& cpu : cpus_.elements()) Accumulate(sum, cpu.off_cpu_counters);
  return sum;
}

pl_counters EbpfSource::ReadCounters() const {
  pl_counters sum{};
  for (const pl_cpu& cpu : cpus_.elements()) Accumulate(sum, cpu.counters);
  return sum;
}

}  // namespace pilotlight::agent
