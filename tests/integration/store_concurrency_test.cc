// Agents append, people ask and retention drops, all at once.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "collector/store/embedded/embedded_store.h"
#include "collector/store/store_test_support.h"

namespace pilotlight::collector {
namespace {

const TimeSpan kAll = {absl::InfinitePast(), absl::InfiniteFuture()};
constexpr uint64_t kAgents = 4;
constexpr uint64_t kWindows = 150;

// Each window has the same count in each of its services.
Window MakeAgentWindow(uint64_t agent, uint64_t sequence) {
  Window window = MakeWindow(absl::StrCat("agent-", agent), "boot", sequence,
                             kNoon + absl::Minutes(10 * static_cast<int64_t>(sequence)));
  for (int service = 0; service < 3; ++service) {
    AddSeries(window, {{"service_name", absl::StrCat("service-", service)}, {"pod", absl::StrCat(agent)}},
              {{"main;shared", 1}, {absl::StrCat("main;a", agent, ";w", sequence), 2}});
  }
  return window;
}

absl::StatusOr<std::unique_ptr<EmbeddedStore>> OpenStore(const TemporaryDirectory& directory) {
  EmbeddedStoreOptions options;
  options.path = directory.path();
  options.min_free_bytes = 0;
  return EmbeddedStore::Open(options);
}

TEST(StoreConcurrencyTest, AppendsAndQueriesDoNotDisturbEachOther) {
  const TemporaryDirectory directory;
  EmbeddedStoreOptions options;
  options.path = directory.path();
  options.min_free_bytes = 0;
  options.write_buffer_bytes = 64 << 10;
  options.cache_bytes = 50 << 10;       // blocks come and go
  options.max_writer_bytes = 20 << 10;  // and grow new parts
  auto opened = EmbeddedStore::Open(options);
  ASSERT_TRUE(opened.ok()) << opened.status();
  EmbeddedStore& store = **opened;

  std::atomic<uint64_t> appending{kAgents};
  std::vector<std::thread> threads;
  threads.reserve(kAgents + 2);
  for (uint64_t agent = 0; agent < kAgents; ++agent) {
    threads.emplace_back([&, agent] {
      for (uint64_t sequence = 1; sequence <= kWindows; ++sequence) {
        const Window window = MakeAgentWindow(agent, sequence);
        const auto outcome = store.Append(window);
        ASSERT_TRUE(outcome.ok()) << outcome.status();
        ASSERT_EQ(*outcome, AppendOutcome::kStored);
        if (sequence % 10 == 0) {
          ASSERT_EQ(*store.Append(window), AppendOutcome::kAlreadyThere);
        }
      }
      --appending;
    });
  }
  threads.emplace_back([&] {
    uint64_t before = 0;
    while (appending > 0) {
      const auto merged = store.Merge({ProfileType{}, kAll, {}}, {});
      ASSERT_TRUE(merged.ok()) << merged.status();
      // Windows come whole: three series each, and a snapshot has all of them or none.
      EXPECT_EQ(merged->coverage.windows % 3, 0u);
      EXPECT_GE(merged->coverage.windows, before);
      EXPECT_EQ(Totals(merged->profile.samples).count, 3 * merged->coverage.windows);
      EXPECT_FALSE(CountsByStack(merged->profile).contains("[lost: corrupt record]"));
      before = merged->coverage.windows;
    }
  });
  threads.emplace_back([&] {
    const auto keep_all = [](const StackTrie&, std::vector<Sample>&) {};
    while (appending > 0) {
      const auto series =
          store.SelectSeries({ProfileType{}, kAll, {}}, absl::Hours(1), {"pod"}, keep_all, {});
      ASSERT_TRUE(series.ok()) << series.status();
      EXPECT_LE(series->size(), kAgents);
      ASSERT_TRUE(store.LabelValues("pod", {kNoon, kNoon + absl::Hours(5)}, {}, {}).ok());
      // Drops nothing of this day, but sums up what there is of it.
      LevelTimes before = AllLevels(kNoon - absl::Hours(48));
      before.windows = kNoon + absl::Hours(11);
      ASSERT_TRUE(store.DropBefore(before).ok());
      store.counters();
    }
  });
  for (std::thread& thread : threads) thread.join();

  const auto merged = store.Merge({ProfileType{}, kAll, {}}, {});
  ASSERT_TRUE(merged.ok()) << merged.status();
  EXPECT_EQ(merged->coverage.windows, 3 * kAgents * kWindows);
  EXPECT_EQ(CountsByStack(merged->profile)["main;shared"], 3 * kAgents * kWindows);
  const EmbeddedStoreCounters counters = store.counters();
  EXPECT_EQ(counters.appended_windows, kAgents * kWindows);
  EXPECT_EQ(counters.corrupt_records, 0u);
  EXPECT_EQ(counters.missing_windows, 0u);
  EXPECT_LE(counters.commits, counters.appended_windows + 1);
}

TEST(StoreConcurrencyTest, WhatWasStoredIsInTheAnswersFromThenOn) {
  const TemporaryDirectory directory;
  const auto opened = OpenStore(directory);
  ASSERT_TRUE(opened.ok()) << opened.status();
  EmbeddedStore& store = **opened;

  std::vector<StoreSelection> selections;
  for (uint64_t agent = 0; agent < kAgents; ++agent) {
    selections.push_back({ProfileType{}, kAll, *ParseSelector(absl::StrCat("{pod=\"", agent, "\"}"))});
  }
  std::atomic<uint64_t> appending{kAgents};
  std::vector<std::thread> threads;
  for (uint64_t agent = 0; agent < kAgents; ++agent) {
    threads.emplace_back([&, agent] {
      for (uint64_t sequence = 1; sequence <= kWindows; ++sequence) {
        ASSERT_TRUE(store.Append(MakeAgentWindow(agent, sequence)).ok());
        EXPECT_EQ(store.Merge(selections[agent], {})->coverage.windows, 3 * sequence);
      }
      --appending;
    });
  }
  // Answers under way while windows come, and answers that are kept.
  threads.emplace_back([&] {
    while (appending > 0) {
      for (const StoreSelection& selection : selections) ASSERT_TRUE(store.Merge(selection, {}).ok());
    }
  });
  for (std::thread& thread : threads) thread.join();
  for (const StoreSelection& selection : selections) {
    for (int i = 0; i < 2; ++i) EXPECT_EQ(store.Merge(selection, {})->coverage.windows, 3 * kWindows);
  }
  EXPECT_GT(store.counters().merge_cache_hits, 0u);
}

TEST(StoreConcurrencyTest, RetentionMayDropWhatIsBeingAskedFor) {
  const TemporaryDirectory directory;
  const auto opened = OpenStore(directory);
  ASSERT_TRUE(opened.ok()) << opened.status();
  EmbeddedStore& store = **opened;

  std::atomic<bool> done{false};
  std::thread reader([&] {
    while (!done) {
      ASSERT_TRUE(store.Merge({ProfileType{}, kAll, {}}, {}).ok());
      ASSERT_TRUE(store.LabelNames(kAll, {}, {}).ok());
    }
  });
  for (int64_t day = 0; day < 20; ++day) {
    for (uint64_t i = 1; i <= 5; ++i) {
      Window window = MakeAgentWindow(0, static_cast<uint64_t>(day) * 5 + i);
      window.start = kNoon + absl::Hours(24 * day) + absl::Minutes(static_cast<int64_t>(i));
      ASSERT_EQ(*store.Append(window), AppendOutcome::kStored);
    }
    ASSERT_TRUE(store.DropBefore(AllLevels(kNoon + absl::Hours(24 * day))).ok());
    ASSERT_TRUE(store.FillLevels().ok());
    // Of the days before, sums are left.
    const auto merged = store.Merge({ProfileType{}, kAll, {}}, {});
    const auto days = static_cast<uint64_t>(day + 1);
    ASSERT_EQ(merged->coverage.windows, 15u * days);
    ASSERT_EQ(Totals(merged->profile.samples).count, 45u * days);
  }
  done = true;
  reader.join();
}

}  // namespace
}  // namespace pilotlight::collector
