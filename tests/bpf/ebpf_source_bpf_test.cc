// What only the ebpf source promises, checked with the kernel's own count of the program's runs.
#include <bpf/bpf.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "agent/capture/ebpf/ebpf_source.h"
#include "base/unique_fd.h"
#include "tests/bpf/spin_process.h"

namespace pilotlight::agent {
namespace {

class NameObserver : public ProcessObserver {
 public:
  void OnProcess(pid_t /*pid*/) override {}
  void OnNamedProcess(pid_t pid, absl::string_view comm) override { names[pid] = std::string(comm); }
  std::map<pid_t, std::string> names;
};

class EbpfSourceTest : public testing::Test {
 protected:
  void SetUp() override {
    statistics_ = UniqueFd(bpf_enable_stats(BPF_STATS_RUN_TIME));
    if (!statistics_.valid()) GTEST_SKIP() << "BPF statistics need CAP_SYS_ADMIN";
  }

  void Create(const EbpfLimits& limits) {
    absl::StatusOr<std::unique_ptr<EbpfSource>> source = EbpfSource::Create(limits);
    ASSERT_TRUE(source.ok()) << source.status();
    source_ = *std::move(source);
  }

  Capture Run(const CaptureOptions& options) {
    absl::StatusOr<Capture> capture = source_->Run(options, observer_, stop_);
    EXPECT_TRUE(capture.ok()) << capture.status();
    return capture.ok() ? *std::move(capture) : Capture();
  }

  bpf_prog_info ProgramInfo() const {
    bpf_prog_info info{};
    uint32_t length = sizeof(info);
    EXPECT_EQ(bpf_obj_get_info_by_fd(source_->program_fd(), &info, &length), 0);
    return info;
  }

  UniqueFd statistics_;
  NameObserver observer_;
  StopSignal stop_;
  std::unique_ptr<EbpfSource> source_;
};

uint64_t Lost(const Capture& capture, const std::string& reason) {
  for (const LostSamples& lost : capture.lost) {
    if (lost.reason == reason) return lost.count;
  }
  return 0;
}

TEST_F(EbpfSourceTest, RunsNotOnceBetweenWindows) {
  Create({});
  SpinProcess spin("mix");
  EXPECT_EQ(ProgramInfo().run_cnt, 0u);
  spin.WaitForCpuTime(absl::Milliseconds(200));
  EXPECT_EQ(ProgramInfo().run_cnt, 0u);

  Run({.duration = absl::Milliseconds(500)});
  const uint64_t after_window = ProgramInfo().run_cnt;
  EXPECT_GT(after_window, 0u);
  spin.WaitForCpuTime(absl::Milliseconds(200));
  EXPECT_EQ(ProgramInfo().run_cnt, after_window);
}

TEST_F(EbpfSourceTest, AccountsForEachRunOfTheProgram) {
  Create({});
  SpinProcess spin("forest");
  const Capture capture = Run({.duration = absl::Seconds(1)});
  EXPECT_EQ(CountAll(capture), ProgramInfo().run_cnt);
}

TEST_F(EbpfSourceTest, TellsTheNameOfAProcess) {
  Create({});
  SpinProcess spin("mix");
  Run({.duration = absl::Milliseconds(500), .pids = {spin.pid()}});
  EXPECT_EQ(observer_.names[spin.pid()], "spin");
}

TEST_F(EbpfSourceTest, MeasuresItsOwnTime) {
  Create({});
  SpinProcess spin("mix");
  const Capture capture = Run({.duration = absl::Seconds(1)});
  const absl::Duration kernel = absl::Nanoseconds(static_cast<int64_t>(ProgramInfo().run_time_ns));
  // The kernel's figure has each run, ours is made of one in PL_RUNS_PER_TIMED_RUN.
  EXPECT_GT(capture.kernel_time, kernel / 5);
  EXPECT_LT(capture.kernel_time, kernel * 5);
}

TEST_F(EbpfSourceTest, KeepsTotalsExactAboveItsStacks) {
  Create({.max_stacks = 8, .max_processes = 4096});
  SpinProcess spin("forest");
  const Capture capture = Run({.duration = absl::Seconds(2)});
  EXPECT_EQ(CountAll(capture), ProgramInfo().run_cnt);
  EXPECT_EQ(Lost(capture, "map_full"), 0u);
  size_t stacks = 0;
  for (const ProcessSamples& process : capture.processes) stacks += process.stacks.size();
  EXPECT_LE(stacks, 8u);
  EXPECT_GT(SamplesOf(capture, spin.pid()).stackless_samples, 0u);
}

TEST_F(EbpfSourceTest, CountsWhatIsLostAboveItsProcessesToo) {
  Create({.max_stacks = 1, .max_processes = 1});
  SpinProcess one("forest");
  SpinProcess two("forest");
  SpinProcess three("forest");
  const Capture capture = Run({.duration = absl::Seconds(2)});
  EXPECT_EQ(CountAll(capture), ProgramInfo().run_cnt);
  EXPECT_GT(Lost(capture, "map_full"), 0u);
}

// Keeps the capturing thread from the ring buffer once.
class SlowObserver : public ProcessObserver {
 public:
  explicit SlowObserver(SpinProcess& until) : until_(until) {}
  void OnProcess(pid_t /*pid*/) override {
    if (!std::exchange(waited_, true)) until_.WaitForCpuTime(absl::Milliseconds(500));
  }

 private:
  SpinProcess& until_;
  bool waited_ = false;
};

TEST_F(EbpfSourceTest, KeepsTotalsExactWhenTheRingBufferIsFull) {
  Create({.record_bytes = 4096});
  SpinProcess mix("mix");
  SpinProcess forest("forest");
  SlowObserver observer(mix);
  const absl::StatusOr<Capture> capture = source_->Run({.duration = absl::Seconds(2)}, observer, stop_);
  ASSERT_TRUE(capture.ok()) << capture.status();
  EXPECT_EQ(CountAll(*capture), ProgramInfo().run_cnt);
  EXPECT_GT(SamplesOf(*capture, forest.pid()).stackless_samples, 0u);
  EXPECT_GT(SamplesOf(*capture, forest.pid()).stacks.size(), 0u);
}

TEST_F(EbpfSourceTest, CountsRepeatsOfAStack) {
  Create({});
  SpinProcess spin("mix");
  const Capture capture = Run({.duration = absl::Seconds(1), .frequency_hz = 999, .pids = {spin.pid()}});
  const ProcessSamples samples = SamplesOf(capture, spin.pid());
  uint64_t highest = 0;
  for (const RawStack& stack : samples.stacks) highest = std::max(highest, stack.count);
  EXPECT_GT(highest, 10u);  // a loop of few instructions
}

TEST_F(EbpfSourceTest, StartsEachWindowWithEmptyMaps) {
  Create({.max_stacks = 8, .max_processes = 4});
  SpinProcess spin("forest");
  Run({.duration = absl::Milliseconds(500), .pids = {spin.pid()}});
  const Capture second = Run({.duration = absl::Milliseconds(500), .pids = {spin.pid()}});
  EXPECT_GT(SamplesOf(second, spin.pid()).stacks.size(), 0u);
}

TEST_F(EbpfSourceTest, RefusesMoreProcessesThanItCanWatch) {
  Create({});
  std::vector<pid_t> pids;
  for (pid_t pid = 1; pid <= 2000; ++pid) pids.push_back(pid);
  EXPECT_FALSE(source_->Run({.pids = pids}, observer_, stop_).ok());
}

}  // namespace
}  // namespace pilotlight::agent
