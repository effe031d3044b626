#include "cli/query_flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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

}  // namespace
}  // namespace pilotlight::cli
