#include "cli/table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_split.h"
#include "cli/sparkline.h"
#include "cli/text_width.h"

namespace pilotlight::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

std::vector<std::string> Lines(const std::string& text) {
  return absl::StrSplit(text, '\n', absl::SkipEmpty());
}

TEST(TextWidthTest, CountsColumnsAndNotBytes) {
  EXPECT_EQ(DisplayWidth("main"), 4u);
  EXPECT_EQ(DisplayWidth("größe"), 5u);
  EXPECT_EQ(DisplayWidth("関数"), 4u);
  EXPECT_EQ(DisplayWidth("e\u0301"), 1u);  // a combining accent
}

TEST(TextWidthTest, KeepsBothEndsOfANameThatIsTooLong) {
  EXPECT_EQ(CutMiddle("net/http.(*conn).serve", 22), "net/http.(*conn).serve");
  EXPECT_EQ(CutMiddle("net/http.(*conn).serve", 11), "net/h…serve");
  EXPECT_EQ(CutMiddle("abcdef", 1), "…");
}

TEST(TextWidthTest, NeverCutsThroughAWideCharacter) {
  const std::string name = "関数関数関数関数";
  for (size_t width = 1; width < 16; ++width) {
    const std::string cut = CutMiddle(name, width);
    EXPECT_LE(DisplayWidth(cut), width);
    EXPECT_THAT(cut, Not(HasSubstr("\uFFFD"))) << width;
  }
}

TEST(TableTest, AlignsColumnsOfWideNames) {
  Table table({{"name"}, {"n", Align::kRight}});
  table.AddRow({{"関数"}, {"7"}});
  table.AddRow({{"main"}, {"1,234"}});
  EXPECT_THAT(Lines(table.Render(0, false)), ElementsAre("name      n", "関数      7", "main  1,234"));
}

TEST(TableTest, LeavesNoSpacesAtLineEnds) {
  Table table({{"a"}, {""}});
  table.AddRow({{"x"}, {"longer"}});
  table.AddRow({{"y"}, {""}});
  EXPECT_THAT(Lines(table.Render(0, false)), ElementsAre("a", "x  longer", "y"));
}

TEST(TableTest, ShrinksOnlyTheColumnThatMay) {
  Table table({{"share", Align::kRight}, {"function", Align::kLeft, /*shrinks=*/true}});
  table.AddRow({{"12.3%"}, {"github.com/company/product/internal/storage.(*Writer).Flush"}});
  const std::vector<std::string> lines = Lines(table.Render(40, false));
  EXPECT_EQ(DisplayWidth(lines[1]), 40u);
  EXPECT_THAT(lines[1], HasSubstr("12.3%  github.com"));
  EXPECT_THAT(lines[1], HasSubstr("Flush"));
  EXPECT_THAT(table.Render(0, false),
              HasSubstr("github.com/company/product/internal/storage.(*Writer).Flush"));
}

TEST(TableTest, LetsNoNameCommandTheTerminal) {
  Table table({{"function"}});
  table.AddRow({{"evil\x1b[2J\nname\xff"}});
  const std::string text = table.Render(0, false);
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
  EXPECT_THAT(Lines(text), ElementsAre("function", "evil\u241b[2J\u240aname\uFFFD"));
}

TEST(TableTest, ColoursOnlyWhenAsked) {
  Table table({{"a"}});
  table.AddRow({{"x", Style::kBold}});
  EXPECT_THAT(table.Render(0, true), HasSubstr("\x1b[1mx\x1b[0m"));
  EXPECT_THAT(table.Render(0, false), Not(HasSubstr("\x1b")));
}

TEST(SparklineTest, DrawsTheLargestFullAndTheMissingEmpty) {
  EXPECT_EQ(Sparkline({0, 1, std::nullopt, 7}, 10), "▁▂ █");
  EXPECT_EQ(Sparkline({0, 0}, 10), "▁▁");
  EXPECT_EQ(Sparkline({}, 10), "");
}

TEST(SparklineTest, AveragesWhatHasNoRoom) { EXPECT_EQ(Sparkline({0, 0, 4, 4}, 2), "▁█"); }

TEST(BarTest, IsAsLongAsItsShare) {
  EXPECT_EQ(Bar(0, 4), "");
  EXPECT_EQ(Bar(0.5, 4), "██");
  EXPECT_EQ(Bar(0.625, 4), "██▌");
  EXPECT_EQ(Bar(1, 4), "████");
  EXPECT_EQ(Bar(1.5, 4), "████");
}

}  // namespace
}  // namespace pilotlight::cli
