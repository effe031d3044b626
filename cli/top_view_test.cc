#include "cli/top_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "absl/strings/str_split.h"
#include "cli/series_view.h"
#include "cli/text_width.h"

namespace pilotlight::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr int64_t kPeriod = 10'000'000;

Sample Counted(uint64_t count) { return {0, count, static_cast<int64_t>(count) * kPeriod}; }

TopView View() {
  TopView view;
  view.subject = R"({service_name="checkout"})";
  view.span = {absl::FromUnixSeconds(1'714'564'800), absl::FromUnixSeconds(1'714'568'400)};
  TopTable& table = view.answer.table;
  table.total = {1000, 1000 * kPeriod};
  table.all_rows = 12;
  for (const auto& [name, flat, cumulative] :
       {std::tuple(
            "github.com/company/product/internal/storage.(*Writer[go.shape.struct { A int; B int }]).Flush",
            600, 700),
        std::tuple("main.関数", 400, 1000)}) {
    TopRow row;
    row.function = name;
    row.flat = Counted(static_cast<uint64_t>(flat));
    row.cumulative = Counted(static_cast<uint64_t>(cumulative));
    row.flat_share = WilsonInterval(row.flat.count, 1000);
    row.cumulative_share = WilsonInterval(row.cumulative.count, 1000);
    table.rows.push_back(row);
  }
  Quality& quality = view.answer.quality;
  quality.windows = 60;
  quality.watched = absl::Minutes(10);
  quality.covered = absl::Minutes(30);
  quality.samples = 1000;
  quality.value = 1000 * kPeriod;
  quality.estimated_value = 6000.0 * kPeriod;
  quality.loss = {.lost_samples = 3, .truncated_stacks = 10, .frames = 20000, .unsymbolized_frames = 200};
  return view;
}

TEST(TopTextTest, SaysWhatWasSeenAndHowGoodItIs) {
  const std::string text = TopText(View(), 0, false, absl::UTCTimeZone());
  for (const char* part :
       {R"(CPU time of {service_name="checkout"})", "2024-05-01 12:00:00 to 13:00:00 UTC", "1,000 samples",
        "10s CPU", "about 1min in the span", "0.03 cores", "60 windows of 10s", "frames named 99%",
        "whole stacks 99%", "lost samples 3", "10 more functions"}) {
    EXPECT_THAT(text, HasSubstr(part));
  }
}

TEST(TopTextTest, GivesEachShareItsInterval) {
  const std::string text = TopText(View(), 0, false, absl::UTCTimeZone());
  EXPECT_THAT(text, HasSubstr("60.0%  56.9–63.0"));
  EXPECT_THAT(text, HasSubstr("70.0%   67.1–72.8"));
}

TEST(TopTextTest, KeepsNamesWholeWhereNoTerminalLimitsThem) {
  EXPECT_THAT(TopText(View(), 0, false, absl::UTCTimeZone()),
              HasSubstr("github.com/company/product/internal/storage.(*Writer[go.shape.struct { A int; B int "
                        "}]).Flush\n"));
}

TEST(TopTextTest, FitsTerminalsOfAnyUsualWidth) {
  for (const size_t width : {60u, 80u, 110u, 200u}) {
    for (const std::string& line :
         std::vector<std::string>(absl::StrSplit(TopText(View(), width, false, absl::UTCTimeZone()), '\n'))) {
      if (line.find("CPU time of") == 0) continue;  // the subject wraps as the terminal likes
      EXPECT_LE(DisplayWidth(line), width) << line;
    }
  }
}

TEST(TopTextTest, ShowsTheIntervalOfTheOrderWhereRoomIsScarce) {
  TopView view = View();
  EXPECT_THAT(TopText(view, 80, false, absl::UTCTimeZone()), HasSubstr("56.9–63.0"));
  EXPECT_THAT(TopText(view, 80, false, absl::UTCTimeZone()), Not(HasSubstr("67.1–72.8")));
  view.order = TopOrder::kCumulative;
  EXPECT_THAT(TopText(view, 80, false, absl::UTCTimeZone()), HasSubstr("67.1–72.8"));
}

TEST(TopJsonTest, HasRowsQualityAndSpan) {
  const nlohmann::json json = nlohmann::json::parse(TopJson(View()));
  EXPECT_EQ(json["rows"].size(), 2u);
  EXPECT_EQ(json["rows"][1]["function"], "main.関数");
  EXPECT_EQ(json["quality"]["windows"], 60);
  EXPECT_EQ(json["quality"]["covered_seconds"], 1800);
  EXPECT_EQ(json["quality"]["lost_samples"], 3);
  EXPECT_EQ(json["start"], "2024-05-01T12:00:00+00:00");
  EXPECT_EQ(json["order"], "flat");
}

SeriesAnswer Answer() {
  SeriesAnswer answer;
  answer.step = absl::Minutes(1);
  const absl::Time start = absl::FromUnixSeconds(1'714'564'800);
  answer.series.push_back(
      {{{"service_name", "checkout"}},
       {{start, 600, 6'000'000'000, 36e9}, {start + absl::Minutes(2), 300, 3'000'000'000, 18e9}}});
  return answer;
}

const TimeSpan kThreeMinutes = {absl::FromUnixSeconds(1'714'564'800), absl::FromUnixSeconds(1'714'564'980)};

TEST(SeriesTextTest, ShowsCoresOfEachStepOfALoneSeries) {
  const std::string text = SeriesText(Answer(), kThreeMinutes, {}, 20, 0, false, absl::UTCTimeZone());
  EXPECT_THAT(text, HasSubstr("12:00:00      600       6s  0.600"));
  EXPECT_THAT(text, HasSubstr("12:02:00      300       3s  0.300"));
}

TEST(SeriesTextTest, ShowsOneLineForEachOfSeveral) {
  SeriesAnswer answer = Answer();
  answer.series.push_back({{}, {{kThreeMinutes.start, 10, 100'000'000, 6e8}}});
  const std::string text =
      SeriesText(answer, kThreeMinutes, {"service_name"}, 20, 0, false, absl::UTCTimeZone());
  // 36 s and 18 s of CPU time in two minutes; the middle one was not watched.
  EXPECT_THAT(text, HasSubstr("checkout      0.450    0.600  0.300      900  █ ▅"));
  EXPECT_THAT(text, HasSubstr("(none)"));
}

TEST(SeriesTextTest, SaysHowManySeriesItLeavesOut) {
  SeriesAnswer answer = Answer();
  for (int i = 0; i < 3; ++i) answer.series.push_back(answer.series.front());
  const std::string text =
      SeriesText(answer, kThreeMinutes, {"service_name"}, 3, 0, false, absl::UTCTimeZone());
  EXPECT_THAT(text, HasSubstr("and 1 more series; -n 0 shows all"));
}

TEST(SeriesJsonTest, HasEveryPoint) {
  const nlohmann::json json = nlohmann::json::parse(SeriesJson(Answer(), kThreeMinutes));
  EXPECT_EQ(json["step_seconds"], 60);
  EXPECT_EQ(json["series"][0]["labels"]["service_name"], "checkout");
  EXPECT_EQ(json["series"][0]["points"][1]["samples"], 300);
  EXPECT_EQ(json["series"][0]["points"][1]["start"], "2024-05-01T12:02:00+00:00");
}

}  // namespace
}  // namespace pilotlight::cli
