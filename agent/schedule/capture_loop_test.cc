#include "agent/schedule/capture_loop.h"

#include <gmock/gmock.h>

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "tests/support/fake_proc.h"
#include "tests/support/stacks.h"

namespace pilotlight::agent {
namespace {

using absl::Milliseconds;
using absl::Seconds;
using testing::Contains;
using testing::ElementsAre;
using testing::Pair;

// Time passes only in waits and captures; stops when it is past `end`.
class ManualTimer : public MonotonicTimer {
 public:
  explicit ManualTimer(absl::Duration end) : end_(end) {}
  absl::Duration Now() const override { return now_; }
  bool WaitUntil(absl::Duration when, const StopSignal& stop) override {
    now_ = std::max(now_, when);
    return now_ < end_ && !stop.stopped();
  }
  void Advance(absl::Duration by) { now_ += by; }

 private:
  absl::Duration now_;
  const absl::Duration end_;
};

class FakeSource : public CaptureSource {
 public:
  FakeSource(std::string name, ManualTimer& timer) : name_(std::move(name)), timer_(timer) {}

  absl::string_view name() const override { return name_; }
  absl::StatusOr<Capture> Run(const CaptureOptions& options, ProcessObserver& observer,
                              const StopSignal& /*stop*/) override {
    starts.push_back(absl::ToInt64Seconds(timer_.Now()));
    frequencies.push_back(options.frequency_hz);
    max_kernel_time = options.max_kernel_time;
    observer.OnProcess(10);
    if (during) during();
    timer_.Advance(options.duration);
    if (!errors.empty()) {
      const absl::Status error = errors.front();
      errors.pop_front();
      if (!error.ok()) return error;
    }
    return Capture{.start = wall_clock,
                   .duration = options.duration,
                   .period_ns = 10'000'000,
                   .processes = {{.pid = 10, .stacks = {{.user = {0x1010}, .count = 5}}}},
                   .lost = {{"ring_full", 2}},
                   .kernel_time = kernel_time};
  }

  std::vector<int64_t> starts;
  std::vector<int> frequencies;
  std::deque<absl::Status> errors;
  std::function<void()> during;
  absl::Time wall_clock = absl::FromUnixSeconds(1000);
  absl::Duration kernel_time;
  absl::Duration max_kernel_time;

 private:
  const std::string name_;
  ManualTimer& timer_;
};

class NameByAddress : public Symbolizer {
 public:
  void SymbolizeUser(const Process&, uint64_t address, bool, StackTrie& trie,
                     std::vector<FrameId>& frames) override {
    frames.push_back(trie.InternFrame(FrameView{.function = absl::StrCat("f", address), .symbolized = true}));
  }
  void SymbolizeKernel(uint64_t, bool, StackTrie&, std::vector<FrameId>&) override {}
};

class Recorder : public TurnObserver {
 public:
  void OnTurn(const TurnReport& report) override {
    outcomes.push_back(report.outcome);
    throttles.push_back(report.throttle);
    triggers.emplace_back(report.trigger);
    used_cores.push_back(report.used_cores);
    if (report.outcome != WindowOutcome::kOk) return;
    samples += report.folded->samples;
    for (const SeriesInsight& insight : *report.insights) cpu_cores = insight.cpu_cores;
    for (const LostSamples& lost : *report.lost) lost_samples += lost.count;
  }

  std::vector<WindowOutcome> outcomes;
  std::vector<int> throttles;
  std::vector<std::string> triggers;
  std::vector<double> used_cores;
  uint64_t samples = 0;
  uint64_t lost_samples = 0;
  double cpu_cores = 0;
};

// With `late_pod`, the pod is known only to those who have waited for it.
class Labeller : public ProcessLabeller {
 public:
  ProcessLabelling LabelsOf(const Process& process) override {
    ProcessLabelling labelling{.labels = {{"service_name", ExecutableName(process)}}};
    if (late_pod && settled_) labelling.labels["pod"] = "app-1";
    labelling.may_change = late_pod && !settled_;
    return labelling;
  }
  void Settle() override { settled_ = true; }

  bool late_pod = false;

 private:
  bool settled_ = false;
};

class CaptureLoopTest : public testing::Test {
 protected:
  CaptureLoopTest() {
    proc_.Put({.pid = 10, .executable = "/usr/bin/app", .maps = "1000-2000 r-xp 0 fd:01 9 /usr/bin/app\n"});
    spool_ = *Spool::Open({.directory = directory_.path()});
    options_.phase = Seconds(7);
  }

  // Runs until the timer's end, 3 minutes.
  void Run(std::vector<CaptureSource*> sources) {
    std::vector<ProcessObserver*> observers(sources.size(), &processes_);
    CaptureLoop loop(options_, {.sources = std::move(sources),
                                .processes = &processes_,
                                .process_observers = std::move(observers),
                                .builder = &builder_,
                                .spool = spool_.get(),
                                .observer = &recorder_,
                                .timer = &timer_,
                                .triggers = triggers_,
                                .cpu_time = [this] { return cpu_time_; }});
    loop.Run(stop_);
  }

  std::vector<Window> Spooled() {
    std::vector<Window> windows;
    uint64_t position = 0;
    for (auto next = spool_->NextAfter(position); next.has_value(); next = spool_->NextAfter(position)) {
      position = next->position;
      windows.push_back(std::move(next->window));
    }
    return windows;
  }

  FakeProc proc_;
  TemporaryDirectory directory_;
  Labeller labeller_;
  ProcessTable processes_{proc_.root(), &labeller_};
  NameByAddress symbolizer_;
  WindowBuilder builder_{processes_, symbolizer_, "node-1"};
  std::unique_ptr<Spool> spool_;
  Recorder recorder_;
  ManualTimer timer_{absl::Minutes(3)};
  FakeSource source_{"ebpf", timer_};
  CaptureLoopOptions options_;
  std::vector<Trigger*> triggers_;
  absl::Duration cpu_time_;
  StopSignal stop_;
};

TEST_F(CaptureLoopTest, CapturesOncePerInterval) {
  Run({&source_});
  EXPECT_THAT(source_.starts, ElementsAre(7, 67, 127));
}

TEST_F(CaptureLoopTest, AJumpOfTheWallClockNeitherSkipsNorDoublesAWindow) {
  source_.during = [this] {
    source_.wall_clock += source_.starts.size() == 1 ? absl::Hours(5) : -absl::Hours(9);
  };
  Run({&source_});
  EXPECT_THAT(source_.starts, ElementsAre(7, 67, 127));
  EXPECT_EQ(Spooled().size(), 3u);
}

TEST_F(CaptureLoopTest, SpoolsNamedWindows) {
  Run({&source_});
  const std::vector<Window> windows = Spooled();
  ASSERT_EQ(windows.size(), 3u);
  EXPECT_EQ(windows[0].sequence, 1u);
  EXPECT_EQ(windows[2].sequence, 3u);
  EXPECT_EQ(windows[0].interval, Seconds(60));
  EXPECT_EQ(windows[0].source, "ebpf");
  ASSERT_EQ(windows[0].series.size(), 1u);
  const Series& series = windows[0].series[0];
  EXPECT_EQ(series.labels, (Labels{{"node", "node-1"}, {"service_name", "app"}}));
  EXPECT_THAT(FoldedCounts(windows[0].trie, series.samples), ElementsAre(Pair("f4112", 5)));
}

TEST_F(CaptureLoopTest, LabelsTheFirstWindowByWhatIsKnownWhenItEnds) {
  labeller_.late_pod = true;
  Run({&source_});
  const std::vector<Window> windows = Spooled();
  ASSERT_EQ(windows.size(), 3u);
  EXPECT_EQ(windows[0].series.at(0).labels,
            (Labels{{"node", "node-1"}, {"pod", "app-1"}, {"service_name", "app"}}));
}

TEST_F(CaptureLoopTest, ReportsEachWindow) {
  Run({&source_});
  EXPECT_THAT(recorder_.outcomes, ElementsAre(WindowOutcome::kOk, WindowOutcome::kOk, WindowOutcome::kOk));
  EXPECT_EQ(recorder_.samples, 15u);
  EXPECT_EQ(recorder_.lost_samples, 6u);
  EXPECT_DOUBLE_EQ(recorder_.cpu_cores, 0.005);
}

TEST_F(CaptureLoopTest, GoesOnAfterAFailedWindow) {
  source_.errors = {absl::OkStatus(), absl::UnavailableError("no")};
  Run({&source_});
  EXPECT_THAT(recorder_.outcomes,
              ElementsAre(WindowOutcome::kOk, WindowOutcome::kFailed, WindowOutcome::kOk));
  EXPECT_EQ(Spooled().size(), 2u);
  EXPECT_THAT(spool_->stats().dropped_windows, Contains(Pair("capture_failed", 1)));
}

TEST_F(CaptureLoopTest, OneSourceAtATime) {
  FakeSource pprof("pprof", timer_);
  Run({&source_, &pprof});
  EXPECT_THAT(source_.starts, ElementsAre(7, 67, 127));
  EXPECT_THAT(pprof.starts, ElementsAre(37, 97, 157));
}

TEST_F(CaptureLoopTest, AFailingSourceLeavesTheOtherAlone) {
  FakeSource pprof("pprof", timer_);
  pprof.errors.assign(9, absl::UnavailableError("no"));
  Run({&source_, &pprof});
  EXPECT_EQ(Spooled().size(), 3u);
}

TEST_F(CaptureLoopTest, BacksOffWhenItCostsTooMuch) {
  // 6 s are free at 1 % of a core.
  source_.during = [this] { cpu_time_ += Milliseconds(8100); };
  Run({&source_});
  EXPECT_THAT(recorder_.outcomes,
              ElementsAre(WindowOutcome::kOk, WindowOutcome::kSkipped, WindowOutcome::kSkipped));
  EXPECT_THAT(source_.starts, ElementsAre(7));
  EXPECT_EQ(Spooled().size(), 1u);
}

TEST_F(CaptureLoopTest, CapturesLessAsTheBudgetRunsLow) {
  // Of the 6 s, 2.3 are left after the first window, and 0.1 after the second.
  source_.during = [this] { cpu_time_ += Milliseconds(source_.starts.size() == 1 ? 3700 : 2800); };
  Run({&source_});
  EXPECT_THAT(source_.frequencies, ElementsAre(99, 49, 24));
  EXPECT_THAT(recorder_.throttles, ElementsAre(0, 1, 3));
}

class OneTrigger : public Trigger {
 public:
  OneTrigger(absl::Duration at, absl::Duration duration) : at_(at), duration_(duration) {}
  std::optional<ExtraCapture> Poll(absl::Duration now) override {
    if (fired_ || now < at_) return std::nullopt;
    fired_ = true;
    return ExtraCapture{.trigger = "cpu", .reason = "it jumped", .duration = duration_};
  }

 private:
  const absl::Duration at_;
  const absl::Duration duration_;
  bool fired_ = false;
};

TEST_F(CaptureLoopTest, TakesAnExtraCaptureBetweenItsTurns) {
  OneTrigger trigger(Seconds(30), absl::ZeroDuration());
  triggers_ = {&trigger};
  Run({&source_});
  EXPECT_THAT(source_.starts, ElementsAre(7, 30, 67, 127));
  const std::vector<Window> windows = Spooled();
  ASSERT_EQ(windows.size(), 4u);
  EXPECT_EQ(windows[0].series[0].labels.count("trigger"), 0u);
  EXPECT_EQ(windows[1].series[0].labels.at("trigger"), "cpu");
  EXPECT_EQ(windows[1].interval, Seconds(10));
  EXPECT_EQ(windows[2].series[0].labels.count("trigger"), 0u);
  EXPECT_THAT(recorder_.triggers, ElementsAre("", "cpu", "", ""));
}

TEST_F(CaptureLoopTest, AnExtraCaptureMayBeLonger) {
  OneTrigger trigger(Seconds(60), Seconds(15));
  triggers_ = {&trigger};
  Run({&source_});
  EXPECT_THAT(source_.starts, ElementsAre(7, 60, 75, 127));
  EXPECT_EQ(Spooled()[1].duration, Seconds(15));
}

TEST_F(CaptureLoopTest, NoExtraCaptureOverTheBudget) {
  source_.during = [this] { cpu_time_ += Milliseconds(5000); };
  OneTrigger trigger(Seconds(30), absl::ZeroDuration());
  triggers_ = {&trigger};
  Run({&source_});
  EXPECT_THAT(recorder_.triggers, testing::Each(""));
}

TEST_F(CaptureLoopTest, AWindowMayCostTheKernelWhatTheIntervalAllows) {
  Run({&source_});
  EXPECT_EQ(source_.max_kernel_time, Milliseconds(600));  // 1 % of a core in 60 s
}

TEST_F(CaptureLoopTest, TheKernelsTimeIsPartOfTheCost) {
  source_.kernel_time = Milliseconds(8100);
  Run({&source_});
  EXPECT_EQ(recorder_.outcomes[1], WindowOutcome::kSkipped);
}

TEST_F(CaptureLoopTest, TellsItsOwnUseBetweenTurns) {
  source_.during = [this] { cpu_time_ += Milliseconds(600); };
  Run({&source_});
  EXPECT_DOUBLE_EQ(recorder_.used_cores.at(1), 0.01);  // 0.6 s in 60
}

TEST_F(CaptureLoopTest, HandsOnTheWindowThatTheStopCutShort) {
  source_.during = [this] { stop_.Stop(); };
  Run({&source_});
  EXPECT_THAT(source_.starts, ElementsAre(7));
  EXPECT_EQ(Spooled().size(), 1u);
}

TEST_F(CaptureLoopTest, DoesNotStartAWindowWhenStopped) {
  stop_.Stop();
  Run({&source_});
  EXPECT_TRUE(source_.starts.empty());
}

}  // namespace
}  // namespace pilotlight::agent
