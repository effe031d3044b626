#include "exporters/svg.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "exporters/folded.h"
#include "exporters/test_profiles.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace pilotlight {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

std::string FromFolded(absl::string_view folded, const SvgOptions& options = {.unit = "count"}) {
  return WriteSvg(BuildFlameGraph(ReadFolded(folded).value()), options);
}

size_t Count(absl::string_view text, absl::string_view part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != absl::string_view::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

TEST(SvgTest, ATooltipHasNameValueShareIntervalAndSamples) {
  const std::string svg = WriteSvg(BuildFlameGraph(CpuProfile()), {.title = "T", .subtitle = "checkout"});
  EXPECT_THAT(svg, HasSubstr("<title>main.inner\n120ms   40% (24.6–57.7%)   12 samples</title>"));
  EXPECT_THAT(svg, HasSubstr(">checkout · 300ms in 30 samples<"));
}

TEST(SvgTest, SiblingsAreInTheOrderOfTheirNamesAndOtherIsLast) {
  Profile profile;
  AddStack(profile, {{.function = "other", .kind = FrameKind::kSynthetic}}, 2, 2);
  AddStack(profile, {{.function = "b"}}, 1, 1);
  AddStack(profile, {{.function = "z"}}, 1, 1);
  const std::string svg = WriteSvg(BuildFlameGraph(profile));
  EXPECT_THAT(svg, ContainsRegex("x=\"0.0000%\" width=\"25.0000%\"><title>b\n"));
  EXPECT_THAT(svg, ContainsRegex("x=\"25.0000%\" width=\"25.0000%\"><title>z\n"));
  EXPECT_THAT(svg, ContainsRegex("x=\"50.0000%\" width=\"50.0000%\"><title>other\n"));
}

TEST(SvgTest, SpecialCharactersOfNamesAreEscapedEverywhere) {
  const std::string svg = FromFolded("<a>&\"' 1\n", {.title = "<T>", .subtitle = "&", .unit = "count"});
  EXPECT_THAT(svg, HasSubstr("<title>&lt;a&gt;&amp;&quot;&#39;\n"));
  EXPECT_THAT(svg, HasSubstr("<title>&lt;T&gt;</title>"));
  EXPECT_THAT(svg, Not(HasSubstr("<a>")));
}

TEST(SvgTest, ControlCharactersAndIllFormedTextAreReplaced) {
  Profile profile;
  AddStack(profile, {{.function = absl::string_view("a\n\0\xFF\xEF\xBF\xBF", 7)}}, 1, 1);
  EXPECT_THAT(WriteSvg(BuildFlameGraph(profile)), HasSubstr("<title>a␊␀��\n"));
}

TEST(SvgTest, LabelsAreCutAtCodePoints) {
  // 2 % of 1180 pixels hold two columns, 4 % five: "函数…".
  const std::string svg = FromFolded("函数函数函数 4\nx 94\nyyyyyyyyyy 2\n");
  EXPECT_THAT(svg, HasSubstr("<text x=\"4\" y=\"13\">函数…</text>"));
  EXPECT_THAT(svg, Not(HasSubstr("y=\"13\">yy")));
}

TEST(SvgTest, TooNarrowBarsAreCountedWithAllAboveThem) {
  const std::string svg = FromFolded("a 100000\nb;c 1\nb;d 1\n");
  EXPECT_THAT(svg, HasSubstr("3 bars under 0.1 px not drawn"));
  EXPECT_EQ(Count(svg, "<rect width=\"100%\" height=\"18\""), 2u);  // the root and a
}

TEST(SvgTest, TheSameNameHasTheSameColourInEveryGraph) {
  const auto style_of = [](const std::string& svg, absl::string_view name) {
    const size_t title = svg.find(absl::StrCat("<title>", name, "\n"));
    return svg.substr(svg.rfind("class=", title), 10);
  };
  EXPECT_EQ(style_of(FromFolded("a;main 5\n"), "main"), style_of(FromFolded("b;main;c 7\nx 1\n"), "main"));
}

TEST(SvgTest, KindsHaveTheirOwnColoursAndAreExplained) {
  Profile profile;
  AddStack(profile, {GoFrame("main.main", 1), GoFrame("runtime.mallocgc", 2)}, 1, 1);
  AddStack(profile, {{.function = "read", .kind = FrameKind::kKernel}}, 1, 1);
  const std::string svg = WriteSvg(BuildFlameGraph(profile));
  EXPECT_THAT(svg, HasSubstr(">Go</text>"));
  EXPECT_THAT(svg, HasSubstr(">Go runtime</text>"));
  EXPECT_THAT(svg, HasSubstr(">kernel</text>"));
  EXPECT_THAT(svg, Not(HasSubstr(">native</text>")));
}

TEST(SvgTest, TheRootOfAFlameIsAtTheBottom) {
  const std::string icicle = FromFolded("a;b 1\n");
  const std::string flame = FromFolded("a;b 1\n", {.unit = "count", .layout = SvgLayout::kFlame});
  EXPECT_LT(icicle.find("<title>total\n"), icicle.find("<title>b\n"));
  EXPECT_GT(flame.find("<title>total\n"), flame.find("<title>b\n"));
}

TEST(SvgTest, AnEmptyProfileSaysSo) {
  EXPECT_THAT(WriteSvg(BuildFlameGraph(Profile{})), HasSubstr("There are no samples."));
}

TEST(SvgTest, NegativeValuesOfDifferencesTakeNoRoom) {
  Profile profile;
  AddStack(profile, {{.function = "a"}}, 0, -5);
  AddStack(profile, {{.function = "b"}}, 8, 8);
  const std::string svg = WriteSvg(BuildFlameGraph(profile));
  EXPECT_THAT(svg, Not(HasSubstr("<title>a\n")));
  EXPECT_THAT(svg, HasSubstr("width=\"100.0000%\"><title>b\n"));
}

}  // namespace
}  // namespace pilotlight
