#include "cli/query_flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

namespace pilotlight::cli {
namespace {

TEST(SelectorTest, PassesMatchersOnAsTheyAre) {
  EXPECT_EQ(CompleteSelector(R"({service_name="a b", pod=~"x.*"})"), R"({service_name="a b", pod=~"x.*"})");
  EXPECT_EQ(CompleteSelector(" {} "), "{}");
  EXPECT_EQ(CompleteSelector(""), "");
}

TEST(SelectorTest, CompletesWhatPeopleType) {
  EXPECT_EQ(CompleteSelector("checkout"), R"({service_name="checkout"})");
  EXPECT_EQ(CompleteSelector(R"(namespace="shop")"), R"({namespace="shop"})");
}

TEST(SelectorTest, LetsNoServiceNameLeaveItsQuotes) {
  EXPECT_EQ(CompleteSelector(R"(back\slash)"), R"({service_name="back\\slash"})");
}

TEST(AddressTest, IsAHostAndAPort) {
  EXPECT_TRUE(CheckAddress("localhost:7171").ok());
  EXPECT_TRUE(CheckAddress("[::1]:7171").ok());
  for (const char* address : {"localhost", "http://localhost:7171", ":7171", "localhost:", "localhost:x",
                              "localhost:70000", "localhost:0", ""}) {
    EXPECT_TRUE(absl::IsInvalidArgument(CheckAddress(address))) << address;
  }
}

TEST(SelectionTest, CarriesAllFlags) {
  QueryFlags flags;
  flags.selector = "checkout";
  flags.type = "a:b:c:d:e";
  flags.focus = "f";
  flags.ignore = "i";
  flags.from = "-2h";
  const absl::Time now = absl::FromUnixSeconds(1'714'564'800);
  const absl::StatusOr<Selection> selection = ToSelection(flags, now, absl::UTCTimeZone());
  ASSERT_TRUE(selection.ok()) << selection.status();
  EXPECT_EQ(selection->selector, R"({service_name="checkout"})");
  EXPECT_EQ(selection->profile_type, "a:b:c:d:e");
  EXPECT_EQ(selection->focus, "f");
  EXPECT_EQ(selection->ignore, "i");
  EXPECT_EQ(selection->span.start, now - absl::Hours(2));
  EXPECT_EQ(selection->span.end, now);
}

class BaseSelectionTest : public testing::Test {
 protected:
  absl::StatusOr<Selection> Base(const BaseFlags& flags) const {
    return ToBaseSelection(comparison_, flags, now_, absl::UTCTimeZone());
  }
  // Its start and end, in minutes before now.
  std::pair<int, int> Minutes(const BaseFlags& flags) const {
    const absl::StatusOr<Selection> base = Base(flags);
    EXPECT_TRUE(base.ok()) << base.status();
    return {static_cast<int>(absl::ToInt64Minutes(now_ - base->span.start)),
            static_cast<int>(absl::ToInt64Minutes(now_ - base->span.end))};
  }

  const absl::Time now_ = absl::FromUnixSeconds(1'714'564'800);
  const Selection comparison_ = {.selector = R"({service_name="a"})",
                                 .profile_type = "",
                                 .span = {now_ - absl::Minutes(10), now_},
                                 .focus = "f",
                                 .ignore = ""};
};

TEST_F(BaseSelectionTest, IsTheSpanRightBeforeWhenNothingIsSaid) {
  EXPECT_EQ(Minutes({}), std::pair(20, 10));
  EXPECT_EQ(Base({})->focus, "f");
}

TEST_F(BaseSelectionTest, IsTheSameSpanOfOtherLabels) {
  EXPECT_EQ(Minutes({.selector = "b"}), std::pair(10, 0));
  EXPECT_EQ(Base({.selector = "b"})->selector, R"({service_name="b"})");
  EXPECT_EQ(Minutes({.selector = "b", .offset = absl::Hours(1)}), std::pair(70, 60));
}

TEST_F(BaseSelectionTest, IsAsLongAsTheOtherUnlessBothEndsAreGiven) {
  EXPECT_EQ(Minutes({.offset = absl::Hours(1)}), std::pair(70, 60));
  EXPECT_EQ(Minutes({.from = "-2h"}), std::pair(120, 110));
  EXPECT_EQ(Minutes({.to = "-2h"}), std::pair(130, 120));
  EXPECT_EQ(Minutes({.from = "-3h", .to = "-2h"}), std::pair(180, 120));
}

TEST_F(BaseSelectionTest, RefusesToCompareSomethingWithItself) {
  EXPECT_TRUE(absl::IsInvalidArgument(Base({.selector = "a"}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(Base({.from = "-1h", .to = "-2h"}).status()));
}

}  // namespace
}  // namespace pilotlight::cli
