#include "profile/reverse.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/stacks.h"

namespace pilotlight {
namespace {

TEST(ReverseStacksTest, PutsTheLeafOutermostAndLosesNothing) {
  Profile profile = MakeProfile({{"main;a;copy", 3}, {"main;b;copy", 4}, {"main", 2}, {"main;a", 1}}, 10);
  profile.samples.push_back({StackTrie::kRoot, 5, 50});
  ReverseStacks(profile);
  EXPECT_EQ(FoldedCounts(profile.trie, profile.samples),
            (std::map<std::string, uint64_t>{
                {"copy;a;main", 3}, {"copy;b;main", 4}, {"main", 2}, {"a;main", 1}, {"", 5}}));
  EXPECT_EQ(Totals(profile.samples).value, 150);
}

}  // namespace
}  // namespace pilotlight
