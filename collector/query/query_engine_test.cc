#include "collector/query/query_engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "collector/query/export.h"
#include "collector/query/query_gate.h"
#include "tests/support/memory_store.h"
#include "tests/support/stacks.h"

namespace pilotlight::collector {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

const absl::Time kNow = absl::FromUnixSeconds(1'714'564'800);

class QueryEngineTest : public testing::Test {
 protected:
  // `stacks`: "main;work" and how many samples, 10 ms each, watched for 10 s of 60.
  void Add(const std::string& service, absl::Time start,
           const std::vector<std::pair<std::string, uint64_t>>& stacks) {
    Window window;
    window.agent = "agent";
    window.boot = "boot";
    window.sequence = ++sequence_;
    window.start = start;
    window.duration = absl::Seconds(10);
    window.interval = absl::Seconds(60);
    Series series;
    series.labels = {{"service_name", service}, {"pod", service + "-1"}};
    series.period = 10'000'000;
    for (const auto& [stack, count] : stacks) {
      NodeId node = StackTrie::kRoot;
      for (const absl::string_view function : absl::StrSplit(stack, ';')) {
        node = window.trie.Child(
            node, window.trie.InternFrame(FrameView{.function = function, .symbolized = true}));
      }
      series.samples.push_back({node, count, static_cast<int64_t>(count) * series.period});
    }
    window.series.push_back(std::move(series));
    ASSERT_TRUE(store_.Append(window).ok());
  }

  MemoryStores stores_;
  MemoryStore& store_ = stores_.anonymous();
  ManualClock clock_{kNow};
  QueryEngine engine_{stores_, clock_};
  uint64_t sequence_ = 0;
};

TEST_F(QueryEngineTest, MergesTheLastHourOfCpuTimeByDefault) {
  Add("a", kNow - absl::Minutes(30), {{"main;work", 6}});
  Add("a", kNow - absl::Minutes(20), {{"main;work", 4}});
  Add("a", kNow - absl::Minutes(61), {{"main;work", 100}});
  const auto answer = engine_.MergeFlameGraph({}, 0);
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->graph.nodes[0].total.count, 10);
  EXPECT_THAT(answer->graph.names, ElementsAre("total", "main", "work"));
  EXPECT_EQ(answer->quality.coverage.windows, 2);
  EXPECT_EQ(answer->quality.coverage.watched, absl::Seconds(20));
  EXPECT_EQ(answer->quality.totals.value, 100'000'000);
  EXPECT_DOUBLE_EQ(answer->quality.coverage.estimated_value, 600'000'000);
}

TEST_F(QueryEngineTest, ATenantIsAnsweredFromItsOwnStoreAlone) {
  Add("a", kNow - absl::Minutes(1), {{"main;work", 6}});
  const Caller stranger = {"stranger", nullptr};
  const auto answer = engine_.MergeFlameGraph({}, 0, stranger);
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->graph.nodes[0].total.count, 0);
  EXPECT_TRUE(engine_.SelectSeries({}, absl::ZeroDuration(), {}, stranger)->series.empty());
  EXPECT_TRUE(engine_.LabelNames({}, stranger)->empty());
  EXPECT_TRUE(engine_.LabelValues("pod", {}, stranger)->empty());
  EXPECT_TRUE(engine_.ProfileTypes({}, stranger)->empty());
  EXPECT_EQ(stores_.Find("stranger"), nullptr);
  EXPECT_EQ(engine_.LabelValues("pod", {})->size(), 1);
}

TEST_F(QueryEngineTest, SelectsByLabelsAndKnowsServiceAsAShortName) {
  Add("a", kNow - absl::Minutes(1), {{"main", 1}});
  Add("b", kNow - absl::Minutes(1), {{"main", 2}});
  for (const char* selector : {"{service=\"b\"}", "{service_name=\"b\"}", "{pod=~\"b-.*\"}"}) {
    const auto answer = engine_.Merge({.selector = selector});
    ASSERT_TRUE(answer.ok()) << answer.status();
    EXPECT_EQ(answer->quality.totals.count, 2) << selector;
  }
}

TEST_F(QueryEngineTest, SamplesMayHaveLabels) {
  Add("a", kNow - absl::Minutes(1), {{"main;work", 1}, {"main;rest", 2}});
  Add("b", kNow - absl::Minutes(1), {{"main;work", 4}});
  Add("b", kNow - absl::Minutes(2), {{"main;work", 8}});
  const auto answer = engine_.MergeLabelled({.focus = "work"}, {"service", "nothing"});
  ASSERT_TRUE(answer.ok()) << answer.status();
  std::map<Labels, uint64_t> counts;
  for (const LabelledSamples& part : answer->parts) counts[part.labels] = Totals(part.samples).count;
  EXPECT_THAT(counts,
              ElementsAre(Pair(Labels{{"service_name", "a"}}, 1), Pair(Labels{{"service_name", "b"}}, 12)));
  EXPECT_EQ(answer->profile.period, 10'000'000);
  EXPECT_EQ(answer->profile.duration, absl::Seconds(20));
  EXPECT_TRUE(engine_.MergeLabelled({}, {"pod"}, {"stranger", nullptr})->parts.empty());
}

TEST_F(QueryEngineTest, RefusesTooManyLabelSetsOfSamples) {
  for (size_t i = 0; i <= kMaxLabelSets; ++i) Add(absl::StrCat(i), kNow - absl::Minutes(1), {{"main", 1}});
  EXPECT_THAT(std::string(engine_.MergeLabelled({}, {"pod"}).status().message()),
              HasSubstr("101 sets of values of pod"));
  EXPECT_TRUE(engine_.MergeLabelled({.selector = "{service!=\"7\"}"}, {"pod"}).ok());
}

TEST_F(QueryEngineTest, ACallSiteKeepsTheStacksThatBeginWithIt) {
  Add("a", kNow - absl::Minutes(1),
      {{"main", 1}, {"main;work", 2}, {"main;work;deep", 4}, {"x;main;work", 8}});
  const auto samples = [this](const std::vector<std::string>& call_site) {
    return engine_.Merge({.call_site = call_site})->quality.totals.count;
  };
  EXPECT_EQ(samples({}), 15);
  EXPECT_EQ(samples({"main"}), 7);
  EXPECT_EQ(samples({"main", "work"}), 6);
  EXPECT_EQ(samples({"work"}), 0);
  EXPECT_EQ(samples({"main", "work", "deep", "deeper"}), 0);
  EXPECT_EQ(
      engine_.SelectSeries({.call_site = {"main", "work"}}, absl::Hours(1), {})->series[0].points[0].count,
      6);
}

TEST_F(QueryEngineTest, FocusKeepsTheStacksThatMatchAndTheirPartOfTheEstimate) {
  Add("a", kNow - absl::Minutes(1), {{"main;parse", 1}, {"main;render", 3}});
  const auto answer = engine_.Merge({.focus = "render"});
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->quality.totals.count, 3);
  EXPECT_DOUBLE_EQ(answer->quality.coverage.estimated_value, 180'000'000);
}

TEST_F(QueryEngineTest, ShowHideAndPruneFromTakeFramesAndNoSample) {
  Add("a", kNow - absl::Minutes(1), {{"main;serve;parse", 1}, {"main;render", 3}});
  const auto answer = engine_.Merge({.frames = {.show = "", .hide = "serve", .prune_from = "render"}});
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_THAT(FoldedCounts(answer->profile.trie, answer->profile.samples),
              ElementsAre(Pair("main;parse", 1), Pair("main;render", 3)));
  const auto labelled =
      engine_.MergeLabelled({.frames = {.show = "main", .hide = "", .prune_from = ""}}, {"service"});
  ASSERT_TRUE(labelled.ok()) << labelled.status();
  EXPECT_THAT(FoldedCounts(labelled->profile.trie, labelled->parts.at(0).samples),
              ElementsAre(Pair("main", 4)));
  EXPECT_TRUE(absl::IsInvalidArgument(engine_.Merge({.frames = {.show = "("}}).status()));
}

TEST_F(QueryEngineTest, TopSortsAndSaysHowManyThereAre) {
  Add("a", kNow - absl::Minutes(1), {{"main;parse", 1}, {"main;render", 3}});
  const auto flat = engine_.Top({}, TopOrder::kFlat, 1);
  ASSERT_TRUE(flat.ok()) << flat.status();
  EXPECT_EQ(flat->table.all_rows, 3);
  ASSERT_EQ(flat->table.rows.size(), 1);
  EXPECT_EQ(flat->table.rows[0].function, "render");
  const auto cumulative = engine_.Top({}, TopOrder::kCumulative, 1);
  EXPECT_EQ(cumulative->table.rows[0].function, "main");
}

TEST_F(QueryEngineTest, DiffComparesTwoSpansOfOneSelection) {
  Add("a", kNow - absl::Minutes(90), {{"main;parse", 500}, {"main;render", 500}});
  Add("a", kNow - absl::Minutes(30), {{"main;parse", 700}, {"main;render", 300}});
  const SelectionText before{.start = kNow - absl::Hours(2), .end = kNow - absl::Hours(1)};
  const auto answer = engine_.Diff(before, {}, TopOrder::kFlat, 2, /*max_nodes=*/0);
  ASSERT_TRUE(answer.ok()) << answer.status();
  ASSERT_EQ(answer->table.rows.size(), 2);
  EXPECT_EQ(answer->table.all_rows, 3);
  EXPECT_EQ(answer->table.rows[0].function, "parse");
  EXPECT_EQ(answer->table.rows[0].flat.base.count, 500);
  EXPECT_EQ(answer->table.rows[0].flat.comparison.count, 700);
  EXPECT_TRUE(answer->table.rows[0].flat.significant());
  EXPECT_EQ(answer->base_quality.totals.count, 1000);
  EXPECT_TRUE(answer->graph.nodes.empty());
}

TEST_F(QueryEngineTest, DiffComparesTwoSelectionsOfOneSpanAsAGraphToo) {
  Add("a", kNow - absl::Minutes(30), {{"main;parse", 10}});
  Add("b", kNow - absl::Minutes(30), {{"main;parse", 20}, {"main;render", 10}});
  const auto answer = engine_.Diff({.selector = "{service=\"a\"}"}, {.selector = "{service=\"b\"}"},
                                   TopOrder::kFlat, 0, kDefaultMaxNodes);
  ASSERT_TRUE(answer.ok()) << answer.status();
  ASSERT_EQ(answer->graph.nodes.size(), 4);
  EXPECT_EQ(answer->graph.nodes[0].total.base.count, 10);
  EXPECT_EQ(answer->graph.nodes[0].total.comparison.count, 30);
}

TEST_F(QueryEngineTest, DiffRefusesDifferentTypes) {
  const auto answer =
      engine_.Diff({.profile_type = "memory:inuse_space:bytes:space:bytes"}, {}, TopOrder::kFlat, 0, 0);
  EXPECT_TRUE(absl::IsInvalidArgument(answer.status())) << answer.status();
}

TEST_F(QueryEngineTest, DiffFindsNothingAgainstAnEmptySelection) {
  Add("a", kNow - absl::Minutes(30), {{"main;parse", 1000}});
  const auto answer =
      engine_.Diff({.selector = "{service=\"nobody\"}"}, {}, TopOrder::kFlat, 0, kDefaultMaxNodes);
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->table.all_rows, 2);
  EXPECT_EQ(answer->table.significant_cumulative, 0);
}

TEST_F(QueryEngineTest, PeekShowsWhoCallsAFunction) {
  Add("a", kNow - absl::Minutes(1), {{"main;serve;parse", 1}, {"main;load;parse", 3}});
  const auto answer = engine_.Peek({}, "parse", 0);
  ASSERT_TRUE(answer.ok()) << answer.status();
  ASSERT_EQ(answer->table.functions.size(), 1);
  ASSERT_EQ(answer->table.functions[0].callers.size(), 2);
  EXPECT_EQ(answer->table.functions[0].callers[0].function, "load");
  EXPECT_TRUE(absl::IsInvalidArgument(engine_.Peek({}, "(", 0).status()));
}

TEST_F(QueryEngineTest, SeriesComeLargestFirstWithASixtiethOfTheSpanAsStep) {
  Add("small", kNow - absl::Minutes(5), {{"main", 1}});
  Add("large", kNow - absl::Minutes(5), {{"main", 2}});
  Add("large", kNow - absl::Minutes(3), {{"main", 7}});
  const auto answer = engine_.SelectSeries({}, absl::ZeroDuration(), {"service"});
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->step, absl::Minutes(1));
  ASSERT_EQ(answer->series.size(), 2);
  EXPECT_EQ(answer->series[0].labels.at("service_name"), "large");
  ASSERT_EQ(answer->series[0].points.size(), 2);
  EXPECT_EQ(answer->series[0].points[1].count, 7);
  EXPECT_EQ(answer->span.start + answer->series[0].points[1].step * answer->step, kNow - absl::Minutes(3));
}

TEST_F(QueryEngineTest, SeriesCountOnlyWhatFocusKeeps) {
  Add("a", kNow - absl::Minutes(5), {{"main;parse", 1}, {"main;render", 3}});
  const auto answer = engine_.SelectSeries({.ignore = "render"}, absl::Minutes(1), {});
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->series[0].points[0].count, 1);
}

TEST_F(QueryEngineTest, SaysWhatIsWrongWithAQuestion) {
  const auto message = [this](const SelectionText& text) {
    const absl::Status status = engine_.Merge(text).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    return std::string(status.message());
  };
  EXPECT_THAT(message({.selector = "{service=}"}), HasSubstr("selector"));
  EXPECT_THAT(message({.profile_type = "cpu"}), HasSubstr("profile type"));
  EXPECT_THAT(message({.start = kNow, .end = kNow}), HasSubstr("empty"));
  EXPECT_THAT(message({.focus = "("}), HasSubstr("focus"));
  const absl::Status steps = engine_.SelectSeries({}, absl::Microseconds(1), {}).status();
  EXPECT_THAT(std::string(steps.message()), HasSubstr("longer step"));
}

TEST_F(QueryEngineTest, ASelectionWithoutDataIsAnEmptyAnswer) {
  const auto answer = engine_.MergeFlameGraph({.selector = "{service=\"nobody\"}"}, 0);
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->graph.nodes.size(), 1);
  EXPECT_EQ(answer->type, ProfileType{});
}

TEST_F(QueryEngineTest, StopsWhenNobodyWaits) {
  const auto answer = engine_.Merge({}, {"anonymous", [] { return true; }});
  EXPECT_TRUE(absl::IsCancelled(answer.status())) << answer.status();
}

TEST_F(QueryEngineTest, CountsWhatIsNotAnswered) {
  prometheus::Registry registry;
  QueryMetrics metrics(registry);
  const auto ask = [&](const QueryOptions& options, const IsAbandoned& is_abandoned) {
    return QueryEngine(stores_, clock_, options, &metrics).Merge({}, {"anonymous", is_abandoned}).status();
  };
  const auto wait_an_hour = [this] {
    clock_.Advance(absl::Hours(1));
    return false;
  };
  EXPECT_TRUE(ask({}, {}).ok());
  EXPECT_TRUE(absl::IsCancelled(ask({}, [] { return true; })));
  EXPECT_TRUE(absl::IsDeadlineExceeded(ask({}, wait_an_hour)));
  EXPECT_TRUE(absl::IsResourceExhausted(ask({.max_concurrent = 0, .patience = absl::ZeroDuration()}, {})));
  std::map<std::string, double> counts;
  for (const prometheus::MetricFamily& family : registry.Collect()) {
    if (family.name != "pilotlight_queries_unanswered_total") continue;
    for (const prometheus::ClientMetric& metric : family.metric) {
      counts[metric.label[0].value] = metric.counter.value;
    }
  }
  EXPECT_EQ(counts, (std::map<std::string, double>{
                        {"abandoned", 1}, {"timeout", 1}, {"max_bytes", 0}, {"max_concurrency", 1}}));
}

TEST_F(QueryEngineTest, ListsLabelsAndTypes) {
  Add("a", kNow - absl::Minutes(1), {{"main", 1}});
  Add("b", kNow - absl::Minutes(1), {{"main", 1}});
  EXPECT_THAT(*engine_.LabelNames({}), ElementsAre("pod", "service_name"));
  EXPECT_THAT(*engine_.LabelValues("service", {}), ElementsAre("a", "b"));
  EXPECT_THAT(*engine_.LabelValues("pod", {.selector = "{service=\"a\"}"}), ElementsAre("a-1"));
  EXPECT_THAT(*engine_.ProfileTypes({}), ElementsAre(ProfileType{}));
}

TEST_F(QueryEngineTest, ExportsEachFormat) {
  Add("a", kNow - absl::Minutes(1), {{"main;work", 5}});
  const auto answer = engine_.Merge({});
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(WriteExportFile(answer->profile, ExportFormat::kFolded), "main;work 5\n");
  EXPECT_THAT(WriteExportFile(answer->profile, ExportFormat::kPprof), testing::StartsWith("\x1f\x8b"));
  EXPECT_THAT(WriteExportFile(answer->profile, ExportFormat::kSvg), HasSubstr("<svg"));
  EXPECT_THAT(WriteExportFile(answer->profile, ExportFormat::kJson), testing::StartsWith("{"));
}

TEST(QueryGateTest, ATenantLeavesPlacesToOthers) {
  QueryGate gate(/*max_concurrent=*/3, /*max_of_tenant=*/1, /*patience=*/absl::ZeroDuration());
  ASSERT_TRUE(gate.Enter({}, "a").ok());
  const absl::Status second = gate.Enter({}, "a");
  EXPECT_TRUE(absl::IsResourceExhausted(second)) << second;
  EXPECT_THAT(std::string(second.message()), HasSubstr("--tenants.max-queries"));
  ASSERT_TRUE(gate.Enter({}, "b").ok());
  ASSERT_TRUE(gate.Enter({}, "anonymous").ok());
  gate.Leave("b");
  EXPECT_FALSE(gate.Enter({}, "a").ok());
  EXPECT_TRUE(gate.Enter({}, "anonymous").ok());  // has no limit of its own
  gate.Leave("anonymous");
  gate.Leave("a");
  EXPECT_TRUE(gate.Enter({}, "a").ok());
}

TEST(QueryGateTest, LetsNoMoreInThanAllowed) {
  QueryGate gate(/*max_concurrent=*/1, /*max_of_tenant=*/1, /*patience=*/absl::ZeroDuration());
  ASSERT_TRUE(gate.Enter({}, "anonymous").ok());
  const absl::Status second = gate.Enter({}, "anonymous");
  EXPECT_TRUE(absl::IsResourceExhausted(second)) << second;
  EXPECT_THAT(std::string(second.message()), HasSubstr("--query.max-concurrency"));
  gate.Leave("anonymous");
  EXPECT_TRUE(gate.Enter({}, "anonymous").ok());
}

TEST(QueryGateTest, StopsWaitingForAnAbandonedQuestion) {
  QueryGate gate(/*max_concurrent=*/0, /*max_of_tenant=*/0, /*patience=*/absl::Hours(1));
  EXPECT_TRUE(absl::IsCancelled(gate.Enter({.is_abandoned = [] { return true; }}, "anonymous")));
}

}  // namespace
}  // namespace pilotlight::collector
