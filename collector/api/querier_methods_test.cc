// What Grafana's client does not send yet, and what needs no client; the rest is in
// tests/e2e/grafana_test.cc.
#include "collector/api/querier_methods.h"

#include <gtest/gtest.h>

#include "collector/api/pyroscope_selector.h"
#include "tests/support/memory_store.h"
#include "tests/support/stacks.h"

namespace pilotlight::collector {
namespace {

TEST(PyroscopeSelectorTest, TakesTheTypeOutAndKeepsTheRestAsItWas) {
  const auto selector = ParsePyroscopeSelector(
      R"({__profile_type__="process_cpu:cpu:nanoseconds:cpu:nanoseconds", a="\"\\\n;", b!~"x.*", __unit__=~"nano.*"})");
  ASSERT_TRUE(selector.ok()) << selector.status();
  EXPECT_TRUE(selector->Takes(ProfileType()));
  EXPECT_FALSE(selector->Takes(ProfileType{.name = "memory"}));
  const auto rest = ParseSelector(selector->labels);
  ASSERT_TRUE(rest.ok()) << rest.status();
  ASSERT_EQ(rest->size(), 2);
  EXPECT_EQ((*rest)[0].value(), "\"\\\n;");
  EXPECT_EQ((*rest)[1].kind(), Matcher::Kind::kNotMatches);
}

class QuerierMethodsTest : public testing::Test {
 protected:
  QuerierMethodsTest() {
    Window window;
    window.sequence = 1;
    window.start = clock_.Now() - absl::Minutes(1);
    window.duration = window.interval = absl::Seconds(10);
    Series& series = window.series.emplace_back();
    series.labels = {{"service_name", "shop"}};
    series.samples = AddSamples(window.trie, {{"main;a.b", 1}, {"main;axb", 2}, {"main;f(x)|y", 4}}, 1);
    EXPECT_TRUE(store_.Append(window).ok());
  }

  int64_t Total(const querier::SelectMergeStacktracesRequest& request) {
    querier::SelectMergeStacktracesResponse response;
    EXPECT_TRUE(methods_.SelectMergeStacktraces(request, {}, response).ok());
    return response.flamegraph().total();
  }

  ManualClock clock_{absl::FromUnixSeconds(1'714'564'800)};
  MemoryStores stores_;
  MemoryStore& store_ = stores_.anonymous();
  QueryEngine engine_{stores_, clock_};
  QuerierMethods methods_{engine_};
};

TEST_F(QuerierMethodsTest, AFrameFilterTakesNamesAsTheyAreAndExpressions) {
  querier::SelectMergeStacktracesRequest request;
  auto& filter = *request.mutable_stack_trace_selector()->mutable_frame_filter();
  EXPECT_EQ(Total(request), 7);
  filter.add_include_function_names("a.b");
  EXPECT_EQ(Total(request), 1);
  filter.add_include_function_names("f(x)|y");
  EXPECT_EQ(Total(request), 5);
  filter.add_include_function_name_regexes("^ax");
  EXPECT_EQ(Total(request), 7);
  filter.add_exclude_function_name_regexes("x");
  EXPECT_EQ(Total(request), 1);
  filter.add_exclude_function_names("main");
  EXPECT_EQ(Total(request), 0);
}

TEST_F(QuerierMethodsTest, ASelectorOfAnotherTypeIsAMistake) {
  querier::SelectMergeStacktracesRequest request;
  request.set_label_selector("{__name__=\"memory\"}");
  querier::SelectMergeStacktracesResponse response;
  EXPECT_TRUE(absl::IsInvalidArgument(methods_.SelectMergeStacktraces(request, {}, response)));
}

TEST_F(QuerierMethodsTest, StatsNameTheDays) {
  querier::GetProfileStatsResponse response;
  ASSERT_TRUE(methods_.GetProfileStats({}, {}, response).ok());
  EXPECT_TRUE(response.data_ingested());
  EXPECT_EQ(response.oldest_profile_time(), 1'714'521'600'000);
  EXPECT_EQ(response.newest_profile_time(), 1'714'564'800'000);
}

TEST_F(QuerierMethodsTest, HostileNumbersAreNotTrusted) {
  querier::SelectSeriesRequest request;
  request.set_start(INT64_MIN);
  request.set_end(INT64_MAX);
  request.set_step(15);
  querier::SelectSeriesResponse response;
  EXPECT_TRUE(absl::IsInvalidArgument(methods_.SelectSeries(request, {}, response)));
  request.set_step(1e9);
  EXPECT_TRUE(methods_.SelectSeries(request, {}, response).ok());
  request.set_step(std::numeric_limits<double>::quiet_NaN());
  EXPECT_TRUE(absl::IsInvalidArgument(methods_.SelectSeries(request, {}, response)));
}

}  // namespace
}  // namespace pilotlight::collector
