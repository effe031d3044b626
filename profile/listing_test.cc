#include "profile/listing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace pilotlight {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

struct At {
  absl::string_view function;
  uint32_t line = 0;
  absl::string_view file = "main.go";
  uint32_t start_line = 0;
};

class ListingTest : public testing::Test {
 protected:
  void Add(const std::vector<At>& stack, uint64_t count) {
    NodeId node = StackTrie::kRoot;
    for (const At& at : stack) {
      node = profile_.trie.Child(node, profile_.trie.InternFrame(FrameView{.function = at.function,
                                                                           .file = at.file,
                                                                           .line = at.line,
                                                                           .start_line = at.start_line,
                                                                           .kind = FrameKind::kGo,
                                                                           .symbolized = true}));
    }
    profile_.samples.push_back({node, count, static_cast<int64_t>(count) * 10});
  }

  // "line flat cumulative"
  static std::vector<std::string> Lines(const ListedFunction& function) {
    std::vector<std::string> lines;
    for (const ListedLine& line : function.lines) {
      lines.push_back(absl::StrCat(line.line, " ", line.flat.count, " ", line.cumulative.count));
    }
    return lines;
  }

  Profile profile_;
};

TEST_F(ListingTest, HasTheCostOfEachLine) {
  Add({{"main", 5}, {"work", 12}}, 3);
  Add({{"main", 5}, {"work", 14}}, 4);
  Add({{"main", 5}, {"work", 14}, {"sort", 90}}, 20);
  Add({{"main", 6}}, 73);
  const Listing listing = *BuildListing(profile_, "^work$", 0);
  ASSERT_THAT(listing.functions, SizeIs(1));
  const ListedFunction& work = listing.functions[0];
  EXPECT_EQ(work.flat.count, 7u);
  EXPECT_EQ(work.cumulative.value, 270);
  EXPECT_THAT(Lines(work), ElementsAre("12 3 3", "14 4 24"));
  EXPECT_EQ(listing.total.count, 100u);
}

TEST_F(ListingTest, CountsALineOnceInARecursion) {
  Add({{"walk", 3}, {"walk", 3}, {"walk", 4}, {"walk", 3}}, 5);
  const Listing listing = *BuildListing(profile_, "walk", 0);
  ASSERT_THAT(listing.functions, SizeIs(1));
  EXPECT_EQ(listing.functions[0].cumulative.count, 5u);
  EXPECT_THAT(Lines(listing.functions[0]), ElementsAre("3 5 5", "4 0 5"));
}

TEST_F(ListingTest, TellsFunctionsOfSeveralFilesApartAndTheLargestComeFirst) {
  Add({{"init", 1, "a.go"}}, 2);
  Add({{"init", 1, "b.go"}}, 3);
  Add({{"initial", 1, "c.go"}}, 1);
  const Listing listing = *BuildListing(profile_, "init", 2);
  ASSERT_THAT(listing.functions, SizeIs(2));
  EXPECT_EQ(listing.functions[0].file, "b.go");
  EXPECT_EQ(listing.functions[1].file, "a.go");
  EXPECT_EQ(listing.all_functions, 3u);
}

TEST_F(ListingTest, SaysWhenLinesAreOfSeveralVersions) {
  Add({{"steady", 11, "a.go", 10}}, 1);
  Add({{"steady", 12, "a.go"}}, 1);
  Add({{"moved", 31, "a.go", 30}}, 1);
  Add({{"moved", 24, "a.go", 23}}, 1);
  const Listing listing = *BuildListing(profile_, ".", 0);
  ASSERT_THAT(listing.functions, SizeIs(2));
  EXPECT_TRUE(listing.functions[0].moved);
  EXPECT_EQ(listing.functions[0].start_line, 23u);
  EXPECT_FALSE(listing.functions[1].moved);
  EXPECT_EQ(listing.functions[1].start_line, 10u);
}

TEST_F(ListingTest, FindsNothingWhereNothingMatchesAndRefusesABadExpression) {
  Add({{"main", 5}}, 3);
  EXPECT_THAT(BuildListing(profile_, "zzz", 0)->functions, IsEmpty());
  EXPECT_THAT(BuildListing(profile_, "", 0).status().message(), HasSubstr("which function?"));
  EXPECT_THAT(BuildListing(profile_, "(", 0).status().message(), HasSubstr("function"));
}

}  // namespace
}  // namespace pilotlight
