#include "collector/store/embedded/embedded_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/file.h"
#include "collector/store/embedded/keys.h"
#include "collector/store/store_test_support.h"
#include "profile/stack_filter.h"
#include "rocksdb/db.h"

namespace pilotlight::collector {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

using Stacks = std::map<std::string, uint64_t>;

const TimeSpan kAll = {absl::InfinitePast(), absl::InfiniteFuture()};

class EmbeddedStoreTest : public testing::Test {
 protected:
  EmbeddedStoreTest() {
    options_.path = directory_.path() + "/store";
    options_.min_free_bytes = 0;
    options_.clock = &clock_;
    Reopen();
  }

  void Reopen() {
    store_.reset();
    auto store = EmbeddedStore::Open(options_);
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }

  void Append(const Window& window, AppendOutcome expected = AppendOutcome::kStored) {
    const auto outcome = store_->Append(window);
    ASSERT_TRUE(outcome.ok()) << outcome.status();
    EXPECT_EQ(*outcome, expected);
  }

  // One window of `agent` with one CPU series.
  void AppendOne(const std::string& agent, uint64_t sequence, absl::Time start, const Labels& labels,
                 const Stacks& stacks) {
    Window window = MakeWindow(agent, "boot", sequence, start);
    AddSeries(window, labels, stacks);
    Append(window);
  }

  MergedProfile Merge(const std::string& selector = "", TimeSpan span = kAll, const ProfileType& type = {}) {
    auto merged = store_->Merge({type, span, *ParseSelector(selector)}, {});
    EXPECT_TRUE(merged.ok()) << merged.status();
    return *std::move(merged);
  }

  Stacks Counts(const std::string& selector = "", TimeSpan span = kAll) {
    return CountsByStack(Merge(selector, span).profile);
  }

  std::vector<std::string> Values(const std::string& name, const std::string& selector = "",
                                  TimeSpan span = kAll) {
    return *store_->LabelValues(name, span, *ParseSelector(selector), {});
  }

  const TemporaryDirectory directory_;
  ManualClock clock_{kNoon};
  EmbeddedStoreOptions options_;
  std::unique_ptr<EmbeddedStore> store_;
};

const Labels kCart = {{"service_name", "cart"}, {"pod", "cart-1"}};
const Labels kCart2 = {{"service_name", "cart"}, {"pod", "cart-2"}};
const Labels kShop = {{"service_name", "shop"}, {"pod", "shop-1"}, {"zone", "a"}};

TEST_F(EmbeddedStoreTest, AnEmptyStoreAnswersWithNothing) {
  const MergedProfile merged = Merge();
  EXPECT_THAT(merged.profile.samples, IsEmpty());
  EXPECT_EQ(merged.profile.type, ProfileType{});
  EXPECT_EQ(merged.coverage.windows, 0u);
  EXPECT_THAT(Values("service_name"), IsEmpty());
  EXPECT_THAT(*store_->ProfileTypes(kAll, {}), IsEmpty());
}

TEST_F(EmbeddedStoreTest, WindowsOfOneSeriesAddUp) {
  AppendOne("a", 1, kNoon, kCart, {{"main;f", 3}, {"main;g", 4}});
  AppendOne("a", 2, kNoon + absl::Minutes(1), kCart, {{"main;g", 5}, {"main;g;h", 1}});
  const MergedProfile merged = Merge();
  EXPECT_EQ(CountsByStack(merged.profile), (Stacks{{"main;f", 3}, {"main;g", 9}, {"main;g;h", 1}}));
  EXPECT_EQ(Totals(merged.profile.samples).value, 13 * kPeriodNs);
  EXPECT_EQ(merged.profile.labels, kCart);
  EXPECT_EQ(merged.profile.period, kPeriodNs);
  EXPECT_EQ(merged.profile.start, kNoon);
  EXPECT_EQ(merged.profile.duration, absl::Seconds(20));
  EXPECT_EQ(merged.coverage.windows, 2u);
  EXPECT_EQ(merged.coverage.watched, absl::Seconds(20));
  EXPECT_DOUBLE_EQ(merged.coverage.estimated_value, 6.0 * 13 * kPeriodNs);
}

TEST_F(EmbeddedStoreTest, ServicesDaysAndLabelSetsAddUp) {
  AppendOne("a", 1, kNoon, kCart, {{"main;f", 1}});
  AppendOne("a", 2, kNoon + absl::Hours(24), kCart, {{"main;f", 10}});
  AppendOne("a", 3, kNoon + absl::Hours(25), kCart2, {{"main;f", 100}});
  AppendOne("a", 4, kNoon + absl::Hours(26), kShop, {{"main;f", 1000}});
  EXPECT_EQ(Counts(), (Stacks{{"main;f", 1111}}));
  EXPECT_EQ(Counts(R"({service="cart"})"), (Stacks{{"main;f", 111}}));
  EXPECT_EQ(Counts(R"({pod="cart-1"})"), (Stacks{{"main;f", 11}}));
  EXPECT_EQ(Counts(R"({pod=~"cart-2|shop-.*"})"), (Stacks{{"main;f", 1100}}));
  EXPECT_EQ(Counts(R"({zone=""})"), (Stacks{{"main;f", 111}}));
  EXPECT_EQ(Counts(R"({service!="cart"})"), (Stacks{{"main;f", 1000}}));
  EXPECT_EQ(Merge(R"({service="cart"})").profile.labels, (Labels{{"service_name", "cart"}}));
}

TEST_F(EmbeddedStoreTest, ASpanTakesItsStartAndLeavesItsEnd) {
  for (uint64_t i = 0; i < 10; ++i) {
    AppendOne("a", i + 1, kNoon + absl::Minutes(static_cast<int64_t>(i)), kCart, {{"f", uint64_t{1} << i}});
  }
  EXPECT_EQ(Counts("", {kNoon + absl::Minutes(2), kNoon + absl::Minutes(5)}), (Stacks{{"f", 4 + 8 + 16}}));
  EXPECT_THAT(Counts("", {kNoon + absl::Minutes(5), kNoon + absl::Minutes(5)}), IsEmpty());
  EXPECT_THAT(Counts("", {kNoon + absl::Minutes(5), kNoon}), IsEmpty());
}

TEST_F(EmbeddedStoreTest, ParentsKeepSmallerNumbersThanTheirChildren) {
  AppendOne("a", 1, kNoon, kCart, {{"main;b;c", 1}, {"main;a", 1}});
  AppendOne("a", 2, kNoon, kShop, {{"main;a;z", 1}, {"start;x;y", 1}});
  const Profile profile = Merge().profile;
  for (NodeId node = 1; node < profile.trie.node_count(); ++node) {
    EXPECT_LT(profile.trie.parent(node), node);
  }
  EXPECT_TRUE(std::ranges::is_sorted(profile.samples, {}, &Sample::node));
}

TEST_F(EmbeddedStoreTest, EveryFieldOfAFrameIsKept) {
  Window window = MakeWindow("a", "b", 1, kNoon);
  Series& series = AddSeries(window, kCart, {});
  NodeId node = StackTrie::kRoot;
  for (uint8_t kind = 0; kind <= 4; ++kind) {
    node = window.trie.Child(node,
                             window.trie.InternFrame(FrameView{.function = absl::StrCat("f;", kind, " {…}"),
                                                               .file = "/src/ä.go",
                                                               .mapping = "app",
                                                               .line = UINT32_MAX - kind,
                                                               .start_line = kind * (kMaxStartLine / 4),
                                                               .kind = FrameKind{kind},
                                                               .inlined = kind % 2 == 0,
                                                               .symbolized = kind % 3 == 0}));
    series.samples.push_back({node, 1, kPeriodNs});
  }
  Append(window);
  Reopen();
  const Profile profile = Merge().profile;
  EXPECT_EQ(ContentOf(profile.trie, profile.samples), ContentOf(window.trie, series.samples));
}

TEST_F(EmbeddedStoreTest, TypesStayApart) {
  const ProfileType allocations{"memory", "alloc_space", "bytes", "space", "bytes"};
  Window window = MakeWindow("a", "b", 1, kNoon);
  AddSeries(window, kCart, {{"f", 1}});
  Series& series = AddSeries(window, kCart, {{"f", 2}});
  series.type = allocations;
  series.samples[0].value = -123456789;
  Append(window);
  EXPECT_EQ(Counts(), (Stacks{{"f", 1}}));
  const Profile profile = Merge("", kAll, allocations).profile;
  EXPECT_EQ(CountsByStack(profile), (Stacks{{"f", 2}}));
  EXPECT_EQ(profile.samples[0].value, -123456789);
  EXPECT_THAT(*store_->ProfileTypes(kAll, {}), ElementsAre(allocations, ProfileType{}));
  EXPECT_THAT(*store_->ProfileTypes({kNoon + absl::Seconds(1), absl::InfiniteFuture()}, {}), IsEmpty());
}

TEST_F(EmbeddedStoreTest, DifferentPeriodsLeaveNone) {
  AppendOne("a", 1, kNoon, kCart, {{"f", 1}});
  Window window = MakeWindow("a", "boot", 2, kNoon);
  AddSeries(window, kCart, {{"f", 1}}).period = 1;
  Append(window);
  const Profile profile = Merge().profile;
  EXPECT_EQ(profile.period, 0);
  EXPECT_EQ(Totals(profile.samples).value, 2 * kPeriodNs);
}

TEST_F(EmbeddedStoreTest, LossesAddUp) {
  for (uint64_t sequence : {1, 2}) {
    Window window = MakeWindow("a", "b", sequence, kNoon);
    AddSeries(window, kCart, {{"f", 1}}).loss = {1, 20, 300, 4000};
    AddSeries(window, kShop, {{"f", 1}}).loss = {5, 0, 0, 0};
    Append(window);
  }
  EXPECT_EQ(Merge().profile.loss, (LossCounters{12, 40, 600, 8000}));
  EXPECT_EQ(Merge(R"({service="cart"})").profile.loss, (LossCounters{2, 40, 600, 8000}));
}

TEST_F(EmbeddedStoreTest, EqualLabelSetsInOneWindowAreOneSeries) {
  Window window = MakeWindow("a", "b", 1, kNoon);
  AddSeries(window, kCart, {{"f", 1}, {"g", 1}});
  AddSeries(window, kCart, {{"g", 2}});
  Append(window);
  EXPECT_EQ(Counts(), (Stacks{{"f", 1}, {"g", 3}}));
  EXPECT_EQ(Merge().coverage.windows, 1u);
  EXPECT_EQ(Merge().coverage.watched, absl::Seconds(10));
}

TEST_F(EmbeddedStoreTest, AWindowIsStoredOnce) {
  Window window = MakeWindow("a", "b", 1, kNoon);
  AddSeries(window, kCart, {{"f", 1}});
  Append(window);
  Append(window, AppendOutcome::kAlreadyThere);
  Reopen();
  Append(window, AppendOutcome::kAlreadyThere);
  EXPECT_EQ(Counts(), (Stacks{{"f", 1}}));
  EXPECT_EQ(store_->counters().duplicate_windows, 1u);
}

TEST_F(EmbeddedStoreTest, TwoAgentsWithEqualLabelsBothCount) {
  AppendOne("a", 1, kNoon, kCart, {{"f", 1}});
  AppendOne("b", 1, kNoon, kCart, {{"f", 2}});
  EXPECT_EQ(Counts(), (Stacks{{"f", 3}}));
  EXPECT_EQ(Merge().coverage.windows, 2u);
}

TEST_F(EmbeddedStoreTest, EachBootCountsItsOwnSequences) {
  for (const char* boot : {"first", "second"}) {
    Window window = MakeWindow("a", boot, 1, kNoon);
    AddSeries(window, kCart, {{"f", 1}});
    Append(window);
    Append(window, AppendOutcome::kAlreadyThere);
  }
  EXPECT_EQ(Counts(), (Stacks{{"f", 2}}));
}

TEST_F(EmbeddedStoreTest, GapsInASequenceAreCounted) {
  for (uint64_t sequence : {3, 4, 7, 7, 9}) {
    Window window = MakeWindow("a", "b", sequence, kNoon);
    ASSERT_TRUE(store_->Append(window).ok());
  }
  EXPECT_EQ(store_->counters().missing_windows, 3u);
  EXPECT_EQ(store_->counters().appended_windows, 4u);
  EXPECT_EQ(store_->counters().duplicate_windows, 1u);
}

TEST_F(EmbeddedStoreTest, BootsNotHeardOfForLongAreForgotten) {
  Append(MakeWindow("a", "old", 1, kNoon));
  clock_.Advance(absl::Hours(24 * 6));
  Append(MakeWindow("a", "new", 1, kNoon));
  clock_.Advance(absl::Hours(24 * 2));
  ASSERT_TRUE(store_->DropBefore(AllLevels(kNoon - absl::Hours(48))).ok());
  EXPECT_EQ(store_->counters().boots, 1u);
  EXPECT_EQ(store_->counters().forgotten_boots, 1u);
  Reopen();
  EXPECT_EQ(store_->counters().boots, 1u);
  Append(MakeWindow("a", "new", 1, kNoon), AppendOutcome::kAlreadyThere);
  Append(MakeWindow("a", "old", 1, kNoon));
}

TEST_F(EmbeddedStoreTest, TooManyBootsPushOutTheOldest) {
  options_.max_boots = 2;
  Reopen();
  for (const char* boot : {"first", "second", "third"}) {
    clock_.Advance(absl::Seconds(1));
    Append(MakeWindow("a", boot, 1, kNoon));
  }
  EXPECT_EQ(store_->counters().boots, 2u);
  Append(MakeWindow("a", "second", 1, kNoon), AppendOutcome::kAlreadyThere);
  Append(MakeWindow("a", "first", 1, kNoon));
}

TEST_F(EmbeddedStoreTest, LateWindowsGoToTheirOwnDay) {
  AppendOne("a", 1, kNoon, kCart, {{"f", 1}});
  AppendOne("a", 2, kNoon - absl::Hours(24 * 3), kCart, {{"f", 2}});
  EXPECT_EQ(Counts("", {kNoon - absl::Hours(24 * 4), kNoon - absl::Hours(24)}), (Stacks{{"f", 2}}));
  EXPECT_EQ(store_->counters().blocks, 2u);
}

TEST_F(EmbeddedStoreTest, AllIsThereAfterReopening) {
  AppendOne("a", 1, kNoon, kCart, {{"main;f", 1}, {"main;g", 2}});
  Reopen();
  AppendOne("a", 2, kNoon, kCart2, {{"main;f", 10}, {"main;g;h", 20}});
  Reopen();
  EXPECT_EQ(Counts(), (Stacks{{"main;f", 11}, {"main;g", 2}, {"main;g;h", 20}}));
  EXPECT_THAT(Values("pod"), ElementsAre("cart-1", "cart-2"));
}

TEST_F(EmbeddedStoreTest, SeriesHaveOnePointForEachStepWithWindows) {
  AppendOne("a", 1, kNoon, kCart, {{"f", 1}});
  AppendOne("a", 2, kNoon + absl::Minutes(4), kCart, {{"f", 2}});
  AppendOne("a", 3, kNoon + absl::Minutes(11), kCart2, {{"f", 4}});
  AppendOne("a", 4, kNoon + absl::Minutes(12), kShop, {{"f", 8}});
  const StoreSelection selection{ProfileType{}, {kNoon, kNoon + absl::Hours(1)}, {}};
  const auto series = store_->SelectSeries(selection, absl::Minutes(5), {"service_name"}, nullptr, {});
  ASSERT_TRUE(series.ok());
  ASSERT_EQ(series->size(), 2u);
  EXPECT_EQ((*series)[0].labels, (Labels{{"service_name", "cart"}}));
  ASSERT_EQ((*series)[0].points.size(), 2u);
  EXPECT_EQ((*series)[0].points[0].step, 0);
  EXPECT_EQ((*series)[0].points[0].count, 3u);
  EXPECT_EQ((*series)[0].points[0].value, 3 * kPeriodNs);
  EXPECT_DOUBLE_EQ((*series)[0].points[0].estimated_value, 18.0 * kPeriodNs);
  EXPECT_EQ((*series)[0].points[1].step, 2);
  EXPECT_EQ((*series)[1].labels, (Labels{{"service_name", "shop"}}));
}

TEST_F(EmbeddedStoreTest, SeriesOfFocusedStacksCountOnlyThose) {
  AppendOne("a", 1, kNoon, kCart, {{"main;read", 1}, {"main;write;read", 2}, {"main;sort", 4}});
  const auto filter = StackFilter::Create("read", "write");
  ASSERT_TRUE(filter.ok());
  const StoreSelection selection{ProfileType{}, {kNoon, kNoon + absl::Hours(1)}, {}};
  const auto series = store_->SelectSeries(
      selection, absl::Minutes(5), {},
      [&filter](const StackTrie& trie, std::vector<Sample>& samples) { filter->Apply(trie, samples); }, {});
  ASSERT_TRUE(series.ok());
  ASSERT_EQ(series->size(), 1u);
  EXPECT_THAT((*series)[0].labels, IsEmpty());
  EXPECT_EQ((*series)[0].points[0].count, 1u);
  EXPECT_EQ((*series)[0].points[0].value, kPeriodNs);
}

TEST_F(EmbeddedStoreTest, LabelsAreRestrictedByMatchersAndSpan) {
  AppendOne("a", 1, kNoon, kCart, {{"f", 1}});
  AppendOne("a", 2, kNoon + absl::Minutes(1), kCart2, {{"f", 1}});
  AppendOne("a", 3, kNoon + absl::Minutes(2), kShop, {{"f", 1}});
  EXPECT_THAT(Values("service_name"), ElementsAre("cart", "shop"));
  EXPECT_THAT(Values("pod", R"({service="cart"})"), ElementsAre("cart-1", "cart-2"));
  EXPECT_THAT(Values("zone", R"({service="cart"})"), IsEmpty());
  EXPECT_THAT(*store_->LabelNames(kAll, {}, {}), ElementsAre("pod", "service_name", "zone"));
  EXPECT_THAT(*store_->LabelNames(kAll, *ParseSelector(R"({pod="cart-2"})"), {}),
              ElementsAre("pod", "service_name"));
  EXPECT_THAT(Values("pod", "", {kNoon + absl::Minutes(1), kNoon + absl::Minutes(2)}), ElementsAre("cart-2"));
}

TEST_F(EmbeddedStoreTest, WhatAllLevelsHaveDroppedIsGoneWithItsNames) {
  AppendOne("a", 1, kNoon, kShop, {{"f", 1}});
  AppendOne("a", 2, kNoon + absl::Hours(24 * 40), kCart, {{"f", 2}});
  clock_.Advance(absl::Hours(24 * 41));
  ASSERT_TRUE(store_->FillLevels().ok());
  ASSERT_TRUE(store_->DropBefore(AllLevels(kNoon + absl::Hours(1))).ok());
  EXPECT_EQ(Counts(), (Stacks{{"f", 3}}));
  // The first day is in a block of 32 days, which has ended by then.
  ASSERT_TRUE(store_->DropBefore(AllLevels(kNoon + absl::Hours(24 * 40))).ok());
  EXPECT_EQ(Counts(), (Stacks{{"f", 2}}));
  // Of a day and of a month, for the service and for the aggregate.
  EXPECT_EQ(store_->counters().blocks, 4u);
  EXPECT_EQ(store_->counters().services, 1u);
  EXPECT_THAT(Values("service_name"), ElementsAre("cart"));
  Reopen();
  EXPECT_EQ(Counts(), (Stacks{{"f", 2}}));
  AppendOne("a", 3, kNoon + absl::Hours(24 * 40), kShop, {{"g", 4}});
  EXPECT_EQ(Counts(), (Stacks{{"f", 2}, {"g", 4}}));
}

TEST_F(EmbeddedStoreTest, DroppedWindowsAnswerFromTheirSums) {
  AppendOne("a", 1, kNoon, kShop, {{"f", 1}});
  AppendOne("a", 2, kNoon + absl::Minutes(11), kCart, {{"f", 2}});
  AppendOne("a", 3, kNoon + absl::Minutes(12), kCart2, {{"g", 4}});
  AppendOne("a", 4, kNoon + absl::Hours(24), kCart, {{"h", 8}});
  const LevelTimes before = {kNoon + absl::Hours(24), kNoon, kNoon, kNoon};
  ASSERT_TRUE(store_->DropBefore(before).ok());
  EXPECT_EQ(Counts(), (Stacks{{"f", 3}, {"g", 4}, {"h", 8}}));
  EXPECT_EQ(Counts("{pod=\"cart-2\"}"), (Stacks{{"g", 4}}));
  EXPECT_THAT(Values("pod", "", {kNoon, kNoon + absl::Minutes(20)}),
              ElementsAre("cart-1", "cart-2", "shop-1"));
  // Ten minutes belong to the range that they start in, whole.
  EXPECT_EQ(Counts("", {kNoon, kNoon + absl::Minutes(11)}), (Stacks{{"f", 3}, {"g", 4}}));
  EXPECT_EQ(Counts("", {kNoon + absl::Minutes(11), kNoon + absl::Minutes(30)}), (Stacks{}));
}

class SizeRetentionTest : public EmbeddedStoreTest {
 protected:
  static constexpr int kDays = 4;
  static constexpr int kMinutes = 30;

  // Noon of the last day is kNoon, which is now.
  static absl::Time Noon(int day) { return kNoon - absl::Hours(24) * (kDays - 1 - day); }
  static TimeSpan Minute(int day, int minute) {
    return {Noon(day) + absl::Minutes(minute), Noon(day) + absl::Minutes(minute + 1)};
  }

  void AppendDays() {
    std::mt19937 random(1);
    for (int day = 0; day < kDays; ++day) {
      for (int minute = 0; minute < kMinutes; ++minute) {
        Stacks stacks;
        for (int i = 0; i < 1000; ++i) stacks[absl::StrCat("f", random() % 1000)] = 1 + random() % 10000;
        AppendOne("a", ++sequence_, Minute(day, minute).start, kCart, stacks);
      }
    }
    clock_.Advance(absl::Hours(1));
    ASSERT_TRUE(store_->FillLevels().ok());
    ASSERT_TRUE(store_->Compact().ok());
  }

  uint64_t sequence_ = 0;
};

TEST_F(SizeRetentionTest, DropsTheOldestDaysOfWindowsUntilItFits) {
  AppendDays();
  const Stacks all = Counts();
  const Stacks of_last_minute = Counts("", Minute(kDays - 1, kMinutes - 1));
  const uint64_t limit = store_->counters().disk_bytes * 8 / 10;
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(store_->DropToSize(limit).ok());
  EXPECT_LE(store_->counters().disk_bytes, limit);
  const uint64_t days = store_->counters().size_retentions;
  EXPECT_GE(days, 1u);
  EXPECT_LT(days, 3u);
  EXPECT_EQ(Counts(), all);
  EXPECT_EQ(Counts("", Minute(kDays - 1, kMinutes - 1)), of_last_minute);
  EXPECT_EQ(Counts("", Minute(0, 5)), Stacks());
  Window late = MakeWindow("b", "boot", 1, Noon(0));
  AddSeries(late, kCart, {{"f", 1}});
  EXPECT_TRUE(absl::IsInvalidArgument(store_->Append(late).status()));
  Reopen();
  EXPECT_EQ(Counts(), all);
}

TEST_F(SizeRetentionTest, DropsOnceAtATimeAndNothingThatFits) {
  AppendDays();
  ASSERT_TRUE(store_->DropToSize(store_->counters().disk_bytes).ok());
  EXPECT_EQ(store_->counters().size_retentions, 0u);
  const uint64_t before = store_->counters().disk_bytes;
  ASSERT_TRUE(store_->DropToSize(1).ok());
  EXPECT_EQ(store_->counters().size_retentions, 1u);
  EXPECT_LT(store_->counters().disk_bytes, before * 9 / 10);
  EXPECT_EQ(Counts("", Minute(0, 5)), Stacks());
  EXPECT_NE(Counts("", Minute(1, 5)), Stacks());
}

TEST_F(SizeRetentionTest, DropsTheFinestLevelFirstAndNeverTheDayUnderWay) {
  AppendOne("a", ++sequence_, kNoon - absl::Hours(24 * 100), kShop, {{"old", 1}});
  AppendDays();
  const Stacks today = Counts("", {kNoon - absl::Hours(12), kNoon + absl::Hours(12)});
  const Stacks of_last_minute = Counts("", Minute(kDays - 1, kMinutes - 1));
  ASSERT_TRUE(Counts().contains("old"));
  // The old day and three more of windows, then of ten minutes; then the old block of hours, then of days.
  for (uint64_t drops : {4, 8, 9}) {
    while (store_->counters().size_retentions < drops) ASSERT_TRUE(store_->DropToSize(1).ok());
    EXPECT_TRUE(Counts().contains("old")) << drops;
    EXPECT_EQ(Counts("{service=\"cart\"}", {kNoon - absl::Hours(12), kNoon + absl::Hours(12)}), today);
  }
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(store_->DropToSize(1).ok());
  EXPECT_EQ(store_->counters().size_retentions, 10u);
  EXPECT_FALSE(Counts().contains("old"));
  EXPECT_EQ(Values("service_name"), std::vector<std::string>{"cart"});
  EXPECT_EQ(Counts("", {kNoon - absl::Hours(12), kNoon + absl::Hours(12)}), today);
  EXPECT_EQ(Counts("", Minute(kDays - 1, kMinutes - 1)), of_last_minute);
}

TEST_F(EmbeddedStoreTest, SumsOfAServiceAreReadInPlaceOfItsLabelSets) {
  options_.merge_cache_bytes = 0;
  options_.aggregates = {};
  Reopen();
  Stacks stacks;
  for (uint64_t i = 0; i < 50; ++i) stacks[absl::StrCat("main;f", i)] = i + 1;
  uint64_t sequence = 0;
  for (int hour = 0; hour < 30; ++hour) {
    Window window = MakeWindow("a", "b", ++sequence, kNoon + absl::Hours(hour));
    for (int pod = 0; pod < 300; ++pod) {
      AddSeries(window, {{"service_name", "cart"}, {"zone", "z"}, {"pod", absl::StrCat("cart-", pod)}},
                stacks);
    }
    AddSeries(window, {{"service_name", "shop"}, {"pod", "shop-0"}}, {{"f", 1}});
    Append(window);
  }
  clock_.Advance(absl::Hours(100));
  ASSERT_TRUE(store_->FillLevels().ok());
  const auto read_bytes = [&](const std::string& selector, MergedProfile& merged) {
    const uint64_t before = store_->counters().read_bytes;
    merged = Merge(selector);
    return store_->counters().read_bytes - before;
  };
  MergedProfile each;
  MergedProfile together;
  Merge(R"({pod=~"cart.*"})");  // names are read once
  const uint64_t bytes_of_each = read_bytes(R"({pod=~"cart.*"})", each);
  const uint64_t bytes_together = read_bytes(R"({service="cart"})", together);
  EXPECT_LT(bytes_together * 20, bytes_of_each);
  EXPECT_EQ(CountsByStack(together.profile), CountsByStack(each.profile));
  EXPECT_EQ(together.profile.labels, each.profile.labels);
  EXPECT_EQ(together.profile.labels, (Labels{{"service_name", "cart"}, {"zone", "z"}}));
  EXPECT_EQ(together.coverage.windows, each.coverage.windows);
  EXPECT_EQ(together.coverage.watched, each.coverage.watched);
}

TEST_F(EmbeddedStoreTest, AWindowThatComesLateIsInTheSums) {
  AppendOne("a", 1, kNoon, kShop, {{"f", 1}});
  clock_.Advance(absl::Hours(30));
  ASSERT_TRUE(store_->FillLevels().ok());
  EXPECT_EQ(store_->counters().open_spans, 0u);
  const uint64_t sums = store_->counters().summed_spans;
  AppendOne("a", 2, kNoon + absl::Minutes(1), kShop, {{"f", 2}, {"g", 4}});
  EXPECT_EQ(store_->counters().open_spans, 6u);
  EXPECT_EQ(Counts(), (Stacks{{"f", 3}, {"g", 4}}));
  Reopen();
  EXPECT_EQ(store_->counters().open_spans, 6u);
  EXPECT_EQ(Counts(), (Stacks{{"f", 3}, {"g", 4}}));
  ASSERT_TRUE(store_->FillLevels().ok());
  EXPECT_EQ(store_->counters().open_spans, 0u);
  EXPECT_EQ(store_->counters().summed_spans, 6u);
  EXPECT_EQ(sums, 6u);
  EXPECT_EQ(Counts(), (Stacks{{"f", 3}, {"g", 4}}));
}

TEST_F(EmbeddedStoreTest, SummingUpEndsWhenToldAndGoesOnLater) {
  AppendOne("a", 1, kNoon, kShop, {{"f", 1}});
  clock_.Advance(absl::Hours(30));
  ASSERT_TRUE(store_->FillLevelsWhile([] { return false; }).ok());
  EXPECT_EQ(store_->counters().open_spans, 6u);
  int asked = 0;
  ASSERT_TRUE(store_->FillLevelsWhile([&] { return ++asked == 1; }).ok());
  EXPECT_EQ(store_->counters().open_spans, 5u);
  ASSERT_TRUE(store_->FillLevels().ok());
  EXPECT_EQ(store_->counters().open_spans, 0u);
  EXPECT_EQ(Counts(), (Stacks{{"f", 1}}));
}

TEST_F(EmbeddedStoreTest, ManyHoursOfManyServicesAreSummedUpAtOnce) {
  constexpr int kHours = 3;
  constexpr int kServices = 300;  // more than are looked at together
  Stacks expected;
  for (int hour = 0; hour < kHours; ++hour) {
    Window window = MakeWindow("a", "boot", hour + 1, kNoon + hour * absl::Hours(1));
    for (int i = 0; i < kServices; ++i) {
      const std::string stack = absl::StrCat("f", i % 7);
      AddSeries(window, {{"service_name", absl::StrCat("service-", i)}}, {{stack, 1}});
      ++expected[stack];
    }
    Append(window);
  }
  clock_.Advance(absl::Hours(30));
  ASSERT_TRUE(store_->FillLevels().ok());
  EXPECT_EQ(store_->counters().open_spans, 0u);
  EXPECT_EQ(store_->counters().summed_spans, (kHours * 2 + 1) * (kServices + 1));
  EXPECT_EQ(Counts(), expected);
}

TEST_F(EmbeddedStoreTest, SpansAreSummedUpOnceTheyAreOver) {
  AppendOne("a", 1, kNoon, kShop, {{"f", 1}});
  clock_.Advance(absl::Minutes(10));
  ASSERT_TRUE(store_->FillLevels().ok());
  EXPECT_EQ(store_->counters().summed_spans, 0u);  // windows may be on their way
  clock_.Advance(absl::Minutes(2));
  ASSERT_TRUE(store_->FillLevels().ok());
  EXPECT_EQ(store_->counters().summed_spans, 2u);  // of the service and of the aggregates
  EXPECT_EQ(store_->counters().open_spans, 4u);
}

TEST_F(EmbeddedStoreTest, ALateAggregateBeginsWithTheNextDay) {
  options_.aggregates = {};
  Reopen();
  AppendOne("a", 1, kNoon, kShop, {{"f", 1}});
  options_.aggregates = {{}, {"zone"}};
  Reopen();
  AppendOne("a", 2, kNoon + absl::Hours(1), kShop, {{"f", 2}});
  AppendOne("a", 3, kNoon + absl::Hours(24), kShop, {{"f", 4}});
  AppendOne("a", 4, kNoon + absl::Hours(24), kCart, {{"f", 8}});
  clock_.Advance(absl::Hours(60));
  ASSERT_TRUE(store_->FillLevels().ok());
  EXPECT_EQ(Counts(), (Stacks{{"f", 15}}));
  EXPECT_EQ(Counts("{zone=\"a\"}"), (Stacks{{"f", 7}}));
  EXPECT_EQ(Counts("{zone=\"\"}"), (Stacks{{"f", 8}}));
}

TEST_F(EmbeddedStoreTest, WindowsOlderThanRetentionAreRefused) {
  ASSERT_TRUE(store_->DropBefore(AllLevels(kNoon)).ok());
  Window window = MakeWindow("a", "b", 1, kNoon - absl::Hours(24));
  EXPECT_TRUE(absl::IsInvalidArgument(store_->Append(window).status()));
  EXPECT_EQ(store_->counters().refused_windows, 1u);
  Reopen();
  EXPECT_TRUE(absl::IsInvalidArgument(store_->Append(window).status()));
}

TEST_F(EmbeddedStoreTest, RetentionFreesTheDisk) {
  std::mt19937 random(1);
  for (uint64_t i = 1; i <= 200; ++i) {
    Append(MakeRandomWindow(random, "a", "b", i, kNoon + absl::Hours(static_cast<int64_t>(i % 3) * 24)));
  }
  ASSERT_TRUE(store_->Compact().ok());
  const uint64_t before = store_->counters().disk_bytes;
  ASSERT_TRUE(store_->DropBefore(AllLevels(kNoon + absl::Hours(24 * 40))).ok());
  EXPECT_EQ(store_->counters().blocks, 0u);
  ASSERT_TRUE(store_->Compact().ok());
  EXPECT_LT(store_->counters().disk_bytes, before / 4);
}

TEST_F(EmbeddedStoreTest, WindowsThatMakeNoSenseAreRefused) {
  const auto refused = [this](const std::function<void(Window&)>& spoil) {
    Window window = MakeWindow("a", "b", 1, kNoon);
    AddSeries(window, kCart, {{"f", 1}});
    spoil(window);
    return absl::IsInvalidArgument(store_->Append(window).status());
  };
  EXPECT_TRUE(refused([](Window& w) { w.agent.clear(); }));
  EXPECT_TRUE(refused([](Window& w) { w.boot.clear(); }));
  EXPECT_TRUE(refused([](Window& w) { w.sequence = 0; }));
  EXPECT_TRUE(refused([](Window& w) { w.start = absl::UnixEpoch() - absl::Seconds(1); }));
  EXPECT_TRUE(refused([](Window& w) { w.start = absl::InfiniteFuture(); }));
  EXPECT_TRUE(refused([](Window& w) { w.duration = absl::ZeroDuration(); }));
  EXPECT_TRUE(refused([](Window& w) { w.interval = absl::Seconds(1); }));
  EXPECT_TRUE(refused([](Window& w) { w.interval = absl::InfiniteDuration(); }));
  EXPECT_TRUE(refused([](Window& w) { w.series[0].labels.erase("service_name"); }));
  EXPECT_EQ(store_->counters().refused_windows, 9u);
  EXPECT_THAT(Counts(), IsEmpty());
}

TEST_F(EmbeddedStoreTest, OneServiceTooManyIsRefusedAndLeavesNothing) {
  options_.max_services = 2;
  Reopen();
  Window window = MakeWindow("a", "b", 1, kNoon);
  for (const char* service : {"x", "y", "z"}) AddSeries(window, {{"service_name", service}}, {{"f", 1}});
  EXPECT_TRUE(absl::IsInvalidArgument(store_->Append(window).status()));
  window.series.pop_back();
  Append(window);
  EXPECT_EQ(Counts(), (Stacks{{"f", 2}}));
}

TEST_F(EmbeddedStoreTest, StacksBeyondTheLimitAreCountedInOne) {
  options_.max_stacks_per_service = 3;  // the empty one is one of them
  Reopen();
  AppendOne("a", 1, kNoon, kCart, {{"main;f", 1}, {"main;g", 2}});
  AppendOne("a", 2, kNoon + absl::Minutes(1), kCart, {{"main;g", 4}, {"main;h", 8}, {"main;i", 16}});
  AppendOne("a", 3, kNoon + absl::Minutes(2), {{"service_name", "other"}}, {{"main;h", 32}});
  const std::string overflow(kOverflowStack);
  EXPECT_EQ(Counts(), (Stacks{{"main;f", 1}, {"main;g", 6}, {"main;h", 32}, {overflow, 24}}));
  const std::vector<Overflow> overflows = store_->overflows();
  ASSERT_EQ(overflows.size(), 1u);
  EXPECT_EQ(overflows[0].service, "cart");
  EXPECT_EQ(overflows[0].limit, ServiceLimit::kStacks);
  EXPECT_EQ(overflows[0].samples, 24u);
  Reopen();
  AppendOne("a", 4, kNoon + absl::Minutes(3), kCart, {{"main;f", 64}, {"main;h", 128}});
  EXPECT_EQ(Counts(), (Stacks{{"main;f", 65}, {"main;g", 6}, {"main;h", 32}, {overflow, 152}}));
  // Another day, another block.
  AppendOne("a", 5, kNoon + absl::Hours(24), kCart, {{"main;h", 256}});
  EXPECT_EQ(Counts()["main;h"], 288u);
}

TEST_F(EmbeddedStoreTest, StacksOfEarlierPartsCountForTheLimit) {
  options_.max_writer_bytes = 1;
  options_.max_stacks_per_service = 6;
  Reopen();
  uint64_t sequence = 0;
  for (const char* stack : {"f", "g", "h", "i", "j", "k"}) {
    ++sequence;
    AppendOne("a", sequence, kNoon + absl::Seconds(static_cast<int64_t>(sequence)), kCart, {{stack, 1}});
  }
  EXPECT_EQ(Counts(), (Stacks{{"f", 1}, {"g", 1}, {"h", 1}, {std::string(kOverflowStack), 3}}));
}

TEST_F(EmbeddedStoreTest, LabelSetsBeyondTheLimitAreCountedInOne) {
  options_.max_series_per_service = 2;
  Reopen();
  uint64_t sequence = 0;
  for (const char* pod : {"p", "q", "r", "s", "q"}) {
    ++sequence;
    AppendOne("a", sequence, kNoon + absl::Minutes(static_cast<int64_t>(sequence)),
              {{"service_name", "cart"}, {"pod", pod}}, {{"f", sequence}});
  }
  EXPECT_EQ(Counts(), (Stacks{{"f", 15}}));
  EXPECT_EQ(Counts(R"({overflow="true"})"), (Stacks{{"f", 7}}));
  EXPECT_EQ(Counts(R"({pod="q"})"), (Stacks{{"f", 7}}));
  ASSERT_EQ(store_->overflows().size(), 1u);
  EXPECT_EQ(store_->overflows()[0].samples, 7u);
  EXPECT_EQ(store_->overflows()[0].limit, ServiceLimit::kSeries);
}

TEST_F(EmbeddedStoreTest, AFullDictionaryGoesOnInANewPart) {
  options_.max_writer_bytes = 4096;
  Reopen();
  Stacks expected;
  for (uint64_t i = 1; i <= 50; ++i) {
    Stacks stacks;
    for (uint64_t j = 0; j < 20; ++j) stacks[absl::StrCat("main;f", (i * 7 + j) % 100)] = i;
    for (const auto& [stack, count] : stacks) expected[stack] += count;
    AppendOne("a", i, kNoon + absl::Seconds(static_cast<int64_t>(i)), kCart, stacks);
  }
  EXPECT_GT(store_->counters().blocks, 2u);
  EXPECT_EQ(store_->counters().services, 1u);
  EXPECT_EQ(Counts(), expected);
  Reopen();
  EXPECT_EQ(Counts(), expected);
}

TEST_F(EmbeddedStoreTest, TheCacheKeepsToItsLimitAndBlocksComeBackFromDisk) {
  options_.merge_cache_bytes = 0;
  options_.cache_bytes = 20000;
  Reopen();
  std::mt19937 random(3);
  NaiveStore naive;
  std::vector<Window> windows;
  windows.reserve(100);
  for (uint64_t i = 1; i <= 100; ++i) {
    windows.push_back(
        MakeRandomWindow(random, "a", "b", i, kNoon + absl::Hours(static_cast<int64_t>(i % 7) * 24)));
    Append(windows.back());
    naive.Append(windows.back());
  }
  const MergedProfile merged = Merge();
  const MergedProfile expected = naive.Merge({ProfileType{}, kAll, {}});
  EXPECT_EQ(ContentOf(merged.profile.trie, merged.profile.samples),
            ContentOf(expected.profile.trie, expected.profile.samples));
  EXPECT_LE(store_->counters().cache_bytes, 25000u);  // the last one that was used may stay beyond it
  EXPECT_GT(store_->counters().cache_misses, 35u);
  const TimeSpan one_day = {kNoon, kNoon + absl::Hours(1)};
  Merge(R"({service="service-1"})", one_day);
  const uint64_t misses = store_->counters().cache_misses;
  const uint64_t hits = store_->counters().cache_hits;
  Merge(R"({service="service-1"})", one_day);
  EXPECT_EQ(store_->counters().cache_misses, misses);
  EXPECT_EQ(store_->counters().cache_hits, hits + 2);  // the block and its names
}

TEST_F(EmbeddedStoreTest, ASecondStoreOnThePathIsRefusedWithARemedy) {
  const absl::Status status = EmbeddedStore::Open(options_).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("in use by another collector"));
}

TEST_F(EmbeddedStoreTest, AFileInTheWayIsNamed) {
  EmbeddedStoreOptions options;
  options.path = directory_.path() + "/file/store";
  ASSERT_TRUE(WriteFileDurably(directory_.path() + "/file", "").ok());
  const absl::Status status = EmbeddedStore::Open(options).status();
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(std::string(status.message()), HasSubstr("/file/store"));
}

// What RocksDB alone, without the store, makes of the path.
void PutRaw(const std::string& path, const std::string& key, const std::string& value) {
  rocksdb::Options options;
  options.create_if_missing = true;
  rocksdb::DB* raw = nullptr;
  ASSERT_TRUE(rocksdb::DB::Open(options, path, &raw).ok());
  const std::unique_ptr<rocksdb::DB> rocks(raw);
  ASSERT_TRUE(rocks->Put(rocksdb::WriteOptions(), key, value).ok());
}

TEST_F(EmbeddedStoreTest, ANewerFormatIsRefusedByName) {
  store_.reset();
  PutRaw(options_.path, FormatVersionKey(), std::string(1, kFormatVersion + 1));
  const absl::Status status = EmbeddedStore::Open(options_).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(status.message()),
              HasSubstr(absl::StrCat("newer collector (format ", kFormatVersion + 1, ", this one knows ",
                                     kFormatVersion, ")")));
  PutRaw(options_.path, FormatVersionKey(), std::string(1, 1));
  EXPECT_THAT(std::string(EmbeddedStore::Open(options_).status().message()), HasSubstr("older collector"));
}

TEST_F(EmbeddedStoreTest, ADatabaseOfSomethingElseIsRefused) {
  EmbeddedStoreOptions options;
  options.path = directory_.path() + "/other";
  PutRaw(options.path, "key", "value");
  const absl::Status status = EmbeddedStore::Open(options).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("not a collector's"));
}

}  // namespace
}  // namespace pilotlight::collector
