#include "exporters/json.h"

#include "exporters/test_profiles.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace pilotlight {
namespace {

using nlohmann::json;

TEST(JsonTest, AFlameGraphHasItsNodesWithParentsBeforeChildren) {
  const json graph = json::parse(WriteFlameGraphJson(BuildFlameGraph(CpuProfile()), ProfileType{}));
  EXPECT_EQ(graph["type"], "process_cpu:cpu:nanoseconds:cpu:nanoseconds");
  EXPECT_EQ(graph["unit"], "nanoseconds");
  EXPECT_EQ(graph["total"], json({{"count", 30}, {"value", 300'000'000}}));
  EXPECT_TRUE(graph["nodes"][0]["parent"].is_null());
  size_t inner = 0;
  for (size_t i = 1; i < graph["nodes"].size(); ++i) {
    EXPECT_LT(graph["nodes"][i]["parent"], i);
    if (graph["nodes"][i]["name"] == "main.inner") inner = i;
  }
  EXPECT_EQ(graph["nodes"][inner]["kind"], "go");
  EXPECT_EQ(graph["nodes"][inner]["self"], json({{"count", 12}, {"value", 120'000'000}}));
}

TEST(JsonTest, TheTopTableHasSharesWithIntervals) {
  const json top = json::parse(WriteTopJson(BuildTop(CpuProfile(), TopOrder::kFlat, 2), ProfileType{}));
  EXPECT_EQ(top["functions"], 6);
  ASSERT_EQ(top["rows"].size(), 2u);
  const json& row = top["rows"][0];
  EXPECT_EQ(row["function"], "main.inner");
  EXPECT_EQ(row["flat"]["count"], 12);
  EXPECT_LT(row["flat_share"][0], 0.4);
  EXPECT_GT(row["flat_share"][1], 0.4);
}

TEST(JsonTest, ADiffHasBothSidesOfItsTableAndGraph) {
  const Profile base = CpuProfile();
  const Profile nothing;
  const json diff = json::parse(WriteDiffJson(*BuildDiff(base, nothing, TopOrder::kFlat, 2),
                                              *BuildDiffGraph(base, nothing), ProfileType{}));
  EXPECT_EQ(diff["functions"], 6);
  EXPECT_EQ(diff["total"]["base"]["count"], 30);
  const json& row = diff["rows"][0];
  EXPECT_EQ(row["function"], "main.inner");
  EXPECT_EQ(row["flat"]["base"], json({{"count", 12}, {"value", 120'000'000}}));
  EXPECT_EQ(row["flat"]["comparison"], json({{"count", 0}, {"value", 0}}));
  EXPECT_EQ(row["flat"]["p_value"], 1);
  EXPECT_EQ(row["flat"]["significant"], false);
  EXPECT_TRUE(diff["nodes"][0]["parent"].is_null());
  EXPECT_EQ(diff["nodes"][0]["total"]["base"]["count"], 30);
  const json table_only = json::parse(WriteDiffJson(DiffTable(), DiffGraph(), ProfileType{}));
  EXPECT_FALSE(table_only.contains("nodes"));
}

TEST(JsonTest, APeekHasCallersAndCallees) {
  const json peek = json::parse(WritePeekJson(*BuildPeek(CpuProfile(), "main.inner", 0), ProfileType{}));
  EXPECT_EQ(peek["matches"], 1);
  const json& inner = peek["functions"][0];
  EXPECT_EQ(inner["flat"]["count"], 12);
  ASSERT_EQ(inner["callers"].size(), 1u);
  EXPECT_GE(inner["callers"][0]["count"], 12);
}

TEST(JsonTest, AProfileHasItsWholeStacks) {
  const json profile = json::parse(WriteProfileJson(CpuProfile()));
  EXPECT_EQ(profile["start"], "2023-11-14T22:13:20+00:00");
  EXPECT_EQ(profile["duration_seconds"], 10);
  EXPECT_EQ(profile["labels"]["service_name"], "checkout");
  const json& stack = profile["stacks"][1];
  EXPECT_EQ(stack["count"], 12);
  const json& leaf = profile["frames"][stack["frames"][0].get<size_t>()];
  EXPECT_EQ(leaf["function"], "main.inner");
  EXPECT_EQ(leaf["line"], 41);
  EXPECT_EQ(leaf["inlined"], true);
}

TEST(JsonTest, AnyNameGivesValidJson) {
  Profile profile;
  AddStack(profile, {{.function = "\xFF<>&\"'\n\\ 函数"}}, 1, 1);
  const json parsed = json::parse(WriteProfileJson(profile));
  EXPECT_EQ(parsed["frames"][0]["function"], "\uFFFD<>&\"'\n\\ 函数");
}

}  // namespace
}  // namespace pilotlight
