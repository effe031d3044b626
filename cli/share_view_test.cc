#include "cli/share_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace pilotlight::cli {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;

const absl::Time kNoon = absl::FromUnixSeconds(1'714'564'800);
const TimeSpan kSpan = {kNoon, kNoon + absl::Minutes(3)};

SeriesAnswer::OneSeries Series(const std::string& version, const std::vector<uint64_t>& samples) {
  SeriesAnswer::OneSeries series;
  series.labels = {{"version", version}};
  for (size_t i = 0; i < samples.size(); ++i) {
    series.points.push_back({kNoon + absl::Minutes(static_cast<int64_t>(i)), samples[i],
                             static_cast<int64_t>(samples[i]) * 10, static_cast<double>(samples[i]) * 60});
  }
  return series;
}

SeriesAnswer Answer(std::vector<SeriesAnswer::OneSeries> series) {
  SeriesAnswer answer;
  answer.step = absl::Minutes(1);
  answer.series = std::move(series);
  return answer;
}

TEST(SeriesShareTest, HasTheDenominatorAndTheIntervalOfEachSeries) {
  const std::string text =
      SeriesShareText(Answer({Series("1", {20, 0, 0})}), Answer({Series("1", {40, 60}), Series("2", {50})}),
                      kSpan, {"version"}, 0, 0, /*colour=*/false, absl::UTCTimeZone());
  // R: prop.test(20, 100, correct = FALSE)$conf.int
  EXPECT_THAT(text, ContainsRegex("1 +20\\.0% +13\\.3–28\\.9 +50\\.0% +0\\.0% +20 +100 "));
  // Not in the answer with the focus: none of its samples.
  EXPECT_THAT(text, ContainsRegex("2 +0\\.0% +0\\.0–7\\.1 +0\\.0% +0\\.0% +0 +50 "));
}

TEST(SeriesShareTest, ALoneSeriesHasALineForEachStep) {
  const std::string text = SeriesShareText(Answer({Series("1", {20, 60})}), Answer({Series("1", {100, 100})}),
                                           kSpan, {"version"}, 0, 0,
                                           /*colour=*/false, absl::UTCTimeZone());
  EXPECT_THAT(text, HasSubstr("{version=\"1\"}, 2024-05-01 12:00:00 to 12:03:00 UTC, steps of 1min"));
  EXPECT_THAT(text, ContainsRegex("12:00:00 +20\\.0% +13\\.3–28\\.9 +20 +100"));
  EXPECT_THAT(text, ContainsRegex("12:01:00 +60\\.0% +[0-9.–]+ +60 +100"));
}

TEST(SeriesShareTest, NeverPassesTheWholeWhenAWindowCameBetweenTheQuestions) {
  const nlohmann::json json =
      nlohmann::json::parse(SeriesShareJson(Answer({Series("1", {11})}), Answer({Series("1", {10})}), kSpan));
  EXPECT_EQ(json["series"][0]["points"][0]["share"], 1);
}

TEST(SeriesShareTest, JsonHasBothNumbersOfEachPoint) {
  const nlohmann::json json = nlohmann::json::parse(
      SeriesShareJson(Answer({Series("1", {20})}), Answer({Series("1", {100, 50})}), kSpan));
  const nlohmann::json& points = json["series"][0]["points"];
  ASSERT_EQ(points.size(), 2u);
  EXPECT_EQ(points[0]["part"]["samples"], 20);
  EXPECT_EQ(points[0]["whole"]["value"], 1000);
  EXPECT_EQ(points[0]["share"], 0.2);
  EXPECT_NEAR(points[0]["share_interval"][1].get<double>(), 0.2888292, 1e-6);
  EXPECT_EQ(points[1]["share"], 0);
  EXPECT_EQ(points[1]["start"], "2024-05-01T12:01:00+00:00");
}

}  // namespace
}  // namespace pilotlight::cli
