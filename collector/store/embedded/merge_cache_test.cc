// Questions asked again are answered from memory, and never lack what was stored meanwhile.
#include "collector/store/embedded/merge_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "collector/store/embedded/embedded_store.h"
#include "collector/store/store_test_support.h"

namespace pilotlight::collector {
namespace {

MergedProfile MakeProfile(uint64_t count) {
  MergedProfile merged;
  merged.coverage.windows = 1;
  merged.profile.labels = {{"pod", "cart-1"}};
  merged.profile.samples = {{AddStack(merged.profile.trie, "main;f"), count, 1}};
  return merged;
}

TEST(MergeCacheTest, KeepsAnAnswerUntilAWindowComesToItsSpan) {
  MergeMemory memory(1 << 20);
  MergeCache cache(memory);
  {
    MergeCache::Answer answer(cache, "a", {10, 20});
    answer.Keep(MakeProfile(7));
  }
  cache.Forget({9, 20});
  const auto found = cache.Find("a");
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(CountsByStack(found->profile), (std::map<std::string, uint64_t>{{"main;f", 7}}));
  EXPECT_EQ(found->profile.labels, (Labels{{"pod", "cart-1"}}));
  EXPECT_EQ(found->coverage.windows, 1u);
  EXPECT_FALSE(cache.Find("b").has_value());
  cache.Forget({30, 19});
  EXPECT_FALSE(cache.Find("a").has_value());
  EXPECT_EQ(cache.counters().bytes, 0u);
  EXPECT_EQ(cache.counters().hits, 1u);
  EXPECT_EQ(cache.counters().misses, 2u);
}

TEST(MergeCacheTest, KeepsNoAnswerThatMayLackAWindow) {
  MergeMemory memory(1 << 20);
  MergeCache cache(memory);
  MergeCache::Answer outdated(cache, "a", {10, 20});
  MergeCache::Answer other(cache, "b", {20, 30});
  cache.Forget({15});
  outdated.Keep(MakeProfile(1));
  other.Keep(MakeProfile(1));
  EXPECT_FALSE(cache.Find("a").has_value());
  EXPECT_TRUE(cache.Find("b").has_value());
  cache.Clear();
  other.Keep(MakeProfile(1));
  EXPECT_FALSE(cache.Find("b").has_value());
}

TEST(MergeCacheTest, LetsTheLeastRecentlyUsedGo) {
  MergeMemory memory(3 * 4096);
  MergeCache cache(memory);
  for (const char* key : {"a", "b", "c"}) MergeCache::Answer(cache, key, {0, 1}).Keep(MakeProfile(1));
  ASSERT_TRUE(cache.Find("a").has_value());
  MergeCache::Answer(cache, "d", {0, 1}).Keep(MakeProfile(1));
  EXPECT_TRUE(cache.Find("a").has_value());
  EXPECT_FALSE(cache.Find("b").has_value());
  EXPECT_EQ(cache.counters().bytes, 3u * 4096);
}

TEST(MergeCacheTest, AKeyTellsApartWhatSelectsDifferently) {
  const auto key = [](const std::string& selector, absl::Time end = kNoon) {
    return MergeCache::KeyOf({ProfileType{}, {kNoon - absl::Hours(1), end}, *ParseSelector(selector)});
  };
  EXPECT_EQ(key(R"({a="1", b="2"})"), key(R"({b="2", a="1"})"));
  EXPECT_EQ(key(R"({service="x"})"), key(R"({service_name="x"})"));
  EXPECT_NE(key(R"({a="1"})"), key(R"({a!="1"})"));
  EXPECT_NE(key(R"({a="1"})"), key(R"({a=~"1"})"));
  EXPECT_NE(key(R"({a="1 0 1 b1 2"})"), key(R"({a="1", b="2"})"));
  EXPECT_NE(key("{}"), key("{}", kNoon + absl::Nanoseconds(1)));
}

// Few questions, asked over and over while windows come, also late ones, and levels are summed and dropped.
class CachedStoreTest : public testing::TestWithParam<unsigned> {
 protected:
  size_t Pick(size_t count) { return std::uniform_int_distribution<size_t>(0, count - 1)(random_); }

  std::mt19937 random_{GetParam()};
};

TEST_P(CachedStoreTest, AQuestionAskedAgainIsAnsweredAsByTheStoreWithoutACache) {
  const TemporaryDirectory directory;
  const TemporaryDirectory uncached_directory;
  ManualClock clock(kNoon + absl::Hours(30));
  EmbeddedStoreOptions options;
  options.min_free_bytes = 0;
  options.clock = &clock;
  options.path = directory.path();
  options.merge_cache_bytes = Pick(2) == 0 ? 1 << 20 : 40000;
  const auto store = *EmbeddedStore::Open(options);
  options.path = uncached_directory.path();
  options.merge_cache_bytes = 0;
  const auto uncached = *EmbeddedStore::Open(options);

  std::vector<StoreSelection> questions;
  for (int i = 0; i < 12; ++i) {
    StoreSelection& selection = questions.emplace_back();
    const absl::Time start = kNoon + absl::Minutes(static_cast<int64_t>(Pick(300)));
    selection.span = {start, start + absl::Minutes(1 + static_cast<int64_t>(Pick(200)))};
    const char* selectors[] = {"", "{service=\"service-1\"}", "{pod=~\"pod-[12]\"}"};
    selection.matchers = *ParseSelector(selectors[Pick(std::size(selectors))]);
    if (Pick(3) == 0) selection.type = ProfileType{"goroutine", "goroutine", "count", "goroutine", "count"};
  }
  uint64_t sequence = 0;
  for (int i = 0; i < 400; ++i) {
    if (Pick(4) == 0) {
      const Window window = MakeRandomWindow(random_, "agent", "boot", ++sequence,
                                             kNoon + absl::Seconds(static_cast<int64_t>(Pick(6 * 3600))));
      const auto outcome = store->Append(window);
      ASSERT_EQ(outcome.ok(), uncached->Append(window).ok());
    }
    if (Pick(50) == 0) {
      clock.Advance(absl::Minutes(5));
      ASSERT_TRUE(store->FillLevels().ok());
      ASSERT_TRUE(uncached->FillLevels().ok());
    }
    if (i == 350) {
      const LevelTimes before = {kNoon + absl::Hours(24), kNoon, kNoon, kNoon};
      ASSERT_TRUE(store->DropBefore(before).ok());
      ASSERT_TRUE(uncached->DropBefore(before).ok());
    }
    const StoreSelection& selection = questions[Pick(questions.size())];
    const auto actual = store->Merge(selection, {});
    const auto expected = uncached->Merge(selection, {});
    ASSERT_TRUE(actual.ok() && expected.ok());
    ASSERT_EQ(ContentOf(actual->profile.trie, actual->profile.samples),
              ContentOf(expected->profile.trie, expected->profile.samples));
    ASSERT_EQ(actual->coverage.windows, expected->coverage.windows);
    ASSERT_EQ(actual->coverage.last_end, expected->coverage.last_end);
    ASSERT_EQ(actual->profile.loss, expected->profile.loss);
    ASSERT_EQ(actual->profile.type, expected->profile.type);
    ASSERT_EQ(actual->profile.period, expected->profile.period);
    ASSERT_EQ(actual->profile.start, expected->profile.start);
    ASSERT_EQ(actual->profile.duration, expected->profile.duration);
  }
  EXPECT_GT(store->counters().merge_cache_hits, 20u);
  EXPECT_GT(store->counters().merge_cache_misses, 20u);
  EXPECT_LE(store->counters().merge_cache_bytes, uint64_t{1} << 20);
  EXPECT_EQ(uncached->counters().merge_cache_hits, 0u);
}

INSTANTIATE_TEST_SUITE_P(Seeds, CachedStoreTest, testing::Range(1u, 6u));

}  // namespace
}  // namespace pilotlight::collector
