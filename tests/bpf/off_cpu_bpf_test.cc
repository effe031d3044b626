// Off-CPU profiles of real threads that wait, compared with what these say of their waits themselves.
#include <gtest/gtest.h>

#include <cinttypes>
#include <cmath>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "agent/capture/ebpf/ebpf_source.h"
#include "base/check.h"
#include "tests/bpf/spin_process.h"

namespace pilotlight::agent {
namespace {

using Nanoseconds = std::map<std::string, int64_t>;

// The workload "waits".
class WaitProcess : public ChildProcess {
 public:
  explicit WaitProcess(const std::vector<std::string>& arguments = {}) : ChildProcess(Command(arguments)) {
    ReadLine();
  }

  // By reason, so far.
  Nanoseconds Waited() {
    WriteLine("");
    const std::string line = ReadLine();
    int64_t sleep = 0;
    int64_t lock = 0;
    int64_t io = 0;
    int64_t poll = 0;
    CHECK(std::sscanf(line.c_str(),
                      R"({"SleepAWhile": %)" SCNd64 R"(, "WaitForLock": %)" SCNd64
                      R"(, "ReceiveNothing": %)" SCNd64 R"(, "PollNothing": %)" SCNd64,
                      &sleep, &lock, &io, &poll) == 4);
    return {{"[sleep]", sleep}, {"[lock]", lock}, {"[io]", io}, {"[poll]", poll}};
  }

 private:
  static std::vector<std::string> Command(const std::vector<std::string>& arguments) {
    std::vector<std::string> command = {PILOTLIGHT_WAITS};
    command.insert(command.end(), arguments.begin(), arguments.end());
    return command;
  }
};

class IgnoringObserver : public ProcessObserver {
 public:
  void OnProcess(pid_t /*pid*/) override {}
};

class OffCpuTest : public testing::Test {
 protected:
  void SetUp() override {
    absl::StatusOr<std::unique_ptr<EbpfSource>> source = EbpfSource::Create({}, /*off_cpu=*/true);
    if (absl::IsPermissionDenied(source.status())) GTEST_SKIP() << source.status();
    ASSERT_TRUE(source.ok()) << source.status();
    source_ = *std::move(source);
  }

  Capture Run(const CaptureOptions& options) {
    absl::StatusOr<Capture> capture = source_->off_cpu()->Run(options, observer_, stop_);
    EXPECT_TRUE(capture.ok()) << capture.status();
    return capture.ok() ? *std::move(capture) : Capture();
  }

  uint64_t Lost(const Capture& capture, const std::string& reason) {
    for (const LostSamples& lost : capture.lost) {
      if (lost.reason == reason) return lost.count;
    }
    return 0;
  }

  IgnoringObserver observer_;
  StopSignal stop_;
  std::unique_ptr<EbpfSource> source_;
};

TEST_F(OffCpuTest, GivesEachReasonTheTimeThatWasWaited) {
  for (const int frequency_hz : {50, 1000}) {
    WaitProcess process;
    Nanoseconds before;
    const Capture capture = Run({.duration = absl::Seconds(3),
                                 .pids = {process.pid()},
                                 .off_cpu_frequency_hz = frequency_hz,
                                 .on_started = [&] { before = process.Waited(); }});
    Nanoseconds waited = process.Waited();
    std::map<std::string, uint64_t> samples;
    for (const RawStack& stack : SamplesOf(capture, process.pid()).stacks) {
      samples[std::string(stack.wait_reason)] += stack.count;
      EXPECT_FALSE(stack.user.empty());
      EXPECT_FALSE(stack.kernel.empty());
    }
    EXPECT_EQ(capture.period_ns, 1'000'000'000 / frequency_hz);
    EXPECT_EQ(Lost(capture, "missed"), 0u);
    for (const auto& [reason, nanoseconds] : waited) {
      const double expected =
          static_cast<double>(nanoseconds - before[reason]) / static_cast<double>(capture.period_ns);
      // A wait gets one sample more or less than its part, by chance: the variance of all is at most their
      // number. The wait that the window's end cuts off is longer than a tenth of the shorter ones, and the
      // thread's own clock runs while it is preempted.
      const double tolerance = 5 * std::sqrt(expected) + 0.05 * expected + 2;
      EXPECT_NEAR(static_cast<double>(samples[reason]), expected, tolerance) << reason << " " << frequency_hz;
      samples.erase(reason);
    }
    for (const auto& [reason, count] : samples) EXPECT_LE(count, 2u) << reason;
  }
}

TEST_F(OffCpuTest, LeavesOutWhoIsPreempted) {
  std::vector<std::unique_ptr<SpinProcess>> spins;
  std::vector<pid_t> pids;
  for (unsigned i = 0; i < 2 * std::thread::hardware_concurrency(); ++i) {
    spins.push_back(std::make_unique<SpinProcess>("mix"));
    pids.push_back(spins.back()->pid());
  }
  WaitProcess waits;
  pids.push_back(waits.pid());
  const Capture capture = Run({.duration = absl::Seconds(1), .pids = pids, .off_cpu_frequency_hz = 100});
  EXPECT_GT(CountAll(SamplesOf(capture, waits.pid())), 0u);
  for (const auto& spin : spins) EXPECT_EQ(CountAll(SamplesOf(capture, spin->pid())), 0u);
}

TEST_F(OffCpuTest, SeesNoSwitchBetweenWindows) {
  // Each answer is a switch to the process and back.
  WaitProcess process;
  process.Waited();
  EXPECT_EQ(source_->off_cpu_counters().switches, 0u);
  Run({.duration = absl::Milliseconds(300)});
  const uint64_t after = source_->off_cpu_counters().switches;
  EXPECT_GT(after, 0u);
  process.Waited();
  EXPECT_EQ(source_->off_cpu_counters().switches, after);
}

TEST_F(OffCpuTest, StaysBelowItsCeilingInAStormOfSwitches) {
  WaitProcess storm({"storm", "64"});
  const Capture capture = Run({.duration = absl::Seconds(2), .off_cpu_frequency_hz = 1000});
  EXPECT_GT(SamplesOf(capture, storm.pid()).stacks.size(), 0u);
  EXPECT_GT(Lost(capture, "above_ceiling"), 0u);
  const int64_t slices = absl::ToInt64Nanoseconds(capture.duration) / (1 << PL_SLICE_SHIFT) + 2;
  const uint64_t kept = source_->off_cpu_counters().kept;
  EXPECT_GT(kept, 0u);
  EXPECT_LE(kept, static_cast<uint64_t>(slices) * PL_KEPT_IN_SLICE * std::thread::hardware_concurrency());
}

TEST_F(OffCpuTest, EndsAWindowThatCostsTooMuch) {
  WaitProcess storm({"storm", "2"});
  const Capture capture =
      Run({.duration = absl::Hours(1), .off_cpu_frequency_hz = 10, .max_kernel_time = absl::Milliseconds(1)});
  EXPECT_GT(capture.kernel_time, absl::Milliseconds(1));
  EXPECT_LT(capture.duration, absl::Hours(1));
}

TEST_F(OffCpuTest, LeavesTheClockOfTheCpusToTheOther) {
  SpinProcess spin("mix");
  WaitProcess waits;
  Run({.duration = absl::Milliseconds(300)});
  const absl::StatusOr<Capture> capture =
      source_->Run({.duration = absl::Seconds(1), .pids = {spin.pid(), waits.pid()}}, observer_, stop_);
  ASSERT_TRUE(capture.ok()) << capture.status();
  EXPECT_GT(CountAll(SamplesOf(*capture, spin.pid())), 0u);
  for (const ProcessSamples& process : capture->processes) {
    for (const RawStack& stack : process.stacks) EXPECT_EQ(stack.wait_reason, "");
  }
}

}  // namespace
}  // namespace pilotlight::agent
