#include "cli/flame_layout.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "exporters/folded.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "re2/re2.h"

namespace pilotlight::cli {
namespace {

using ::testing::ElementsAre;

class FlameLayoutTest : public testing::Test {
 protected:
  // "main@0+75 gc@75+25" for each row.
  std::vector<std::string> Rows() const {
    std::vector<std::string> rows;
    for (const std::vector<FlameBox>& row : layout_.rows()) {
      std::string text;
      for (const FlameBox& box : row) {
        absl::StrAppend(&text, text.empty() ? "" : " ", Name(box.node), "@", box.column, "+", box.width);
      }
      rows.push_back(text);
    }
    return rows;
  }
  std::string Name(uint32_t node) const { return graph_.names[graph_.nodes[node].name]; }
  std::string Selected() const { return Name(layout_.selected()); }

  const FlameGraph graph_ = BuildFlameGraph(ReadFolded("a;b 30\na;c;d 40\na;c;e 1\nf 20\nf;b 9\n").value());
  FlameLayout layout_{graph_};
};

TEST_F(FlameLayoutTest, BoxesHaveTheirShareOfColumns) {
  layout_.SetWidth(100);
  EXPECT_THAT(Rows(), ElementsAre("total@0+100", "a@0+71 f@71+29", "c@0+41 b@41+30 b@71+9", "d@0+40 e@40+1"));
}

TEST_F(FlameLayoutTest, WhatHasNoColumnIsNotThere) {
  layout_.SetWidth(10);
  EXPECT_THAT(Rows(), ElementsAre("total@0+10", "a@0+7 f@7+3", "c@0+4 b@4+3 b@7+1", "d@0+4"));
  layout_.SetWidth(1);
  EXPECT_THAT(Rows(), ElementsAre("total@0+1", "a@0+1", "b@0+1"));
}

TEST_F(FlameLayoutTest, AZoomedNodeHasTheWholeWidth) {
  layout_.SetWidth(10);
  layout_.SelectCallee();
  layout_.SelectCallee();
  ASSERT_EQ(Selected(), "c");
  layout_.Zoom(layout_.selected());
  EXPECT_THAT(Rows(), ElementsAre("total@0+10", "a@0+10", "c@0+10", "d@0+10"));
  layout_.SetWidth(82);
  EXPECT_THAT(Rows(), ElementsAre("total@0+82", "a@0+82", "c@0+82", "d@0+80 e@80+2"));
}

TEST_F(FlameLayoutTest, TheSelectionMovesAmongBoxes) {
  layout_.SetWidth(100);
  EXPECT_EQ(Selected(), "total");
  layout_.SelectCaller();
  EXPECT_EQ(Selected(), "total");
  layout_.SelectCallee();
  EXPECT_EQ(Selected(), "a");
  layout_.SelectBeside(-1);
  EXPECT_EQ(Selected(), "a");
  layout_.SelectBeside(1);
  EXPECT_EQ(Selected(), "f");
  layout_.SelectCallee();
  EXPECT_EQ(Selected(), "b");
  layout_.SelectCallee();  // has none
  EXPECT_EQ(Selected(), "b");
  layout_.SelectBeside(-1);
  EXPECT_EQ(Selected(), "b");
  EXPECT_EQ(Name(graph_.nodes[layout_.selected()].parent), "a");
  layout_.SelectAt(3, 40);
  EXPECT_EQ(Selected(), "e");
  layout_.SelectAt(3, 90);  // nothing is there
  layout_.SelectAt(9, 0);
  EXPECT_EQ(Selected(), "e");
}

TEST_F(FlameLayoutTest, CalleesOfWhatIsAboveTheZoomLeadBackToIt) {
  layout_.SetWidth(100);
  layout_.SelectAt(2, 5);
  layout_.Zoom(layout_.selected());
  layout_.SelectCaller();
  layout_.SelectCaller();
  ASSERT_EQ(Selected(), "total");
  layout_.SelectCallee();
  layout_.SelectCallee();
  EXPECT_EQ(Selected(), "c");
}

TEST_F(FlameLayoutTest, MarksAreCountedOnceInAStackAndVisitedByTheirSize) {
  layout_.SetWidth(10);
  const RE2 expression("^[abe]$");
  layout_.Mark(&expression);
  EXPECT_EQ(layout_.marked_count(), 4u);
  EXPECT_EQ(layout_.marked_total().value, 71 + 9);
  std::vector<std::string> visited;
  for (int i = 0; i < 4; ++i) {
    layout_.SelectMarked(1);
    visited.push_back(Selected());
  }
  EXPECT_THAT(visited, ElementsAre("a", "b", "b", "e"));
  // It had no column.
  EXPECT_EQ(layout_.zoomed(), layout_.selected());
  layout_.SelectMarked(1);
  EXPECT_EQ(Selected(), "a");
  layout_.SelectMarked(-1);
  EXPECT_EQ(Selected(), "e");
  layout_.Mark(nullptr);
  EXPECT_EQ(layout_.marked_count(), 0u);
  layout_.SelectMarked(1);
  EXPECT_EQ(Selected(), "e");
}

TEST(EmptyFlameLayoutTest, HasTheRootAlone) {
  const FlameGraph graph = BuildFlameGraph(Profile());
  FlameLayout layout(graph);
  layout.SetWidth(80);
  EXPECT_EQ(layout.rows().size(), 1u);
  layout.SelectCallee();
  layout.SelectBeside(1);
  EXPECT_EQ(layout.selected(), 0u);
}

}  // namespace
}  // namespace pilotlight::cli
