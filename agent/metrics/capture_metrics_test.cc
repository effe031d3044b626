#include "agent/metrics/capture_metrics.h"

#include <gmock/gmock.h>
#include <prometheus/text_serializer.h>

#include <string>

#include "agent/metrics/symbol_metrics.h"
#include "agent/metrics/uplink_metrics.h"

namespace pilotlight::agent {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class CaptureMetricsTest : public testing::Test {
 protected:
  std::string Scrape() { return prometheus::TextSerializer().Serialize(registry_.Collect()); }

  prometheus::Registry registry_;
  TargetMetrics targets_{{}, registry_};
  CaptureMetrics metrics_{{"ebpf"}, /*cpus=*/4, targets_, registry_};
};

TEST_F(CaptureMetricsTest, EveryOutcomeIsThereFromTheStart) {
  EXPECT_THAT(Scrape(),
              AllOf(HasSubstr(R"(pilotlight_capture_windows_total{outcome="ok",source="ebpf"} 0)"),
                    HasSubstr(R"(pilotlight_capture_windows_total{outcome="failed",source="ebpf"} 0)"),
                    HasSubstr(R"(pilotlight_capture_windows_total{outcome="skipped",source="ebpf"} 0)")));
}

TEST_F(CaptureMetricsTest, CountsAWindowAndWhatItLost) {
  FoldedWindow folded;
  folded.samples = 30;
  folded.vanished_processes = 2;
  folded.vanished_samples = 5;
  const std::vector<SeriesInsight> insights;
  const std::vector<LostSamples> lost = {{"ring_full", 4}};
  metrics_.OnTurn(
      {.source = "ebpf", .folded = &folded, .insights = &insights, .lost = &lost, .used_cores = 0.02});
  EXPECT_THAT(Scrape(), AllOf(HasSubstr(R"(pilotlight_capture_windows_total{outcome="ok",source="ebpf"} 1)"),
                              HasSubstr(R"(pilotlight_capture_samples_total{source="ebpf"} 30)"),
                              HasSubstr(R"(pilotlight_capture_lost_samples_total{reason="ring_full"} 4)"),
                              HasSubstr("pilotlight_capture_vanished_processes_total 2"),
                              HasSubstr("pilotlight_capture_vanished_samples_total 5"),
                              HasSubstr("pilotlight_capture_overhead_ratio 0.005")));
}

TEST_F(CaptureMetricsTest, CountsFailures) {
  metrics_.OnTurn({.source = "ebpf", .outcome = WindowOutcome::kFailed});
  EXPECT_THAT(Scrape(), HasSubstr(R"(pilotlight_capture_windows_total{outcome="failed",source="ebpf"} 1)"));
}

TEST_F(CaptureMetricsTest, TellsWhatBecameOfExtraCaptures) {
  metrics_.OnTurn({.source = "ebpf",
                   .outcome = WindowOutcome::kSkipped,
                   .throttle = 3,
                   .extra_captures = {{{"cpu", TriggerOutcome::kCaptured}, 2},
                                      {{"cpu", TriggerOutcome::kOverBudget}, 1}}});
  EXPECT_THAT(Scrape(),
              AllOf(HasSubstr(R"(pilotlight_capture_triggers_total{outcome="captured",trigger="cpu"} 2)"),
                    HasSubstr(R"(pilotlight_capture_triggers_total{outcome="over_budget",trigger="cpu"} 1)"),
                    HasSubstr(R"(pilotlight_capture_triggers_total{outcome="captured",trigger="mcall"} 0)"),
                    HasSubstr("pilotlight_capture_throttle 3")));
}

TEST(UplinkMetricsTest, FollowsWhatTheUplinkCounts) {
  prometheus::Registry registry;
  UplinkMetrics metrics(registry);
  SpoolStats spool;
  spool.bytes = 4096;
  spool.dropped_windows["spool_full"] = 3;
  UplinkStats uplink;
  uplink.connected = true;
  uplink.sent_windows = 7;
  metrics.Update(spool, uplink);
  uplink.sent_windows = 9;
  metrics.Update(spool, uplink);
  const std::string text = prometheus::TextSerializer().Serialize(registry.Collect());
  EXPECT_THAT(text, AllOf(HasSubstr("pilotlight_uplink_spool_bytes 4096"),
                          HasSubstr(R"(pilotlight_uplink_dropped_windows_total{reason="spool_full"} 3)"),
                          HasSubstr("pilotlight_uplink_connected 1"),
                          HasSubstr("pilotlight_uplink_sent_windows_total 9")));
}

TEST(SymbolMetricsTest, TellsReasonsApart) {
  prometheus::Registry registry;
  SymbolMetrics metrics(registry);
  SymbolizerStats stats;
  stats.address_hits = 10;
  stats.unnamed_no_symbol = 2;
  metrics.Update(stats);
  const std::string text = prometheus::TextSerializer().Serialize(registry.Collect());
  EXPECT_THAT(text, AllOf(HasSubstr(R"(pilotlight_symbol_addresses_total{cache="hit"} 10)"),
                          HasSubstr(R"(pilotlight_symbol_unnamed_addresses_total{reason="no_symbol"} 2)")));
}

}  // namespace
}  // namespace pilotlight::agent
