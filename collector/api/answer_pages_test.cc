#include "collector/api/answer_pages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pilotlight::collector {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

const TimeSpan kSpan = {absl::FromUnixSeconds(1'800'000'000), absl::FromUnixSeconds(1'800'003'600)};

SeriesAnswer ThreeSeries() {
  SeriesAnswer answer;
  answer.span = kSpan;
  for (const char* pod : {"a", "b", "c"}) answer.series.push_back({.labels = {{"pod", pod}}, .points = {}});
  return answer;
}

std::vector<std::string> PodsOf(const SeriesAnswer& answer) {
  std::vector<std::string> pods;
  for (const TimeSeries& series : answer.series) pods.push_back(series.labels.at("pod"));
  return pods;
}

TEST(AnswerPagesTest, ValuesComeInPages) {
  std::vector<std::string> values = {"a", "b", "c"};
  EXPECT_EQ(*KeepPage(values, 2, ""), "b");
  EXPECT_THAT(values, ElementsAre("a", "b"));
  values = {"a", "b", "c"};
  EXPECT_EQ(*KeepPage(values, 2, "b"), "");
  EXPECT_THAT(values, ElementsAre("c"));
  EXPECT_EQ(*KeepPage(values, 1, ""), "") << "the last page is full";
}

TEST(AnswerPagesTest, ValuesThatComeAndGoMoveNoOtherOne) {
  std::vector<std::string> values = {"aa", "c", "d"};  // "a" and "b" went after the first page, "aa" came
  EXPECT_EQ(*KeepPage(values, 2, "b"), "");
  EXPECT_THAT(values, ElementsAre("c", "d"));
  EXPECT_EQ(*KeepPage(values, 2, "d"), "");
  EXPECT_THAT(values, IsEmpty());
}

TEST(AnswerPagesTest, WithoutASizeAllIsOnePage) {
  std::vector<std::string> values = {"a", "b", "c"};
  EXPECT_EQ(*KeepPage(values, 0, ""), "");
  EXPECT_THAT(values, ElementsAre("a", "b", "c"));
  SeriesAnswer answer = ThreeSeries();
  EXPECT_EQ(SeriesPage::Create(0, "")->Keep(answer), "");
  EXPECT_THAT(PodsOf(answer), ElementsAre("a", "b", "c"));
}

TEST(AnswerPagesTest, PagesOfSeriesKeepTheSpanOfTheFirst) {
  SeriesAnswer answer = ThreeSeries();
  const std::string next = SeriesPage::Create(2, "")->Keep(answer);
  EXPECT_THAT(PodsOf(answer), ElementsAre("a", "b"));
  const auto second = SeriesPage::Create(2, next);
  SelectionText text;
  second->SetSpan(text);
  EXPECT_EQ(text.start, kSpan.start);
  EXPECT_EQ(text.end, kSpan.end);
  answer = ThreeSeries();
  EXPECT_EQ(second->Keep(answer), "");
  EXPECT_THAT(PodsOf(answer), ElementsAre("c"));
}

TEST(AnswerPagesTest, TheFirstPageLeavesTheSpanToTheQuestion) {
  SelectionText text;
  SeriesPage::Create(2, "")->SetSpan(text);
  EXPECT_FALSE(text.start.has_value());
  EXPECT_FALSE(text.end.has_value());
}

TEST(AnswerPagesTest, APageBehindTheLastIsEmpty) {
  SeriesAnswer answer = ThreeSeries();
  EXPECT_EQ(SeriesPage::Create(2, "1:2:7")->Keep(answer), "");
  EXPECT_THAT(PodsOf(answer), IsEmpty());
}

TEST(AnswerPagesTest, NonsenseIsRefused) {
  std::vector<std::string> values;
  EXPECT_TRUE(absl::IsInvalidArgument(KeepPage(values, -1, "").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(SeriesPage::Create(-1, "").status()));
  for (const char* token : {"x", "1:2", "2:1:0", "1:2:x", "1:2:-1", "1:2:3:4", ":::"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(SeriesPage::Create(1, token).status())) << token;
  }
}

}  // namespace
}  // namespace pilotlight::collector
