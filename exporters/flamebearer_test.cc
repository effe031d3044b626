#include "exporters/flamebearer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>

#include "exporters/flamebearer_json.h"
#include "nlohmann/json.hpp"
#include "tests/support/flame_tree.h"
#include "tests/support/stacks.h"

namespace pilotlight {
namespace {

using testing::ElementsAre;

TEST(FlamebearerTest, PutsChildrenAfterTheirParentsOwnPart) {
  const Flamebearer encoded =
      EncodeFlamebearer(BuildFlameGraph(MakeProfile({{"a", 2}, {"a;b", 3}, {"c", 4}})));
  EXPECT_THAT(encoded.names, ElementsAre("total", "a", "c", "b"));
  EXPECT_THAT(encoded.levels, ElementsAre(ElementsAre(0, 9, 0, 0), ElementsAre(0, 5, 2, 1, 0, 4, 4, 2),
                                          ElementsAre(2, 3, 3, 3)));
  EXPECT_EQ(encoded.total, 9);
  EXPECT_EQ(encoded.max_self, 4);
}

TEST(FlamebearerTest, AsPyroscopesJson) {
  const Profile profile = MakeProfile({{"a \"x\"", 2}, {"a \"x\";b", 3}});
  const std::string json =
      WriteFlamebearerJson(EncodeFlamebearer(BuildFlameGraph(profile)), profile.type,
                           {1714564800, 15, {4, 0, 1}}, {{"v1", {1714564800, 15, {4, 0, 0}}}});
  EXPECT_EQ(nlohmann::json::parse(json), nlohmann::json::parse(R"({
    "version": 1,
    "flamebearer": {"names": ["total", "a \"x\"", "b"],
                    "levels": [[0, 5, 0, 0], [0, 5, 2, 1], [2, 3, 3, 2]], "numTicks": 5, "maxSelf": 3},
    "metadata": {"format": "single", "spyName": "", "sampleRate": 1000000000, "units": "samples", "name": "cpu"},
    "timeline": {"startTime": 1714564800, "samples": [4, 0, 1], "durationDelta": 15, "watermarks": null},
    "groups": {"v1": {"startTime": 1714564800, "samples": [4, 0, 0], "durationDelta": 15, "watermarks": null}}
  })"));
  const auto empty = nlohmann::json::parse(WriteFlamebearerJson(Flamebearer(), ProfileType(), {}, {}));
  EXPECT_EQ(empty["flamebearer"]["levels"], nlohmann::json::parse("[[0, 0, 0, 0]]"));
  EXPECT_EQ(empty["groups"], nullptr);
}

TEST(FlamebearerTest, AFunctionNamedAsTheRootSharesItsName) {
  const Flamebearer encoded = EncodeFlamebearer(BuildFlameGraph(MakeProfile({{"total;other", 1}})));
  EXPECT_THAT(encoded.names, ElementsAre("total", "other"));
}

TEST(FlamebearerTest, WhatHasNoValueHasNoBar) {
  EXPECT_TRUE(EncodeFlamebearer(BuildFlameGraph(Profile())).levels.empty());
  Profile profile = MakeProfile({{"a;b", 1}, {"a;c", 1}, {"d", 1}});
  profile.samples[0].value = 0;
  profile.samples[1].value = -5;
  EXPECT_EQ(DecodeFlamebearer(EncodeFlamebearer(BuildFlameGraph(profile))).size(), 2);
}

TEST(FlamebearerTest, ADiffHasBothSidesInOneBar) {
  const FlamebearerDiff diff =
      EncodeFlamebearerDiff(BuildFlameGraph(MakeProfile({{"a;b", 3}, {"gone", 2}})),
                            BuildFlameGraph(MakeProfile({{"a;b", 1}, {"a;new", 4}})), 100);
  EXPECT_THAT(diff.both.names, ElementsAre("total", "a", "gone", "b", "new"));
  EXPECT_THAT(diff.both.levels, ElementsAre(ElementsAre(0, 5, 0, 0, 5, 0, 0),
                                            ElementsAre(0, 3, 0, 0, 5, 0, 1, 0, 2, 2, 0, 0, 0, 2),
                                            ElementsAre(0, 3, 3, 0, 1, 1, 3, 0, 0, 0, 0, 4, 4, 4)));
  EXPECT_EQ(diff.left_total, 5);
  EXPECT_EQ(diff.right_total, 5);
  EXPECT_EQ(diff.both.total, 10);
  EXPECT_EQ(diff.both.max_self, 4);
}

TEST(FlamebearerTest, ADiffFoldsWhatIsSmallOnBothSidesTogether) {
  const FlamebearerDiff diff =
      EncodeFlamebearerDiff(BuildFlameGraph(MakeProfile({{"a", 3}, {"b", 2}, {"c", 1}})),
                            BuildFlameGraph(MakeProfile({{"c", 9}, {"d", 1}})), 1);
  EXPECT_THAT(diff.both.names, ElementsAre("total", "c", "other"));
  EXPECT_THAT(diff.both.levels[1], ElementsAre(0, 1, 1, 0, 9, 9, 1, 0, 5, 5, 0, 1, 1, 2));
}

TEST(FlamebearerTest, AnyGraphDecodesToTheSameTree) {
  std::mt19937 random(1);
  const auto up_to = [&random](size_t most) {
    return std::uniform_int_distribution<size_t>(0, most)(random);
  };
  const std::vector<std::string> names = {"main", "a b",   "x;y",    "\"q\"", "f[go.shape.int]",
                                          "世界", "total", "main.λ", "\\",    "other"};
  for (int round = 0; round < 200; ++round) {
    Profile profile;
    const size_t stacks = up_to(60);
    for (size_t i = 0; i < stacks; ++i) {
      NodeId node = StackTrie::kRoot;
      for (size_t depth = up_to(8); depth > 0; --depth) {
        node = profile.trie.Child(
            node, profile.trie.InternFrame(FrameView{
                      .function = names[up_to(names.size() - 1 - static_cast<size_t>(round % 2))]}));
      }
      profile.samples.push_back({.node = node, .count = 1, .value = static_cast<int64_t>(up_to(5))});
    }
    MergeSamples(profile.samples);
    const FlameGraph whole = BuildFlameGraph(profile);
    EXPECT_EQ(DecodeFlamebearer(EncodeFlamebearer(whole)), FlameTreeOf(whole));
    // A function of that name would stand beside the "other" of what was cut off.
    if (round % 2 == 0) continue;
    const FlameGraph cut = BuildFlameGraph(profile, 1 + up_to(20));
    EXPECT_EQ(DecodeFlamebearer(EncodeFlamebearer(cut)), FlameTreeOf(cut));
  }
}

}  // namespace
}  // namespace pilotlight
