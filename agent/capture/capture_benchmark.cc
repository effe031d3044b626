// What sampling costs, at 99 Hz with one busy process per CPU and stacks of some 23 frames. Needs the rights
// of the sources. The kernel's time is by its own BPF statistics; user space's is that of the capturing
// thread.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <limits>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "agent/capture/ebpf/ebpf_source.h"
#include "agent/capture/perf/perf_source.h"
#include "agent/capture/perf_event.h"
#include "agent/capture/stack_aggregator.h"
#include "agent/targets/process_list.h"
#include "agent/targets/process_table.h"
#include "agent/unwind/unwind_table_keeper.h"
#include "base/unique_fd.h"
#include "benchmark/benchmark.h"
#include "kernel_walk_bpf.skel.h"
#include "tests/support/child_process.h"

namespace pilotlight::agent {
namespace {

constexpr absl::Duration kWindow = absl::Seconds(5);

class IgnoringObserver : public ProcessObserver {
 public:
  void OnProcess(pid_t /*pid*/) override {}
};

std::vector<std::unique_ptr<ChildProcess>> BusyProcesses(const char* program = PILOTLIGHT_SPIN) {
  std::vector<std::unique_ptr<ChildProcess>> processes;
  for (unsigned i = 0; i < std::thread::hardware_concurrency(); ++i) {
    processes.push_back(std::make_unique<ChildProcess>(std::vector<std::string>{program, "deep"}));
    processes.back()->ReadLine();
  }
  return processes;
}

double ThreadCpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_THREAD, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

struct Totals {
  double samples = 0;
  double frames = 0;
  double stacks = 0;
};

void AddTo(Totals& totals, const Capture& capture) {
  for (const ProcessSamples& process : capture.processes) {
    for (const RawStack& stack : process.stacks) {
      totals.samples += static_cast<double>(stack.count);
      totals.frames += static_cast<double>(stack.count * (stack.user.size() + stack.kernel.size()));
    }
    totals.samples += static_cast<double>(process.stackless_samples);
    totals.stacks += static_cast<double>(process.stacks.size());
  }
}

// Runs windows; false when one failed, which ends the benchmark.
bool RunWindows(benchmark::State& state, CaptureSource& source, ProcessObserver& observer) {
  const StopSignal stop;
  Totals totals;
  const double cpu_before = ThreadCpuSeconds();
  for (auto _ : state) {
    const absl::StatusOr<Capture> capture = source.Run({.duration = kWindow}, observer, stop);
    if (!capture.ok()) {
      state.SkipWithError(capture.status().ToString().c_str());
      return false;
    }
    AddTo(totals, *capture);
  }
  const double windows = static_cast<double>(state.iterations());
  const double cpu = ThreadCpuSeconds() - cpu_before;
  state.counters["samples/window"] = totals.samples / windows;
  state.counters["stacks/window"] = totals.stacks / windows;
  state.counters["frames/sample"] = totals.frames / totals.samples;
  state.counters["user_cpu_ms/window"] = cpu / windows * 1e3;
  state.counters["user_cpu_%_of_core"] = cpu / windows / absl::ToDoubleSeconds(kWindow) * 100;
  return true;
}

double MicrosecondsPerRun(int program_fd) {
  bpf_prog_info info{};
  uint32_t length = sizeof(info);
  bpf_obj_get_info_by_fd(program_fd, &info, &length);
  return static_cast<double>(info.run_time_ns) / static_cast<double>(info.run_cnt) / 1e3;
}

void EbpfWindow(benchmark::State& state, const char* program, bool with_tables) {
  absl::StatusOr<std::unique_ptr<EbpfSource>> source = EbpfSource::Create();
  const UniqueFd statistics(bpf_enable_stats(BPF_STATS_RUN_TIME));
  if (!source.ok() || !statistics.valid()) {
    state.SkipWithError(source.ok() ? "BPF statistics need CAP_SYS_ADMIN"
                                    : source.status().ToString().c_str());
    return;
  }
  const auto busy = BusyProcesses(program);
  IgnoringObserver nobody;
  ProcessTable processes;
  UnwindTableKeeper tables(nobody, processes, **source);
  for (const auto& one : busy) {
    if (!with_tables) break;
    VisitProcesses({one->pid()}, [&tables](const Process& process) { tables.AddProcess(process); });
  }
  if (!RunWindows(state, **source, nobody)) return;
  state.counters["kernel_us/sample"] = MicrosecondsPerRun((*source)->program_fd());
}
void EbpfWindowByFramePointers(benchmark::State& state) {
  // Without tables of the C library, so that all is walked by frame pointers.
  EbpfWindow(state, PILOTLIGHT_SPIN, /*with_tables=*/false);
}
void EbpfWindowByTables(benchmark::State& state) {
  EbpfWindow(state, PILOTLIGHT_SPIN "_without_frame_pointers", /*with_tables=*/true);
}
BENCHMARK(EbpfWindowByFramePointers)->Iterations(1)->Repetitions(5)->Unit(benchmark::kSecond)->UseRealTime();
BENCHMARK(EbpfWindowByTables)->Iterations(1)->Repetitions(5)->Unit(benchmark::kSecond)->UseRealTime();

// The kernel's own walk of the same stacks, nothing counted, nothing kept.
void KernelWalkAlone(benchmark::State& state) {
  const std::unique_ptr<kernel_walk_bpf, void (*)(kernel_walk_bpf*)> program(kernel_walk_bpf::open_and_load(),
                                                                             kernel_walk_bpf::destroy);
  const UniqueFd statistics(bpf_enable_stats(BPF_STATS_RUN_TIME));
  const absl::StatusOr<std::vector<int>> cpus = OnlineCpus();
  if (program == nullptr || !statistics.valid() || !cpus.ok()) {
    state.SkipWithError("loading the BPF program and its statistics needs root");
    return;
  }
  const auto busy = BusyProcesses();
  for (auto _ : state) {
    std::vector<std::unique_ptr<bpf_link, int (*)(bpf_link*)>> links;
    for (const int cpu : *cpus) {
      absl::StatusOr<UniqueFd> event =
          OpenPerfEvent(CpuClockAttributes(CpuClockPeriodNs(99)), /*pid=*/-1, cpu);
      if (!event.ok()) return state.SkipWithError(event.status().ToString().c_str());
      links.emplace_back(bpf_program__attach_perf_event(program->progs.walk_at_tick, event->Release()),
                         bpf_link__destroy);
    }
    absl::SleepFor(kWindow);
  }
  state.counters["kernel_us/sample"] = MicrosecondsPerRun(bpf_program__fd(program->progs.walk_at_tick));
}
BENCHMARK(KernelWalkAlone)->Iterations(1)->Repetitions(5)->Unit(benchmark::kSecond)->UseRealTime();

// Switches since the machine's start.
double SwitchesOfTheMachine() {
  std::ifstream stat("/proc/stat");
  std::string name;
  double value = 0;
  while (stat >> name && name != "ctxt") stat.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
  stat >> value;
  return value;
}

// Threads that hand bytes to and fro, `pairs` of them, as fast as it goes: what it costs to see their
// switches, and to keep those that a sample falls into.
void OffCpuStorm(benchmark::State& state, const char* pairs, int frequency_hz) {
  const absl::StatusOr<std::unique_ptr<EbpfSource>> source =
      EbpfSource::Create(/*limits=*/{}, /*off_cpu=*/true);
  if (!source.ok()) return state.SkipWithError(source.status().ToString().c_str());
  ChildProcess storm({PILOTLIGHT_WAITS, "storm", pairs});
  storm.ReadLine();
  IgnoringObserver nobody;
  const StopSignal stop;
  double watched = 0;
  double unwatched = 0;
  for (auto _ : state) {
    const double before = SwitchesOfTheMachine();
    absl::SleepFor(kWindow);
    const double between = SwitchesOfTheMachine();
    const absl::StatusOr<Capture> capture =
        (*source)->off_cpu()->Run({.duration = kWindow, .off_cpu_frequency_hz = frequency_hz}, nobody, stop);
    if (!capture.ok()) return state.SkipWithError(capture.status().ToString().c_str());
    unwatched += between - before;
    watched += SwitchesOfTheMachine() - between;
  }
  const pl_off_cpu_counters counted = (*source)->off_cpu_counters();
  const double seconds = absl::ToDoubleSeconds(kWindow) * static_cast<double>(state.iterations());
  state.counters["switches/s_unwatched"] = unwatched / seconds;
  state.counters["switches/s"] = watched / seconds;
  state.counters["kernel_ns/switch"] =
      static_cast<double>(counted.timed_ns) / static_cast<double>(counted.timed_switches);
  state.counters["kept/s"] = static_cast<double>(counted.kept) / seconds;
  state.counters["kernel_us/kept"] =
      static_cast<double>(counted.kept_ns) / static_cast<double>(counted.kept) / 1e3;
}
void OffCpuSwitches(benchmark::State& state) { OffCpuStorm(state, "2", /*frequency_hz=*/10); }
void OffCpuStacks(benchmark::State& state) { OffCpuStorm(state, "64", /*frequency_hz=*/1000); }
BENCHMARK(OffCpuSwitches)->Iterations(1)->Repetitions(5)->Unit(benchmark::kSecond)->UseRealTime();
BENCHMARK(OffCpuStacks)->Iterations(1)->Repetitions(5)->Unit(benchmark::kSecond)->UseRealTime();

void PerfWindow(benchmark::State& state) {
  absl::StatusOr<std::unique_ptr<PerfSource>> source = PerfSource::Create();
  if (!source.ok()) {
    state.SkipWithError(source.status().ToString().c_str());
    return;
  }
  const auto busy = BusyProcesses();
  IgnoringObserver nobody;
  RunWindows(state, **source, nobody);
}
BENCHMARK(PerfWindow)->Iterations(1)->Repetitions(5)->Unit(benchmark::kSecond)->UseRealTime();

// What user space does with the records of a window, by the number of its stacks.
void AggregateStacks(benchmark::State& state) {
  std::vector<uint64_t> frames(23, 0x401000);
  for (auto _ : state) {
    StackAggregator aggregator({});
    for (int64_t i = 0; i < state.range(0); ++i) {
      frames[0] = static_cast<uint64_t>(i);
      aggregator.AddMore(aggregator.Add(1, {.user = frames}, 1), 1);
    }
    benchmark::DoNotOptimize(std::move(aggregator).Take());
  }
}
BENCHMARK(AggregateStacks)->Arg(200)->Arg(2000)->Arg(8192)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace pilotlight::agent
