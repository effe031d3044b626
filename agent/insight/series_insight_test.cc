#include "agent/insight/series_insight.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>

#include "profile/statistics.h"
#include "tests/support/stacks.h"

namespace pilotlight::agent {
namespace {

constexpr int64_t kPeriod = 10'000'000;  // 100 Hz

class SeriesInsightTest : public testing::Test {
 protected:
  SeriesInsightTest() { window_.duration = absl::Seconds(10); }

  Series& AddSeries(const std::map<std::string, uint64_t>& counts) {
    Series& series = window_.series.emplace_back();
    series.period = kPeriod;
    series.samples = AddSamples(window_.trie, counts, kPeriod);
    return series;
  }
  SeriesInsight Derive() { return DeriveInsight(window_).at(0); }

  Window window_;
};

TEST_F(SeriesInsightTest, CoresAreCpuTimeOverWatchedTime) {
  AddSeries({{"main", 500}, {"main;work", 1000}});
  window_.interval = absl::Seconds(60);
  const SeriesInsight insight = Derive();
  EXPECT_EQ(insight.samples, 1500u);
  EXPECT_DOUBLE_EQ(insight.cpu_seconds, 15);
  EXPECT_DOUBLE_EQ(insight.cpu_cores, 1.5);
}

TEST_F(SeriesInsightTest, CountsEachStackInOneClass) {
  AddSeries({{"runtime.mcall;runtime.park_m;runtime.schedule", 20},
             {"runtime.mstart1;runtime.schedule", 3},
             {"runtime.gcBgMarkWorker;runtime.systemstack;runtime.gcDrain", 10},
             {"main;runtime.mallocgc;runtime.gcAssistAlloc", 5},
             {"main;runtime.mallocgc", 7},
             {"main;sync.(*Mutex).lockSlow;runtime.procyield", 4},
             {"main;os.(*File).Read;syscall.Syscall", 6},
             {"main;work", 45}});
  const SeriesInsight insight = Derive();
  EXPECT_EQ(insight.go_samples, 100u);
  EXPECT_EQ(insight.of_class(GoClass::kMcall), 20u);
  EXPECT_EQ(insight.of_class(GoClass::kScheduler), 3u);
  EXPECT_EQ(insight.of_class(GoClass::kGc), 15u);
  EXPECT_EQ(insight.of_class(GoClass::kAlloc), 7u);
  EXPECT_EQ(insight.of_class(GoClass::kLock), 4u);
  EXPECT_EQ(insight.of_class(GoClass::kSyscall), 6u);
  EXPECT_EQ(insight.of_class(GoClass::kUser), 45u);
  EXPECT_DOUBLE_EQ(insight.go_class_seconds[static_cast<size_t>(GoClass::kMcall)], 0.2);
}

TEST_F(SeriesInsightTest, WhoCalledMcallDoesNotChangeTheClass) {
  AddSeries({{"runtime.gcBgMarkWorker;runtime.gopark;runtime.mcall;runtime.schedule", 20},
             {"main;sync.(*Mutex).lockSlow;runtime.gopark;runtime.mcall;runtime.schedule", 30},
             {"runtime.mcall;runtime.schedule", 10},
             {"main;work", 40}});
  const SeriesInsight insight = Derive();
  EXPECT_EQ(insight.of_class(GoClass::kMcall), 60u);
  EXPECT_EQ(insight.of_class(GoClass::kGc), 0u);
  EXPECT_EQ(insight.of_class(GoClass::kLock), 0u);
  EXPECT_EQ(insight.mcall_samples, 60u);
  EXPECT_EQ(insight.mcall_joined_samples, 50u);
}

TEST_F(SeriesInsightTest, ARatioComesWithItsLowerBound) {
  AddSeries({{"runtime.mcall", 20}, {"main", 80}});
  const Ratio mcall = Derive().go_ratio(GoClass::kMcall);
  EXPECT_DOUBLE_EQ(mcall.value, 0.2);
  EXPECT_DOUBLE_EQ(mcall.lower, WilsonInterval(20, 100).lower);
  EXPECT_LT(mcall.lower, 0.14);
}

TEST_F(SeriesInsightTest, KernelFramesBelongToTheGoFunctionAboveThem) {
  Series& series = AddSeries({});
  StackTrie& trie = window_.trie;
  const NodeId go = AddStack(trie, "main;internal/runtime/syscall.Syscall6");
  const FrameId kernel = trie.InternFrame(
      FrameView{.function = "runtime.mcall", .kind = FrameKind::kKernel, .symbolized = true});
  series.samples = {{trie.Child(go, kernel), 9, 9 * kPeriod}};
  EXPECT_EQ(Derive().of_class(GoClass::kSyscall), 9u);
}

TEST_F(SeriesInsightTest, StacksWithoutGoFramesAreNotGoSamples) {
  Series& series = AddSeries({{"main", 10}});
  const FrameId native = window_.trie.InternFrame(
      FrameView{.function = "compress", .kind = FrameKind::kNative, .symbolized = true});
  series.samples.push_back({window_.trie.Child(StackTrie::kRoot, native), 30, 30 * kPeriod});
  const SeriesInsight insight = Derive();
  EXPECT_EQ(insight.samples, 40u);
  EXPECT_EQ(insight.go_samples, 10u);
}

TEST_F(SeriesInsightTest, CountsNamedFramesAndWholeStacks) {
  Series& series = AddSeries({{"main", 10}});
  series.loss = {.truncated_stacks = 4, .frames = 50, .unsymbolized_frames = 20};
  const SeriesInsight insight = Derive();
  EXPECT_EQ(insight.frames, 50u);
  EXPECT_EQ(insight.symbolized_frames, 30u);
  EXPECT_EQ(insight.complete_stacks, 6u);
}

TEST_F(SeriesInsightTest, SurvivesCountersThatDoNotFit) {
  Series& series = AddSeries({{"main", 10}});
  series.loss = {.truncated_stacks = 11, .frames = 5, .unsymbolized_frames = 6};
  EXPECT_EQ(Derive().symbolized_frames, 0u);
  EXPECT_EQ(Derive().complete_stacks, 0u);
}

TEST_F(SeriesInsightTest, LeavesOtherProfileTypesOut) {
  AddSeries({{"main", 10}}).type = {"memory", "alloc_space", "bytes", "space", "bytes"};
  EXPECT_EQ(Derive().samples, 0u);
}

TEST_F(SeriesInsightTest, AddsUp) {
  AddSeries({{"main", 100}});
  AddSeries({{"runtime.mcall", 100}});
  std::vector<SeriesInsight> insights = DeriveInsight(window_);
  insights[0] += insights[1];
  EXPECT_EQ(insights[0].samples, 200u);
  EXPECT_DOUBLE_EQ(insights[0].cpu_cores, 0.2);
  EXPECT_DOUBLE_EQ(insights[0].go_ratio(GoClass::kMcall).value, 0.5);
}

TEST(RatioOfTest, NothingOfNothingIsZero) {
  EXPECT_EQ(RatioOf(0, 0).value, 0);
  EXPECT_EQ(RatioOf(0, 0).lower, 0);
}

}  // namespace
}  // namespace pilotlight::agent
