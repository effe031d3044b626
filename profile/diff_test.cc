#include "profile/diff.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "profile/flame_graph.h"
#include "tests/support/stacks.h"

namespace pilotlight {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

DiffTable Diff(const Profile& base, const Profile& comparison, TopOrder order = TopOrder::kFlat,
               size_t limit = 0) {
  return *BuildDiff(base, comparison, order, limit);
}

const DiffRow& Row(const DiffTable& table, const std::string& function) {
  for (const DiffRow& row : table.rows) {
    if (row.function == function) return row;
  }
  ADD_FAILURE() << "no row " << function;
  return table.rows.front();
}

std::vector<std::string> SignificantFunctions(const DiffTable& table) {
  std::vector<std::string> functions;
  for (const DiffRow& row : table.rows) {
    if (row.flat.significant()) functions.push_back(row.function);
  }
  return functions;
}

// A profile of `samples` samples of main;f0, main;f1, … with these weights.
Profile Draw(const std::vector<double>& weights, uint64_t samples, std::mt19937_64& random) {
  std::discrete_distribution<size_t> distribution(weights.begin(), weights.end());
  std::vector<uint64_t> drawn(weights.size());
  for (uint64_t i = 0; i < samples; ++i) ++drawn[distribution(random)];
  std::map<std::string, uint64_t> counts;
  for (size_t i = 0; i < drawn.size(); ++i) {
    if (drawn[i] > 0) counts["main;f" + std::to_string(i)] = drawn[i];
  }
  return MakeProfile(counts, 10);
}

std::vector<double> ZipfWeights(size_t functions) {
  std::vector<double> weights;
  for (size_t i = 1; i <= functions; ++i) weights.push_back(1 / static_cast<double>(i));
  return weights;
}

TEST(DiffTest, HasBothSidesOfEachFunction) {
  const DiffTable table = Diff(MakeProfile({{"main;old", 30}, {"main", 70}}, 10),
                               MakeProfile({{"main;new", 20}, {"main", 30}}, 10));
  EXPECT_EQ(table.total.base.count, 100u);
  EXPECT_EQ(table.total.comparison.value, 500);
  EXPECT_EQ(table.all_rows, 3u);
  const DiffRow& main = Row(table, "main");
  EXPECT_EQ(main.flat.base.count, 70u);
  EXPECT_EQ(main.flat.comparison.value, 300);
  EXPECT_EQ(main.cumulative.base.count, 100u);
  EXPECT_EQ(main.cumulative.comparison.count, 50u);
  EXPECT_EQ(Row(table, "old").flat.comparison.count, 0u);
  EXPECT_EQ(Row(table, "new").flat.base.count, 0u);
}

TEST(DiffTest, ComesInTheOrderOfTheChangeOfTheShareNotOfTheValue) {
  const Profile base = MakeProfile({{"steady", 50}, {"shrinks", 30}, {"grows", 20}}, 10);
  const Profile comparison =
      MakeProfile({{"steady", 500}, {"shrinks", 150}, {"grows", 250}, {"new", 100}}, 10);
  const DiffTable table = Diff(base, comparison, TopOrder::kFlat, 2);
  ASSERT_EQ(table.rows.size(), 2u);
  EXPECT_EQ(table.rows[0].function, "shrinks");
  EXPECT_DOUBLE_EQ(ShareChange(table.rows[0].flat, table.total), -0.15);
  EXPECT_EQ(table.rows[1].function, "new");
  EXPECT_EQ(table.all_rows, 4u);
}

TEST(DiffTest, TellsAChangeFromChance) {
  const DiffTable table = Diff(MakeProfile({{"a", 500}, {"b", 480}, {"c", 20}}),
                               MakeProfile({{"a", 700}, {"b", 280}, {"c", 20}}));
  EXPECT_THAT(SignificantFunctions(table), testing::UnorderedElementsAre("a", "b"));
  EXPECT_EQ(table.significant_flat, 2u);
  EXPECT_EQ(Row(table, "c").flat.p_value, 1);
}

TEST(DiffTest, FindsNothingWhereOneSideIsEmpty) {
  const Profile something = MakeProfile({{"main;a", 1000}});
  const Profile nothing = MakeProfile({});
  for (const DiffTable& table : {Diff(something, nothing), Diff(nothing, something)}) {
    EXPECT_EQ(table.all_rows, 2u);
    EXPECT_THAT(SignificantFunctions(table), IsEmpty());
    EXPECT_EQ(table.significant_cumulative, 0u);
  }
  EXPECT_EQ(Diff(nothing, nothing).all_rows, 0u);
}

TEST(DiffTest, DoesNotTestCountsThatAreNotOfSamples) {
  Profile base = MakeProfile({{"a", 9000}, {"b", 1000}});
  Profile comparison = MakeProfile({{"a", 1000}, {"b", 9000}});
  for (Profile* profile : {&base, &comparison}) {
    profile->type = *ProfileType::Parse("memory:alloc_space:bytes:space:bytes");
  }
  EXPECT_THAT(SignificantFunctions(Diff(base, comparison)), IsEmpty());
  const DiffGraph graph = *BuildDiffGraph(base, comparison);
  for (const DiffGraph::Node& node : graph.nodes) EXPECT_FALSE(node.total.significant());
}

TEST(DiffTest, TestsSamplesOfEvents) {
  Profile base = MakeProfile({{"a", 9000}, {"b", 1000}});
  Profile comparison = MakeProfile({{"a", 1000}, {"b", 9000}});
  for (Profile* profile : {&base, &comparison}) {
    profile->type = *ProfileType::Parse("cycles:cycles:events:cycles:events");
  }
  EXPECT_EQ(SignificantFunctions(Diff(base, comparison)).size(), 2u);
}

TEST(DiffTest, RefusesDifferentTypes) {
  Profile heap = MakeProfile({{"a", 1}});
  heap.type.name = "memory";
  EXPECT_TRUE(absl::IsInvalidArgument(BuildDiff(MakeProfile({{"a", 1}}), heap, TopOrder::kFlat, 0).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(BuildDiffGraph(MakeProfile({{"a", 1}}), heap).status()));
}

// When nothing differs every discovery is false, so the rate is that of rounds with any. Three standard
// deviations of 400 rounds at 5 % are 0.033.
TEST(DiffSignificanceTest, DiscoversLittleWhereNothingHasChanged) {
  const std::vector<double> weights = ZipfWeights(200);
  std::mt19937_64 random(1);  // NOLINT(bugprone-random-generator-seed,cert-msc51-cpp): the same each time
  // Also of a short window against a long one, where most functions have few samples or none.
  for (const auto& [base_samples, comparison_samples] : {std::pair(2000, 2000), std::pair(20'000, 200)}) {
    constexpr int kRounds = 400;
    int rounds_with_discoveries = 0;
    for (int round = 0; round < kRounds; ++round) {
      const Profile base = Draw(weights, static_cast<uint64_t>(base_samples), random);
      const Profile comparison = Draw(weights, static_cast<uint64_t>(comparison_samples), random);
      if (Diff(base, comparison).significant_flat > 0) ++rounds_with_discoveries;
    }
    EXPECT_LT(rounds_with_discoveries / double{kRounds}, kFalseDiscoveryRate + 0.033) << base_samples;
  }
}

TEST(DiffSignificanceTest, FindsARealShiftAndLittleElse) {
  const std::vector<double> before = ZipfWeights(200);
  std::vector<double> after = before;
  // Half of the third function's time moves to the fifth: 2.8 % of all time.
  after[4] += after[2] / 2;
  after[2] /= 2;
  std::mt19937_64 random(2);  // NOLINT(bugprone-random-generator-seed,cert-msc51-cpp): the same each time
  constexpr int kRounds = 200;
  int found = 0;
  double false_share = 0;
  for (int round = 0; round < kRounds; ++round) {
    const std::vector<std::string> functions =
        SignificantFunctions(Diff(Draw(before, 5000, random), Draw(after, 5000, random)));
    size_t real = 0;
    for (const std::string& function : functions) {
      if (function == "f2" || function == "f4") ++real;
    }
    if (real == 2) ++found;
    if (!functions.empty()) {
      false_share += static_cast<double>(functions.size() - real) / static_cast<double>(functions.size());
    }
  }
  EXPECT_GT(found, kRounds * 95 / 100);
  // One round's share has a standard deviation of 0.13 or so.
  EXPECT_LT(false_share / kRounds, kFalseDiscoveryRate + 3 * 0.13 / std::sqrt(kRounds));
}

TEST(DiffGraphTest, EachSideIsItsOwnFlameGraph) {
  const Profile base = MakeProfile({{"main;a;x", 1}, {"main;b", 2}}, 10);
  const Profile comparison = MakeProfile({{"main;a;y", 4}, {"main;a", 8}, {"other;b", 16}}, 10);
  const DiffGraph graph = *BuildDiffGraph(base, comparison);
  std::map<std::string, std::pair<uint64_t, uint64_t>> totals;
  std::vector<std::string> paths = {""};
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const DiffGraph::Node& node = graph.nodes[i];
    if (i > 0) paths.push_back(paths[node.parent] + ";" + graph.names[node.name]);
    totals[paths[i]] = {node.total.base.count, node.total.comparison.count};
  }
  EXPECT_THAT(totals,
              ElementsAre(std::pair("", std::pair(3, 28)), std::pair(";main", std::pair(3, 12)),
                          std::pair(";main;a", std::pair(1, 12)), std::pair(";main;a;x", std::pair(1, 0)),
                          std::pair(";main;a;y", std::pair(0, 4)), std::pair(";main;b", std::pair(2, 0)),
                          std::pair(";other", std::pair(0, 16)), std::pair(";other;b", std::pair(0, 16))));
}

TEST(DiffGraphTest, FoldsWhatIsSmallOnBothSidesExactlyIntoOther) {
  std::map<std::string, uint64_t> base = {{"main;gone", 5000}};
  std::map<std::string, uint64_t> comparison = {{"main;added", 50}};
  for (uint64_t i = 1; i <= 50; ++i) {
    base["main;f" + std::to_string(i) + ";g"] = i;
    comparison["main;h" + std::to_string(i)] = 1;
  }
  const DiffGraph graph =
      *BuildDiffGraph(MakeProfile(base, 10), MakeProfile(comparison, 10), /*max_nodes=*/3);
  Difference self;
  for (const DiffGraph::Node& node : graph.nodes) self += node.self;
  EXPECT_EQ(self.base.count, 6275u);
  EXPECT_EQ(self.comparison.count, 100u);
  EXPECT_EQ(self.comparison.value, 1000);
  // Half of the comparison, though it is little beside the base.
  EXPECT_THAT(graph.names, testing::UnorderedElementsAre("total", "main", "gone", "added", "other"));
  EXPECT_EQ(graph.nodes.size(), 5u);
}

TEST(DiffGraphTest, JudgesNodes) {
  const DiffGraph graph = *BuildDiffGraph(MakeProfile({{"main;a", 500}, {"main;b", 500}}),
                                          MakeProfile({{"main;a", 700}, {"main;b", 300}}));
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const std::string& name = graph.names[graph.nodes[i].name];
    EXPECT_EQ(graph.nodes[i].total.significant(), name == "a" || name == "b") << name;
  }
}

}  // namespace
}  // namespace pilotlight
