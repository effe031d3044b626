#include "agent/insight/go_classes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace pilotlight::agent {
namespace {

// Each row by a name that it must catch.
class GoClassRowTest : public testing::TestWithParam<GoClassRow> {};

TEST_P(GoClassRowTest, MatchesItsFunctions) {
  absl::string_view name = GetParam().pattern;
  const bool is_prefix = absl::ConsumeSuffix(&name, "*");
  EXPECT_EQ(ClassifyGoFunction(name), GetParam().go_class);
  EXPECT_EQ(ClassifyGoFunction(absl::StrCat(name, ".abi0")), GetParam().go_class);
  if (is_prefix) {
    EXPECT_EQ(ClassifyGoFunction(absl::StrCat(name, "X")), GetParam().go_class);
  }
  EXPECT_EQ(ClassifyGoFunction(absl::StrCat("example.com/", name)), GoClass::kUser);
}

INSTANTIATE_TEST_SUITE_P(AllRows, GoClassRowTest,
                         testing::ValuesIn(GoClassTable().begin(), GoClassTable().end()));

TEST(GoClassTableTest, RowsStandInTheOrderOfTheClasses) {
  EXPECT_TRUE(std::ranges::is_sorted(GoClassTable(), {}, &GoClassRow::go_class));
}

TEST(GoClassTableTest, EveryClassHasAName) {
  std::set<std::string> names;
  for (size_t i = 0; i < kGoClasses; ++i) names.emplace(GoClassName(static_cast<GoClass>(i)));
  EXPECT_EQ(names.size(), kGoClasses);
  EXPECT_EQ(names.count("mcall"), 1u);
}

TEST(ClassifyGoFunctionTest, LeavesNeighboursOfTheTableToTheUser) {
  for (const absl::string_view function :
       {"main.main", "runtime.mcallX", "runtime.goexit", "runtime.main", "runtime.asyncPreempt",
        "runtime.runFinalizers", "runtime.runfinq", "runtime.memmove", "sync.(*Mutex).Lock", "synchro.Run",
        "internal/poll.(*FD).Read"}) {
    EXPECT_EQ(ClassifyGoFunction(function), GoClass::kUser) << function;
  }
}

}  // namespace
}  // namespace pilotlight::agent
