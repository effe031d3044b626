// What every capture source must do, on real processes: run for ebpf and for perf.
#include <dirent.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "agent/capture/capture_sources.h"
#include "agent/targets/process_maps.h"
#include "tests/bpf/spin_process.h"

namespace pilotlight::agent {
namespace {

class FunctionObserver : public ProcessObserver {
 public:
  explicit FunctionObserver(std::function<void(pid_t)> on_process) : on_process_(std::move(on_process)) {}
  void OnProcess(pid_t pid) override { on_process_(pid); }

 private:
  std::function<void(pid_t)> on_process_;
};

class CaptureTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    absl::StatusOr<CaptureSourceChoice> choice = CreateCaptureSource(GetParam());
    if (!choice.ok()) GTEST_SKIP() << choice.status();
    source_ = std::move(choice->source);
  }

  Capture Run(const CaptureOptions& options) { return Run(options, ignore_); }
  Capture Run(const CaptureOptions& options, ProcessObserver& observer) {
    absl::StatusOr<Capture> capture = source_->Run(options, observer, stop_);
    EXPECT_TRUE(capture.ok()) << capture.status();
    return capture.ok() ? *std::move(capture) : Capture();
  }

  std::unique_ptr<CaptureSource> source_;
  StopSignal stop_;
  FunctionObserver ignore_{[](pid_t) {}};
};

INSTANTIATE_TEST_SUITE_P(Sources, CaptureTest, testing::Values("ebpf", "perf"),
                         [](const auto& source) { return std::string(source.param); });

TEST_P(CaptureTest, CountsCpuTimeAndItsShares) {
  SpinProcess spin("mix");
  const absl::Time began = absl::Now();
  const SpinTimes before = spin.Times();
  const Capture capture = Run({.duration = absl::Seconds(4), .pids = {spin.pid()}});
  const SpinTimes after = spin.Times();
  const absl::Duration outside = absl::Now() - began - capture.duration;

  const ProcessSamples samples = SamplesOf(capture, spin.pid());
  const double n = static_cast<double>(CountAll(samples));
  const double period = static_cast<double>(capture.period_ns);
  // The process ran before and after the window too, at most all of that time. Within the window, five
  // standard deviations of a Poisson count: what is off by chance less than once in a million runs.
  const double most = absl::ToDoubleNanoseconds(after.process - before.process) / period;
  const double least = most - absl::ToDoubleNanoseconds(outside) / period;
  EXPECT_LE(n, most + 5 * std::sqrt(most));
  EXPECT_GE(n, least - 5 * std::sqrt(most));

  // Shares by the leaf, against the program's own clocks; five standard deviations of a binomial share.
  const double heavy = static_cast<double>(CountStacks(samples, [&](const RawStack& stack) {
    return !stack.user.empty() && spin.heavy_code().Holds(stack.user[0]);
  }));
  const double light = static_cast<double>(CountStacks(samples, [&](const RawStack& stack) {
    return !stack.user.empty() && spin.light_code().Holds(stack.user[0]);
  }));
  const absl::Duration heavy_time = after.heavy - before.heavy;
  const absl::Duration light_time = after.light - before.light;
  const double share = absl::FDivDuration(heavy_time, heavy_time + light_time);
  ASSERT_GT(heavy + light, 50);
  EXPECT_NEAR(heavy / (heavy + light), share, 5 * std::sqrt(share * (1 - share) / (heavy + light)));
}

TEST_P(CaptureTest, UnwindsToMain) {
  SpinProcess spin("mix");
  const Capture capture = Run({.duration = absl::Seconds(2), .pids = {spin.pid()}});
  const ProcessSamples samples = SamplesOf(capture, spin.pid());
  uint64_t in_ours = 0;
  for (const RawStack& stack : samples.stacks) {
    if (stack.user.empty()) continue;
    if (!spin.heavy_code().Holds(stack.user[0]) && !spin.light_code().Holds(stack.user[0])) continue;
    in_ours += stack.count;
    EXPECT_TRUE(spin.main_code().HoldsAny(stack.user)) << "leaf at " << std::hex << stack.user[0];
    EXPECT_FALSE(stack.truncated);
  }
  // The rest is in the C library and in system calls.
  EXPECT_GT(in_ours, CountAll(samples) * 3 / 4);
  EXPECT_EQ(samples.stackless_samples, 0u);
}

TEST_P(CaptureTest, ShowsKernelFramesAboveTheUserFramesOfASystemCall) {
  SpinProcess spin("syscalls");
  const Capture capture = Run({.duration = absl::Seconds(2), .pids = {spin.pid()}});
  const ProcessSamples samples = SamplesOf(capture, spin.pid());
  const uint64_t in_kernel =
      CountStacks(samples, [](const RawStack& stack) { return !stack.kernel.empty(); });
  ASSERT_GT(CountAll(samples), 20u);
  EXPECT_GT(in_kernel, CountAll(samples) / 2);
  for (const RawStack& stack : samples.stacks) {
    for (const uint64_t frame : stack.kernel) EXPECT_LT(static_cast<int64_t>(frame), 0) << "a user address";
    for (const uint64_t frame : stack.user) EXPECT_GE(static_cast<int64_t>(frame), 0) << "a kernel address";
    EXPECT_FALSE(stack.user.empty());
  }
}

TEST_P(CaptureTest, HasNoKernelFramesWhenUserModeWasInterrupted) {
  SpinProcess spin("mix");
  const Capture capture = Run({.duration = absl::Seconds(2), .pids = {spin.pid()}});
  const ProcessSamples samples = SamplesOf(capture, spin.pid());
  const uint64_t with_kernel = CountStacks(samples, [&](const RawStack& stack) {
    return !stack.user.empty() && spin.heavy_code().Holds(stack.user[0]) && !stack.kernel.empty();
  });
  // Other interrupts hit the loop as well, and seldom a sample hits those.
  EXPECT_LT(with_kernel, CountAll(samples) / 10);
}

TEST_P(CaptureTest, LeavesKernelFramesOutWhenAskedTo) {
  SpinProcess spin("syscalls");
  const Capture capture = Run({.duration = absl::Seconds(1), .pids = {spin.pid()}, .kernel_frames = false});
  const ProcessSamples samples = SamplesOf(capture, spin.pid());
  EXPECT_GT(CountAll(samples), 10u);
  EXPECT_EQ(CountStacks(samples, [](const RawStack& stack) { return !stack.kernel.empty(); }), 0u);
}

TEST_P(CaptureTest, WatchesOnlyTheProcessesThatItIsGiven) {
  SpinProcess watched("mix");
  SpinProcess other("mix");
  const Capture filtered = Run({.duration = absl::Seconds(1), .pids = {watched.pid()}});
  ASSERT_EQ(filtered.processes.size(), 1u);
  EXPECT_EQ(filtered.processes[0].pid, watched.pid());

  const Capture all = Run({.duration = absl::Seconds(1)});
  EXPECT_GT(CountAll(SamplesOf(all, watched.pid())), 0u);
  EXPECT_GT(CountAll(SamplesOf(all, other.pid())), 0u);
}

TEST_P(CaptureTest, TellsOfAProcessWhileItLivesThatIsGoneBeforeTheWindowEnds) {
  SpinProcess brief("told");
  const pid_t brief_pid = brief.pid();
  bool had_maps = false;
  FunctionObserver observer([&](pid_t pid) {
    if (pid != brief_pid) return;
    const absl::StatusOr<ProcessMaps> maps = ProcessMaps::Read(pid);
    had_maps = maps.ok() && maps->Find(brief.heavy_code().start) != nullptr;
    brief.WriteLine("end");
    brief.Wait();
    stop_.Stop();
  });
  const Capture capture =
      Run({.duration = absl::Seconds(60), .pids = {brief_pid}, .on_started = [&] { brief.WriteLine("go"); }},
          observer);
  EXPECT_TRUE(had_maps);
  EXPECT_GE(CountAll(SamplesOf(capture, brief_pid)), 1u);
}

TEST_P(CaptureTest, EndsEarlyWhenStoppedAndSaysHowLongItWatched) {
  SpinProcess spin("mix");
  FunctionObserver stop_at_once([&](pid_t) { stop_.Stop(); });
  const absl::Time began = absl::Now();
  const Capture capture = Run({.duration = absl::Seconds(60), .pids = {spin.pid()}}, stop_at_once);
  const absl::Duration took = absl::Now() - began;
  EXPECT_GT(capture.duration, absl::ZeroDuration());
  EXPECT_LE(capture.duration, took);
  EXPECT_LT(took, absl::Seconds(60));
  EXPECT_GE(CountAll(SamplesOf(capture, spin.pid())), 1u);
}

TEST_P(CaptureTest, DoesNotMixWindows) {
  SpinProcess spin("mix");
  const CaptureOptions options{.duration = absl::Milliseconds(500), .pids = {spin.pid()}};
  EXPECT_GT(CountAll(Run(options)), 0u);
  spin.Signal(SIGSTOP);
  Run(options);  // the signal may take effect inside this one
  EXPECT_EQ(CountAll(Run(options)), 0u);
}

std::multiset<std::string> OpenFiles() {
  std::multiset<std::string> files;
  DIR* directory = opendir("/proc/self/fd");
  while (const dirent* entry = readdir(directory)) {
    char target[256];
    const ssize_t length =
        readlink(absl::StrCat("/proc/self/fd/", entry->d_name).c_str(), target, sizeof(target));
    if (length > 0) files.insert(std::string(target, static_cast<size_t>(length)));
  }
  closedir(directory);
  return files;
}

TEST_P(CaptureTest, HoldsNoEventAndNoNewFileBetweenWindows) {
  const std::multiset<std::string> before = OpenFiles();
  for (int i = 0; i < 3; ++i) Run({.duration = absl::Milliseconds(100)});
  EXPECT_EQ(OpenFiles(), before);
  for (const std::string& file : before) EXPECT_FALSE(absl::StrContains(file, "perf_event")) << file;
}

TEST_P(CaptureTest, RefusesAFrequencyOutOfRange) {
  for (const int hz : {0, -1, 1001}) {
    EXPECT_EQ(source_->Run({.frequency_hz = hz}, ignore_, stop_).status().code(),
              absl::StatusCode::kInvalidArgument);
  }
}

}  // namespace
}  // namespace pilotlight::agent
