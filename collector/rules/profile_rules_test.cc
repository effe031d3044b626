#include "collector/rules/profile_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/text_serializer.h>
#include <re2/re2.h>

#include <map>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "profile/stack_filter.h"
#include "tests/support/stacks.h"

namespace pilotlight::collector {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr int64_t kPeriod = 10'000'000;
constexpr size_t kMaxGroups = 3;

class ProfileRulesTest : public testing::Test {
 protected:
  // Stacks of a service with their samples, 10 ms each, watched for 10 s of 60.
  Window WindowOf(const std::string& service, const std::map<std::string, uint64_t>& stacks) const {
    Window window;
    window.agent = "agent";
    window.source = "ebpf";
    window.start = clock_.Now();
    window.duration = absl::Seconds(10);
    window.interval = absl::Seconds(60);
    Add(service, stacks, window);
    return window;
  }
  static void Add(const std::string& service, const std::map<std::string, uint64_t>& stacks, Window& window) {
    Series series;
    series.labels = {{std::string(kServiceLabel), service}, {"version", service + "-1"}};
    series.samples = AddSamples(window.trie, stacks, kPeriod);
    window.series.push_back(std::move(series));
  }

  std::string Metrics() {
    rules_.Update();
    return prometheus::TextSerializer().Serialize(registry_.Collect());
  }
  // The value of one metric, or "none".
  std::string Metric(const std::string& name_and_labels) {
    const std::string metrics = Metrics();
    for (const absl::string_view line : absl::StrSplit(metrics, '\n')) {
      if (absl::StartsWith(line, name_and_labels + " "))
        return std::string(line.substr(name_and_labels.size() + 1));
    }
    return "none";
  }

  ManualClock clock_{absl::FromUnixSeconds(1'714'564'800)};
  prometheus::Registry registry_;
  ProfileRules rules_{clock_, registry_, kMaxGroups};
};

TEST_F(ProfileRulesTest, CountsTheStacksThatMatchByServiceAsAnEstimateInCores) {
  ASSERT_TRUE(rules_.Set({{.name = "json", .focus = "json", .ignore = "skip"}}).ok());
  Window window = WindowOf("shop", {{"main;json;scan", 100}, {"main;skip;json", 7}, {"main", 1000}});
  Add("search", {{"main;json", 50}}, window);
  Add("idle", {{"main", 5}}, window);
  rules_.Count("anonymous", window);
  rules_.Count("anonymous", window);
  EXPECT_EQ(Metric(R"(pilotlight_rule_samples_total{rule="json",service="shop"})"), "200");
  // 1 s of 10 s, twice, each for a minute.
  EXPECT_EQ(Metric(R"(pilotlight_rule_cpu_seconds_total{rule="json",service="shop"})"), "12");
  EXPECT_EQ(Metric(R"(pilotlight_rule_cpu_cores{rule="json",service="shop"})"), "0.1");
  EXPECT_EQ(Metric(R"(pilotlight_rule_samples_total{rule="json",service="search"})"), "100");
  EXPECT_THAT(Metrics(), Not(HasSubstr("idle")));
}

TEST_F(ProfileRulesTest, SelectsSeriesAndGroupsByLabels) {
  ASSERT_TRUE(rules_
                  .Set({{.name = "a", .selector = "{service=\"shop\"}", .group_by = {"version", "zone"}},
                        {.name = "b", .selector = "", .group_by = {}}})
                  .ok());
  Window window = WindowOf("shop", {{"main;f", 3}});
  Add("search", {{"main;g", 4}}, window);
  rules_.Count("anonymous", window);
  EXPECT_EQ(Metric(R"(pilotlight_rule_samples_total{rule="a",version="shop-1",zone=""})"), "3");
  EXPECT_EQ(Metric(R"(pilotlight_rule_samples_total{rule="b"})"), "7");
  EXPECT_THAT(Metrics(), Not(HasSubstr("search")));
}

TEST_F(ProfileRulesTest, TheGaugeIsTheSumOfTheAgentsLastWindows) {
  ASSERT_TRUE(rules_.Set({{.name = "json", .focus = "json"}}).ok());
  const std::string cores = R"(pilotlight_rule_cpu_cores{rule="json",service="shop"})";
  Window first = WindowOf("shop", {{"json", 100}});
  Window second = WindowOf("shop", {{"json", 300}});
  second.agent = "other";
  rules_.Count("anonymous", first);
  rules_.Count("anonymous", second);
  EXPECT_EQ(Metric(cores), "0.4");
  // Came late: counted, but it is not the last one.
  Window late = WindowOf("shop", {{"json", 1000}});
  late.start -= absl::Seconds(30);
  rules_.Count("anonymous", late);
  EXPECT_EQ(Metric(cores), "0.4");
  // Nothing of the rule in the first agent's next window.
  clock_.Advance(absl::Minutes(1));
  rules_.Count("anonymous", WindowOf("shop", {{"main", 1}}));
  EXPECT_EQ(Metric(cores), "0.3");
  // The other agent has gone.
  clock_.Advance(absl::Minutes(2));
  EXPECT_EQ(Metric(cores), "0");
  EXPECT_EQ(Metric(R"(pilotlight_rule_samples_total{rule="json",service="shop"})"), "1400");
}

TEST_F(ProfileRulesTest, LeavesExtraCapturesAndOtherTypesOut) {
  ASSERT_TRUE(rules_.Set({{.name = "all"}}).ok());
  Window extra = WindowOf("shop", {{"main", 1}});
  extra.series[0].labels["trigger"] = "cpu";
  Window heap = WindowOf("shop", {{"main", 1}});
  heap.series[0].type = *ProfileType::Parse("memory:inuse_space:bytes:space:bytes");
  rules_.Count("anonymous", extra);
  rules_.Count("anonymous", heap);
  EXPECT_THAT(Metrics(), Not(HasSubstr("pilotlight_rule_samples_total{")));
}

TEST_F(ProfileRulesTest, CountsWhatIsBeyondTheLimitOfGroupsAndFreesIdleOnes) {
  ASSERT_TRUE(rules_.Set({{.name = "all"}}).ok());
  for (int i = 0; i < 5; ++i) rules_.Count("anonymous", WindowOf(absl::StrCat("s", i), {{"main", 10}}));
  EXPECT_EQ(Metric(R"(pilotlight_rule_overflow_samples_total{rule="all"})"), "20");
  EXPECT_EQ(Metric(R"(pilotlight_rule_samples_total{rule="all",service="s2"})"), "10");
  EXPECT_THAT(Metrics(), Not(HasSubstr("s3")));
  clock_.Advance(absl::Minutes(61));
  EXPECT_THAT(Metrics(), Not(HasSubstr("s2")));
  rules_.Count("anonymous", WindowOf("s3", {{"main", 10}}));
  EXPECT_EQ(Metric(R"(pilotlight_rule_samples_total{rule="all",service="s3"})"), "10");
}

TEST_F(ProfileRulesTest, AChangeOfTheRulesKeepsTheCountersOfThoseThatStay) {
  const Rule stays = {.name = "stays", .focus = "a"};
  ASSERT_TRUE(rules_.Set({stays, {.name = "changes", .focus = "a"}, {.name = "goes"}}).ok());
  rules_.Count("anonymous", WindowOf("shop", {{"a", 1}, {"b", 2}}));
  ASSERT_TRUE(rules_.Set({{.name = "changes", .focus = "b"}, stays}).ok());
  EXPECT_EQ(Metric(R"(pilotlight_rule_samples_total{rule="stays",service="shop"})"), "1");
  EXPECT_THAT(Metrics(), Not(HasSubstr("goes")));
  rules_.Count("anonymous", WindowOf("shop", {{"a", 1}, {"b", 2}}));
  EXPECT_EQ(Metric(R"(pilotlight_rule_samples_total{rule="stays",service="shop"})"), "2");
  EXPECT_EQ(Metric(R"(pilotlight_rule_samples_total{rule="changes",service="shop"})"), "2");
  EXPECT_EQ(Metric("pilotlight_rules"), "2");
}

TEST_F(ProfileRulesTest, ARuleThatMakesNoSenseChangesNothing) {
  ASSERT_TRUE(rules_.Set({{.name = "all"}}).ok());
  EXPECT_TRUE(absl::IsInvalidArgument(rules_.Set({{.name = "bad", .focus = "("}})));
  rules_.Count("anonymous", WindowOf("shop", {{"main", 1}}));
  EXPECT_EQ(Metric(R"(pilotlight_rule_samples_total{rule="all",service="shop"})"), "1");
}

TEST(StackMatchesTest, ForgetsStacksWhenItIsFullAndCountsThat) {
  prometheus::Counter resets;
  std::vector<StackMatches::Expressions> expressions(2);
  expressions[0].focus = *CompileExpression("focus", "f1");
  expressions[1].ignore = *CompileExpression("ignore", "1$");
  StackMatches matches(std::move(expressions), resets, /*max_bytes=*/16 * 1024);
  StackTrie trie;
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 1000; ++i) {
      const std::string name = absl::StrCat("f", i);
      const NodeId node = AddStack(trie, absl::StrCat("main;", name, ";leaf"));
      EXPECT_EQ(matches.Match(trie, node).focus, absl::StartsWith(name, "f1") ? 1u : 0u);
      EXPECT_EQ(matches.Match(trie, node).ignore, i % 10 == 1 ? 2u : 0u);
    }
  }
  EXPECT_GT(resets.Value(), 0);
}

TEST_F(ProfileRulesTest, EachTenantHasMetricsAndALimitOfItsOwn) {
  ASSERT_TRUE(rules_.Set({{.name = "all"}}).ok());
  for (int i = 0; i < 4; ++i) rules_.Count("a", WindowOf(absl::StrCat("s", i), {{"main", 10}}));
  rules_.Count("anonymous", WindowOf("s3", {{"main", 1}}));
  rules_.Count("b", WindowOf("s3", {{"main", 2}}));
  EXPECT_EQ(Metric(R"(pilotlight_rule_samples_total{rule="all",service="s3"})"), "1");
  EXPECT_EQ(Metric(R"(pilotlight_rule_samples_total{rule="all",service="s3",tenant="b"})"), "2");
  EXPECT_EQ(Metric(R"(pilotlight_rule_samples_total{rule="all",service="s0",tenant="a"})"), "10");
  EXPECT_EQ(Metric(R"(pilotlight_rule_overflow_samples_total{rule="all",tenant="a"})"), "10");
  EXPECT_EQ(Metric(R"(pilotlight_rule_overflow_samples_total{rule="all"})"), "0");
  // The same agent of another tenant is another one.
  EXPECT_EQ(Metric(R"(pilotlight_rule_cpu_cores{rule="all",service="s3"})"), "0.001");
  EXPECT_EQ(Metric(R"(pilotlight_rule_cpu_cores{rule="all",service="s3",tenant="b"})"), "0.002");
}

}  // namespace
}  // namespace pilotlight::collector
