#include "cli/diff_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "absl/strings/str_split.h"
#include "cli/peek_view.h"
#include "cli/text_width.h"
#include "tests/support/stacks.h"

namespace pilotlight::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr int64_t kPeriod = 10'000'000;

// One hour each with one core in the base, two in the comparison.
DiffView View() {
  const Profile base = MakeProfile({{"main;parse", 500}, {"main;render", 480}, {"main;log", 20}}, kPeriod);
  const Profile comparison =
      MakeProfile({{"main;parse", 700}, {"main;render", 280}, {"main;log", 20}}, kPeriod);
  DiffView view;
  const absl::Time noon = absl::FromUnixSeconds(1'714'564'800);
  view.base = {R"({service_name="checkout"})", TimeSpan{noon - absl::Hours(1), noon}};
  view.comparison = {R"({service_name="checkout"})", TimeSpan{noon, noon + absl::Hours(1)}};
  view.answer.table = *BuildDiff(base, comparison, TopOrder::kFlat, 2);
  view.answer.type = base.type;
  for (Quality* quality : {&view.answer.base_quality, &view.answer.comparison_quality}) {
    quality->samples = 1000;
    quality->value = 1000 * kPeriod;
    quality->estimated_value = 3600e9;
    quality->covered = absl::Hours(1);
  }
  view.answer.comparison_quality.estimated_value = 7200e9;
  return view;
}

TEST(DiffViewTest, ShowsTheChangeOfTheShareAndMarksWhatIsBeyondChance) {
  const std::string text = DiffText(View(), 0, /*colour=*/false, absl::UTCTimeZone());
  EXPECT_THAT(text, HasSubstr("2 of 4 functions changed in flat by more than chance"));
  EXPECT_THAT(text, testing::ContainsRegex("▲ +\\+20\\.0 +50\\.0 +70\\.0 .*\\+0\\.900 +parse\n"));
  EXPECT_THAT(text, testing::ContainsRegex("▼ +-20\\.0 +48\\.0 +28\\.0 .*\\+0\\.080 +render\n"));
  EXPECT_THAT(text, HasSubstr("and 2 more functions"));
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
}

TEST(DiffViewTest, HasNoLineWiderThanTheTerminal) {
  for (const size_t width : {60u, 80u, 120u}) {
    const std::string text = DiffText(View(), width, /*colour=*/false, absl::UTCTimeZone());
    for (const absl::string_view line : absl::StrSplit(text.substr(text.find("\n\n")), '\n')) {
      EXPECT_LE(DisplayWidth(line), width) << line;
    }
  }
}

TEST(DiffViewTest, MarksNothingThatDidNotChange) {
  DiffView view = View();
  const Profile same = MakeProfile({{"main;log", 20}}, kPeriod);
  view.answer.table = *BuildDiff(same, same, TopOrder::kFlat, 0);
  const std::string text = DiffText(view, 0, /*colour=*/false, absl::UTCTimeZone());
  const std::string table = text.substr(text.find("\n\n"));
  EXPECT_THAT(table, Not(HasSubstr("▲")));
  EXPECT_THAT(table, Not(HasSubstr("▼")));
  EXPECT_THAT(table, testing::ContainsRegex("\n +0\\.0 +100\\.0 +100\\.0"));
}

TEST(DiffViewTest, SaysWhyNothingIsMarked) {
  DiffView view = View();
  view.answer.table.total.base = {};
  EXPECT_THAT(DiffText(view, 0, false, absl::UTCTimeZone()), HasSubstr("One side has no samples"));
  view = View();
  view.answer.type = *ProfileType::Parse("memory:alloc_space:bytes:space:bytes");
  EXPECT_THAT(DiffText(view, 0, false, absl::UTCTimeZone()), HasSubstr("not of samples"));
}

TEST(DiffViewTest, JsonHasBothSides) {
  const nlohmann::json json = nlohmann::json::parse(DiffJson(View()));
  EXPECT_EQ(json["order"], "flat");
  EXPECT_EQ(json["base"]["subject"], R"({service_name="checkout"})");
  EXPECT_EQ(json["base"]["end"], json["comparison"]["start"]);
  EXPECT_EQ(json["comparison"]["quality"]["estimated_value"], 7200e9);
  EXPECT_EQ(json["rows"][0]["flat"]["comparison"]["count"], 700);
  EXPECT_EQ(json["rows"][0]["flat"]["significant"], true);
}

TEST(PeekViewTest, ShowsCallersAboveAndCalleesBelow) {
  TopView head;
  head.subject = "x";
  const PeekTable table = *BuildPeek(
      MakeProfile({{"main;parse;scan", 30}, {"main;parse", 10}, {"main", 60}}, kPeriod), "parse", 0);
  EXPECT_THAT(PeekText(table, head, 0, /*colour=*/false, absl::UTCTimeZone()),
              testing::ContainsRegex(" +400ms +100\\.0% +┌ main\n"
                                     "100ms +10\\.0% +400ms +40\\.0% +parse\n"
                                     " +300ms +75\\.0% +└ scan\n"));
}

}  // namespace
}  // namespace pilotlight::cli
