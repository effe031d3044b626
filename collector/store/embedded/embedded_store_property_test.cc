// Random windows and random questions: the embedded store and the naive one must agree.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "collector/store/embedded/embedded_store.h"
#include "collector/store/store_test_support.h"

namespace pilotlight::collector {
namespace {

// The order of additions differs, so the doubles differ in their last bits.
void ExpectNear(double actual, double expected) {
  EXPECT_NEAR(actual, expected, 1e-9 * std::abs(expected) + 1e-9);
}

void ExpectEqual(const MergedProfile& actual, const MergedProfile& expected) {
  EXPECT_EQ(ContentOf(actual.profile.trie, actual.profile.samples),
            ContentOf(expected.profile.trie, expected.profile.samples));
  EXPECT_EQ(actual.profile.loss, expected.profile.loss);
  EXPECT_EQ(actual.profile.duration, expected.profile.duration);
  EXPECT_EQ(actual.coverage.windows, expected.coverage.windows);
  EXPECT_EQ(actual.coverage.watched, expected.coverage.watched);
  ExpectNear(actual.coverage.estimated_value, expected.coverage.estimated_value);
  if (expected.coverage.windows == 0) return;
  // An aggregate does not tell labels that it does not keep.
  for (const auto& label : actual.profile.labels) {
    EXPECT_THAT(expected.profile.labels, testing::Contains(label));
  }
  EXPECT_EQ(actual.profile.start, expected.profile.start);
  EXPECT_EQ(actual.profile.period, expected.profile.period);
}

enum class Estimates { kExact, kOfWholeRecords };

// When only some stacks of a record count, their estimate is their part of the record's.
void ExpectEqual(const std::vector<TimeSeries>& actual, const std::vector<TimeSeries>& expected,
                 Estimates estimates = Estimates::kExact) {
  std::map<Labels, const TimeSeries*> by_labels;
  for (const TimeSeries& series : actual) by_labels[series.labels] = &series;
  ASSERT_EQ(actual.size(), expected.size());
  for (const TimeSeries& series : expected) {
    ASSERT_TRUE(by_labels.contains(series.labels));
    const std::vector<SeriesPoint>& points = by_labels[series.labels]->points;
    ASSERT_EQ(points.size(), series.points.size());
    for (size_t i = 0; i < points.size(); ++i) {
      EXPECT_EQ(points[i].step, series.points[i].step);
      EXPECT_EQ(points[i].count, series.points[i].count);
      EXPECT_EQ(points[i].value, series.points[i].value);
      if (estimates == Estimates::kExact) {
        ExpectNear(points[i].estimated_value, series.points[i].estimated_value);
      }
    }
  }
}

class PropertyTest : public testing::TestWithParam<unsigned> {
 protected:
  size_t Pick(size_t count) { return std::uniform_int_distribution<size_t>(0, count - 1)(random_); }

  absl::Time PickTime() {
    return kNoon + absl::Seconds(static_cast<int64_t>(Pick(size_t{3} * 86400))) - absl::Hours(24);
  }

  std::string PickSelector() {
    switch (Pick(6)) {
      case 0:
        return "";
      case 1:
        return absl::StrCat("{service=\"service-", Pick(6), "\"}");
      case 2:
        return absl::StrCat("{pod=~\"pod-[", Pick(3), "-9]\", service!=\"service-", Pick(5), "\"}");
      case 3:
        return "{namespace=\"\"}";
      case 4:
        return "{namespace=~\".+\", pod!~\"pod-1\"}";
      default:
        return absl::StrCat("{service=~\"service-[12]\", namespace!=\"namespace-", Pick(2), "\"}");
    }
  }

  std::mt19937 random_{GetParam()};
};

TEST_P(PropertyTest, AnswersAreThoseOfTheNaiveStore) {
  const TemporaryDirectory directory;
  EmbeddedStoreOptions options;
  options.path = directory.path();
  options.min_free_bytes = 0;
  options.cache_bytes = Pick(2) == 0 ? 10000 : 1000000;
  options.max_writer_bytes = Pick(2) == 0 ? 6000 : 1000000;
  options.write_buffer_bytes = 64 << 10;
  const std::vector<std::vector<std::vector<std::string>>> aggregates = {
      options.aggregates, {{}}, {{}, {"pod", "namespace"}}, {{"service_name"}, {"pod"}}};
  options.aggregates = aggregates[Pick(aggregates.size())];
  ManualClock clock(kNoon + absl::Hours(72));
  options.clock = &clock;
  auto store = EmbeddedStore::Open(options);
  ASSERT_TRUE(store.ok()) << store.status();

  NaiveStore naive;
  std::vector<Window> windows;
  constexpr size_t kWindows = 250;
  windows.reserve(kWindows);
  std::vector<uint64_t> sequences(3);
  for (size_t i = 0; i < kWindows; ++i) {
    const size_t agent = Pick(sequences.size());
    windows.push_back(
        MakeRandomWindow(random_, absl::StrCat("agent-", agent), "boot", ++sequences[agent], PickTime()));
    naive.Append(windows.back());
    const auto outcome = (*store)->Append(windows.back());
    ASSERT_TRUE(outcome.ok()) << outcome.status();
    ASSERT_EQ(*outcome, AppendOutcome::kStored);
    if (Pick(20) == 0) {
      ASSERT_EQ(*(*store)->Append(windows[Pick(windows.size())]), AppendOutcome::kAlreadyThere);
    }
    if (Pick(60) == 0) {
      store->reset();
      store = EmbeddedStore::Open(options);
      ASSERT_TRUE(store.ok()) << store.status();
    }
    if (Pick(100) == 0) {
      ASSERT_TRUE((*store)->Compact().ok());
    }
    if (Pick(40) == 0) {
      clock.Advance(absl::Minutes(1));
      ASSERT_TRUE((*store)->FillLevels().ok());
    }
  }

  for (int i = 0; i < 25; ++i) {
    StoreSelection selection;
    selection.span = {PickTime(), PickTime()};
    if (selection.span.end < selection.span.start) std::swap(selection.span.start, selection.span.end);
    if (Pick(4) == 0) selection.span = {kNoon - absl::Hours(72), kNoon + absl::Hours(96)};
    const std::string selector = PickSelector();
    SCOPED_TRACE(selector);
    selection.matchers = *ParseSelector(selector);
    if (Pick(4) == 0) selection.type = ProfileType{"memory", "alloc_space", "bytes", "space", "bytes"};
    if (Pick(4) == 0) selection.type = ProfileType{"goroutine", "goroutine", "count", "goroutine", "count"};

    ExpectEqual(*(*store)->Merge(selection, {}), naive.Merge(selection));
    const absl::Duration step = absl::Minutes(1 + static_cast<int64_t>(Pick(600)));
    ExpectEqual(*(*store)->SelectSeries(selection, step, {"pod"}, nullptr, {}),
                naive.SelectSeries(selection, step, {"pod"}, ""));
    const auto keep = [](const StackTrie& trie, std::vector<Sample>& samples) {
      std::erase_if(samples, [&trie](const Sample& sample) {
        for (const FrameId frame : trie.Stack(sample.node)) {
          if (trie.view(frame).function == "function-2") return false;
        }
        return true;
      });
    };
    ExpectEqual(*(*store)->SelectSeries(selection, step, {"service_name", "namespace"}, keep, {}),
                naive.SelectSeries(selection, step, {"service_name", "namespace"}, "function-2|"),
                Estimates::kOfWholeRecords);
    for (const char* name : {"service_name", "pod", "namespace", "none"}) {
      EXPECT_EQ(*(*store)->LabelValues(name, selection.span, selection.matchers, {}),
                naive.LabelValues(name, selection.span, selection.matchers));
    }
    EXPECT_EQ(*(*store)->ProfileTypes(selection.span, {}), naive.ProfileTypes(selection.span));
  }
  EXPECT_EQ((*store)->counters().corrupt_records, 0u);
  EXPECT_EQ((*store)->counters().missing_windows, 0u);
}

INSTANTIATE_TEST_SUITE_P(Seeds, PropertyTest, testing::Range(1u, 11u));

}  // namespace
}  // namespace pilotlight::collector
