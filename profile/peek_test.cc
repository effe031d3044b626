#include "profile/peek.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "tests/support/stacks.h"

namespace pilotlight {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<std::string> Lines(const std::vector<PeekNeighbour>& neighbours) {
  std::vector<std::string> lines;
  for (const PeekNeighbour& neighbour : neighbours) {
    lines.push_back(absl::StrCat(neighbour.function, " ", neighbour.with.count, " ", neighbour.with.value));
  }
  return lines;
}

TEST(PeekTest, ShowsCallersAndCalleesTheLargestFirst) {
  const PeekTable table = *BuildPeek(MakeProfile({{"main;read;decode;scan", 2},
                                                  {"main;write;decode", 3},
                                                  {"main;write;decode;value", 5},
                                                  {"main;idle", 90}},
                                                 10),
                                     "^decode$", 0);
  ASSERT_EQ(table.functions.size(), 1u);
  const PeekFunction& decode = table.functions[0];
  EXPECT_EQ(decode.flat.count, 3u);
  EXPECT_EQ(decode.cumulative.value, 100);
  EXPECT_THAT(Lines(decode.callers), ElementsAre("write 8 80", "read 2 20"));
  EXPECT_THAT(Lines(decode.callees), ElementsAre("value 5 50", "scan 2 20"));
  EXPECT_EQ(table.total.count, 100u);
}

TEST(PeekTest, CountsACallOncePerStackAndLeavesCallsOfItselfOut) {
  const PeekTable table = *BuildPeek(MakeProfile({{"main;walk;visit;walk;visit;walk;walk", 4}}), "walk", 0);
  ASSERT_EQ(table.functions.size(), 1u);
  EXPECT_EQ(table.functions[0].cumulative.count, 4u);
  EXPECT_THAT(Lines(table.functions[0].callers), ElementsAre("main 4 4", "visit 4 4"));
  EXPECT_THAT(Lines(table.functions[0].callees), ElementsAre("visit 4 4"));
}

TEST(PeekTest, TakesTheLargestOfManyMatchesAndSaysHowManyThereAre) {
  const PeekTable table = *BuildPeek(MakeProfile({{"main;f1", 1}, {"main;f2", 3}, {"main;f3", 2}}), "f", 2);
  ASSERT_EQ(table.functions.size(), 2u);
  EXPECT_EQ(table.functions[0].function, "f2");
  EXPECT_EQ(table.functions[1].function, "f3");
  EXPECT_THAT(Lines(table.functions[1].callers), ElementsAre("main 2 2"));
  EXPECT_EQ(table.all_functions, 3u);
}

TEST(PeekTest, FindsNothingWhereNothingMatches) {
  const PeekTable table = *BuildPeek(MakeProfile({{"main;a", 1}}), "zzz", 0);
  EXPECT_THAT(table.functions, IsEmpty());
  EXPECT_EQ(table.total.count, 1u);
}

TEST(PeekTest, SaysWhatIsWrongWithTheExpression) {
  const Profile profile = MakeProfile({{"main", 1}});
  for (const char* bad : {"", "("}) {
    const absl::Status status = BuildPeek(profile, bad, 0).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("function"));
  }
}

}  // namespace
}  // namespace pilotlight
