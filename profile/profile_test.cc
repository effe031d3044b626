#include "profile/profile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "profile/flame_graph.h"
#include "profile/stack_filter.h"
#include "profile/top.h"
#include "tests/support/stacks.h"

namespace pilotlight {
namespace {

using testing::ElementsAre;
using testing::Pair;

TEST(ProfileTypeTest, ReadsWhatItWrites) {
  const ProfileType type;
  EXPECT_EQ(type.ToString(), "process_cpu:cpu:nanoseconds:cpu:nanoseconds");
  EXPECT_EQ(*ProfileType::Parse(type.ToString()), type);
  for (const char* bad : {"", "cpu", "a:b:c:d", "a:b:c:d:e:f", "::::"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ProfileType::Parse(bad).status())) << bad;
  }
}

TEST(ProfileTypeTest, WhatHappensAddsUpOverTimeAndWhatIsThereDoesNot) {
  for (const char* happens : {"process_cpu:cpu:nanoseconds:cpu:nanoseconds",
                              "cycles:cycles:events:cycles:events", "memory:alloc_space:bytes:space:bytes",
                              "samples:samples:count::", "wall:wall:count:wall:nanoseconds"}) {
    EXPECT_FALSE(IsInstantaneous(*ProfileType::Parse(happens))) << happens;
  }
  for (const char* there :
       {"memory:inuse_space:bytes:space:bytes", "goroutine:goroutine:count:goroutine:count"}) {
    EXPECT_TRUE(IsInstantaneous(*ProfileType::Parse(there))) << there;
  }
}

TEST(MergeProfileTest, AddsSamplesAndKeepsSharedLabels) {
  Profile merged;
  Profile first = MakeProfile({{"a;b", 1}, {"a", 2}}, 10);
  first.labels = {{"service_name", "x"}, {"pod", "1"}};
  Profile second = MakeProfile({{"a;b", 4}, {"c", 8}}, 10);
  second.labels = {{"service_name", "x"}, {"pod", "2"}};
  ASSERT_TRUE(MergeProfile(first, merged).ok());
  ASSERT_TRUE(MergeProfile(second, merged).ok());
  EXPECT_THAT(FoldedCounts(merged.trie, merged.samples),
              ElementsAre(Pair("a", 2), Pair("a;b", 5), Pair("c", 8)));
  EXPECT_EQ(Totals(merged.samples).value, 150);
  EXPECT_THAT(merged.labels, ElementsAre(Pair("service_name", "x")));
  EXPECT_EQ(merged.duration, absl::Seconds(20));
}

TEST(MergeProfileTest, RefusesAnotherType) {
  Profile merged = MakeProfile({{"a", 1}});
  Profile heap = MakeProfile({{"a", 1}});
  heap.type.name = "memory";
  EXPECT_TRUE(absl::IsInvalidArgument(MergeProfile(heap, merged)));
}

TEST(StackFilterTest, FocusKeepsAndIgnoreDropsWholeStacks) {
  Profile profile = MakeProfile({{"main;serve;encode", 1}, {"main;idle", 2}, {"main;serve;log", 4}});
  StackFilter::Create("serve", "^log$")->Apply(profile.trie, profile.samples);
  EXPECT_THAT(FoldedCounts(profile.trie, profile.samples), ElementsAre(Pair("main;serve;encode", 1)));
}

TEST(StackFilterTest, NamesABadExpression) {
  const absl::Status status = StackFilter::Create("a(", "").status();
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_NE(status.message().find("a("), absl::string_view::npos);
}

TEST(FlameGraphTest, TotalsAreTheSumsOfTheirSubtrees) {
  const FlameGraph graph = BuildFlameGraph(MakeProfile({{"a;b", 1}, {"a", 2}, {"a;c;b", 4}}, 10));
  EXPECT_EQ(graph.names[0], "total");
  EXPECT_EQ(graph.nodes[0].total.count, 7u);
  EXPECT_EQ(graph.nodes[0].total.value, 70);
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    uint64_t sum = graph.nodes[i].self.count;
    for (size_t child = 1; child < graph.nodes.size(); ++child) {
      if (graph.nodes[child].parent == i) sum += graph.nodes[child].total.count;
    }
    EXPECT_EQ(graph.nodes[i].total.count, sum) << graph.names[graph.nodes[i].name];
  }
}

TEST(FlameGraphTest, MergesLinesOfOneFunction) {
  Profile profile = MakeProfile({});
  for (const uint32_t line : {10u, 20u}) {
    const FrameId frame = profile.trie.InternFrame(FrameView{.function = "f", .file = "f.go", .line = line});
    profile.samples.push_back({profile.trie.Child(StackTrie::kRoot, frame), 1, 1});
  }
  EXPECT_EQ(BuildFlameGraph(profile).nodes.size(), 2u);
}

TEST(FlameGraphTest, FoldsSmallSubtreesExactlyIntoOther) {
  std::map<std::string, uint64_t> counts;
  for (uint64_t i = 1; i <= 100; ++i) counts["main;f" + std::to_string(i) + ";g"] = i;
  const FlameGraph graph = BuildFlameGraph(MakeProfile(counts), /*max_nodes=*/11);
  EXPECT_EQ(graph.nodes[0].total.count, 5050u);
  uint64_t leaves = 0;
  uint64_t other = 0;
  size_t kept = 0;
  for (const FlameGraph::Node& node : graph.nodes) {
    leaves += node.self.count;
    if (graph.names[node.name] == "other") {
      other += node.self.count;
    } else {
      ++kept;
    }
  }
  EXPECT_EQ(leaves, 5050u);
  EXPECT_EQ(kept, 12u);  // the root and eleven more
  EXPECT_GT(other, 0u);
}

TEST(TopTest, CountsARecursiveFunctionOncePerStack) {
  const TopTable top =
      BuildTop(MakeProfile({{"main;fib;fib;fib", 3}, {"main;fib", 1}, {"main", 1}}), TopOrder::kFlat, 0);
  ASSERT_EQ(top.rows.size(), 2u);
  EXPECT_EQ(top.rows[0].function, "fib");
  EXPECT_EQ(top.rows[0].flat.count, 4u);
  EXPECT_EQ(top.rows[0].cumulative.count, 4u);
  EXPECT_EQ(top.rows[1].cumulative.count, 5u);
  EXPECT_EQ(top.total.count, 5u);
}

TEST(TopTest, CutsAtTheLimitAndSaysHowManyThereWere) {
  const TopTable top = BuildTop(MakeProfile({{"a", 1}, {"b", 3}, {"c", 2}}), TopOrder::kCumulative, 2);
  ASSERT_EQ(top.rows.size(), 2u);
  EXPECT_EQ(top.rows[0].function, "b");
  EXPECT_EQ(top.all_rows, 3u);
}

}  // namespace
}  // namespace pilotlight
