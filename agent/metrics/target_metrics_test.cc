#include "agent/metrics/target_metrics.h"

#include <gmock/gmock.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <map>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/support/stacks.h"

namespace pilotlight::agent {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr int64_t kPeriod = 10'000'000;

class TargetMetricsTest : public testing::Test {
 protected:
  static Window MakeWindow(const std::string& source = "ebpf") {
    Window window;
    window.source = source;
    window.duration = absl::Seconds(10);
    return window;
  }
  static void AddSeries(Window& window, Labels labels, const std::map<std::string, uint64_t>& counts) {
    Series& series = window.series.emplace_back();
    series.labels = std::move(labels);
    series.period = kPeriod;
    series.samples = AddSamples(window.trie, counts, kPeriod);
    for (const auto& [stack, count] : counts) series.loss.frames += count;
  }
  static Window OneSeries(const std::string& service, const std::map<std::string, uint64_t>& counts) {
    Window window = MakeWindow();
    AddSeries(window, {{"service_name", service}}, counts);
    return window;
  }

  void Update(const Window& window) { metrics_.Update(window, DeriveInsight(window)); }
  std::string Scrape() { return prometheus::TextSerializer().Serialize(registry_.Collect()); }

  prometheus::Registry registry_;
  TargetMetrics metrics_{{.max_targets = 2, .windows_until_gone = 3}, registry_};
};

TEST_F(TargetMetricsTest, ShowsWhatATargetDid) {
  Window window = MakeWindow();
  AddSeries(window,
            {{"service_name", "shop"},
             {"namespace", "prod"},
             {"pod", "shop-1"},
             {"container", "main"},
             {"node", "n"}},
            {{"main", 80}, {"runtime.mcall", 20}});
  window.series[0].loss.unsymbolized_frames = 25;
  window.series[0].loss.truncated_stacks = 10;
  Update(window);
  const std::string labels = R"(container="main",namespace="prod",pod="shop-1",service="shop")";
  EXPECT_THAT(Scrape(), AllOf(HasSubstr("pilotlight_cpu_samples_total{" + labels + "} 100\n"),
                              HasSubstr("pilotlight_cpu_seconds_total{" + labels + "} 1\n"),
                              HasSubstr("pilotlight_cpu_cores{" + labels + "} 0.1"),
                              HasSubstr("pilotlight_go_mcall_ratio{" + labels + "} 0.2"),
                              HasSubstr("pilotlight_go_mcall_ratio_lower{" + labels + "} 0.13"),
                              HasSubstr("pilotlight_go_gc_cpu_ratio{" + labels + "} 0\n"),
                              HasSubstr("pilotlight_symbolized_ratio{" + labels + "} 0.75\n"),
                              HasSubstr("pilotlight_complete_stacks_ratio{" + labels + "} 0.9")));
}

TEST_F(TargetMetricsTest, CountsByClassAndCompleteness) {
  Update(OneSeries("shop", {{"main", 80}, {"runtime.mcall", 20}}));
  const std::string text = Scrape();
  EXPECT_THAT(text, HasSubstr(R"(pilotlight_go_cpu_samples_total{class="mcall",service="shop"} 20)"));
  EXPECT_THAT(text, HasSubstr(R"(pilotlight_go_cpu_samples_total{class="user",service="shop"} 80)"));
  EXPECT_THAT(text, HasSubstr(R"(pilotlight_go_cpu_samples_total{class="gc",service="shop"} 0)"));
  EXPECT_THAT(text, HasSubstr(R"(pilotlight_go_cpu_seconds_total{class="mcall",service="shop"} 0.2)"));
  EXPECT_THAT(text, HasSubstr(R"(pilotlight_frames_total{service="shop",symbolized="true"} 100)"));
  EXPECT_THAT(text, HasSubstr(R"(pilotlight_frames_total{service="shop",symbolized="false"} 0)"));
  EXPECT_THAT(text, HasSubstr(R"(pilotlight_stacks_total{complete="true",service="shop"} 100)"));
}

TEST_F(TargetMetricsTest, TellsWhichMcallSamplesShowWhoCalled) {
  Update(OneSeries("shop", {{"main.serve;runtime.gopark;runtime.mcall;runtime.park_m", 30},
                            {"runtime.mcall;runtime.park_m", 10},
                            {"main.serve", 60}}));
  EXPECT_THAT(Scrape(),
              AllOf(HasSubstr(R"(pilotlight_go_mcall_samples_total{joined="true",service="shop"} 30)"),
                    HasSubstr(R"(pilotlight_go_mcall_samples_total{joined="false",service="shop"} 10)")));
}

TEST_F(TargetMetricsTest, CountersGrowAndGaugesFollow) {
  Update(OneSeries("shop", {{"main", 100}}));
  Update(OneSeries("shop", {{"main", 50}}));
  EXPECT_THAT(Scrape(), AllOf(HasSubstr(R"(pilotlight_cpu_samples_total{service="shop"} 150)"),
                              HasSubstr(R"(pilotlight_cpu_cores{service="shop"} 0.05)")));
}

TEST_F(TargetMetricsTest, SaysNothingOfGoForOtherPrograms) {
  Window window = MakeWindow();
  Series& series = window.series.emplace_back();
  series.labels = {{"service_name", "db"}};
  const FrameId native = window.trie.InternFrame(FrameView{.function = "work", .kind = FrameKind::kNative});
  series.samples = {{window.trie.Child(StackTrie::kRoot, native), 10, 10 * kPeriod}};
  Update(window);
  EXPECT_THAT(Scrape(),
              AllOf(HasSubstr(R"(pilotlight_cpu_cores{service="db"})"), Not(HasSubstr("pilotlight_go_"))));
}

TEST_F(TargetMetricsTest, AddsUpWhatDiffersOnlyInOtherLabels) {
  Window window = MakeWindow();
  AddSeries(window, {{"service_name", "shop"}, {"zone", "a"}}, {{"main", 10}});
  AddSeries(window, {{"service_name", "shop"}, {"zone", "b"}}, {{"main", 20}});
  Update(window);
  EXPECT_THAT(Scrape(), HasSubstr(R"(pilotlight_cpu_samples_total{service="shop"} 30)"));
}

TEST_F(TargetMetricsTest, CountsGcPausesOfTheProcessesOfATarget) {
  Update(OneSeries("shop", {{"main", 100}}));
  EXPECT_THAT(Scrape(), Not(HasSubstr("pilotlight_go_gc_pause_seconds_count")));
  metrics_.AddGcPauses({{"service_name", "shop"}}, {.pauses_ns = {30'000, 2'000'000}});
  metrics_.AddGcPauses({{"service_name", "shop"}}, {.pauses_ns = {30'000}, .missed = 4});
  metrics_.AddGcPauses({{"service_name", "elsewhere"}}, {.pauses_ns = {30'000}});
  const std::string text = Scrape();
  EXPECT_THAT(text, HasSubstr(R"(pilotlight_go_gc_pause_seconds_count{service="shop"} 3)"));
  EXPECT_THAT(text, HasSubstr(R"(pilotlight_go_gc_pause_seconds_sum{service="shop"} 0.00206)"));
  EXPECT_THAT(text, HasSubstr(R"(pilotlight_go_gc_pauses_missed_total{service="shop"} 4)"));
  EXPECT_THAT(text, Not(HasSubstr("elsewhere")));
}

TEST_F(TargetMetricsTest, AnIdleTargetUsesNoCoresAndHasNoShares) {
  Update(OneSeries("shop", {{"runtime.mcall", 10}}));
  Update(MakeWindow());
  EXPECT_THAT(Scrape(), AllOf(HasSubstr("pilotlight_cpu_cores{service=\"shop\"} 0\n"),
                              HasSubstr(R"(pilotlight_cpu_samples_total{service="shop"} 10)"),
                              Not(HasSubstr("_ratio{"))));
}

TEST_F(TargetMetricsTest, AVanishedTargetVanishes) {
  Update(OneSeries("shop", {{"runtime.mcall", 10}}));
  for (int i = 0; i < 3; ++i) Update(MakeWindow());
  EXPECT_THAT(Scrape(), Not(HasSubstr("shop")));
  EXPECT_EQ(metrics_.size(), 0u);
}

TEST_F(TargetMetricsTest, WindowsOfAnotherSourceSayNothingOfATarget) {
  Update(OneSeries("shop", {{"main", 10}}));
  for (int i = 0; i < 5; ++i) {
    Window window = MakeWindow("pprof");
    AddSeries(window, {{"service_name", "shop"}}, {{"main", 7}});
    Update(window);
  }
  EXPECT_THAT(Scrape(), HasSubstr(R"(pilotlight_cpu_samples_total{service="shop"} 10)"));
}

TEST_F(TargetMetricsTest, CountsTheSamplesOfTooManyTargets) {
  Window window = MakeWindow();
  for (const char* service : {"a", "b", "c", "d"}) {
    AddSeries(window, {{"service_name", service}}, {{"main", 10}});
  }
  Update(window);
  EXPECT_THAT(Scrape(), AllOf(HasSubstr("pilotlight_metric_targets 2"),
                              HasSubstr("pilotlight_metric_overflow_samples_total 20")));
}

}  // namespace
}  // namespace pilotlight::agent
