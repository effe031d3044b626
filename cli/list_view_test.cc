#include "cli/list_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/file.h"

namespace pilotlight::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr int64_t kPeriod = 10'000'000;

Sample Counted(uint64_t count) { return {0, count, static_cast<int64_t>(count) * kPeriod}; }

class ListViewTest : public testing::Test {
 protected:
  ListViewTest() {
    listing_.total = {100, 100 * kPeriod};
    listing_.all_functions = 2;
    listing_.functions = {{.function = "main.(*shop[...]).add",
                           .file = "/build/shop/main.go",
                           .kind = FrameKind::kGo,
                           .start_line = 3,
                           .flat = Counted(30),
                           .cumulative = Counted(50),
                           .lines = {{4, Counted(0), Counted(20)}, {20, Counted(30), Counted(30)}}}};
    head_.subject = "cpu.pb.gz";
  }

  ListedFunction& function() { return listing_.functions[0]; }

  void PutSource(absl::string_view line_3) {
    std::vector<std::string> lines(30);
    for (size_t i = 0; i < lines.size(); ++i) lines[i] = absl::StrCat("\tline(", i + 1, ")");
    lines[2] = std::string(line_3);
    ASSERT_TRUE(
        WriteFileDurably(absl::StrCat(directory_.path(), "/main.go"), absl::StrJoin(lines, "\n")).ok());
  }

  std::string Text() {
    return ListText(listing_, head_, SourceFiles({directory_.path()}), 0, false, absl::UTCTimeZone());
  }

  TemporaryDirectory directory_;
  Listing listing_;
  TopView head_;
};

TEST_F(ListViewTest, ShowsLinesWithTheirTextAndThoseAround) {
  PutSource("func (s *shop[T]) add(x T) T {");
  const std::string text = Text();
  EXPECT_THAT(text, HasSubstr("main.(*shop[...]).add  flat 300ms (30.0%)  cum 500ms (50.0%)\n"));
  EXPECT_THAT(text, HasSubstr("/build/shop/main.go (here "));
  EXPECT_THAT(text, HasSubstr("    .      .     3  func (s *shop[T]) add(x T) T {\n"
                              "    .  200ms     4      line(4)\n"
                              "    .      .     5      line(5)\n"));
  EXPECT_THAT(text, HasSubstr("    .      .     8      line(8)\n"
                              "                 …\n"
                              "    .      .    16      line(16)\n"));
  EXPECT_THAT(text, HasSubstr("300ms  300ms    20      line(20)\n"));
  EXPECT_THAT(text, HasSubstr("line(24)"));
  EXPECT_THAT(text, Not(HasSubstr("line(25)")));
  EXPECT_THAT(text, Not(HasSubstr("note:")));
  EXPECT_THAT(text, HasSubstr("and 1 more functions that match"));
}

TEST_F(ListViewTest, SaysWhenTheFileIsAnotherVersion) {
  PutSource("func (s *shop[T]) remove(x T) T {");
  EXPECT_THAT(Text(), HasSubstr("note: the file here is of another version\n"));
  function().function = "main.(*shop[...]).add.func1";
  EXPECT_THAT(Text(), Not(HasSubstr("note:")));
  function().moved = true;
  EXPECT_THAT(Text(), HasSubstr("note: of several versions of this file"));
}

TEST_F(ListViewTest, LosesNoLineThatTheFileDoesNotHave) {
  PutSource("func (s *shop[T]) add(x T) T {");
  function().lines.push_back({4'000'000'000, Counted(0), Counted(1)});
  EXPECT_THAT(Text(), HasSubstr("note: the file here is of another version\n"));
  EXPECT_THAT(Text(), HasSubstr("10ms  4000000000\n"));
  function().lines = {{0, Counted(0), Counted(7)}, {20, Counted(30), Counted(30)}};
  EXPECT_THAT(Text(), HasSubstr("70ms     ?  (line not known)\n"));
}

TEST_F(ListViewTest, WithoutASourceItSaysWhatToDo) {
  EXPECT_THAT(Text(), HasSubstr("note: no such file here; --source-path names"));
  EXPECT_THAT(Text(), HasSubstr("300ms  300ms    20\n"));
  function().file = "";
  EXPECT_THAT(Text(), HasSubstr("note: the profile does not name its source file\n"));
}

TEST_F(ListViewTest, HasItAllInJson) {
  const nlohmann::json json = nlohmann::json::parse(ListJson(listing_, head_));
  EXPECT_EQ(json["matches"], 2);
  const nlohmann::json& function = json["functions"][0];
  EXPECT_EQ(function["start_line"], 3);
  EXPECT_EQ(function["lines"][1]["line"], 20);
  EXPECT_EQ(function["lines"][0]["cumulative"]["value"], 20 * kPeriod);
}

}  // namespace
}  // namespace pilotlight::cli
