#include "exporters/folded.h"

#include <string>

#include "exporters/test_profiles.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace pilotlight {
namespace {

using ::testing::HasSubstr;

TEST(FoldedTest, StacksAreSortedLinesWithTheSamplesOfCpuTime) {
  EXPECT_EQ(WriteFolded(CpuProfile()),
            "libc.so.6+0x1234 3\n"
            "main.main;ksys_read 5\n"
            "main.main;main.Sum[go.shape.struct { A int\\u003b B int }] 10\n"
            "main.main;main.outer;main.inner 12\n");
}

TEST(FoldedTest, OtherTypesAreWrittenWithTheirValue) {
  Profile profile;
  profile.type.sample_type = "inuse_space";
  AddStack(profile, {{.function = "f"}}, 2, 2048);
  EXPECT_EQ(WriteFolded(profile), "f 2048\n");
  EXPECT_EQ(WriteFolded(profile, FoldedNumber::kCount), "f 2\n");
}

TEST(FoldedTest, StacksThatDifferInLinesOnlyAreAddedUp) {
  Profile profile;
  AddStack(profile, {{.function = "f", .line = 1}}, 2, 2);
  AddStack(profile, {{.function = "f", .line = 2}}, 3, 3);
  EXPECT_EQ(WriteFolded(profile), "f 5\n");
}

TEST(FoldedTest, SamplesWithoutFramesAreUnknown) {
  Profile profile;
  AddStack(profile, {}, 2, 2);
  AddStack(profile, {{.function = ""}}, 3, 3);
  EXPECT_EQ(WriteFolded(profile), "[unknown] 5\n");
}

TEST(FoldedTest, AnyNameSurvivesTheRoundTrip) {
  const std::string names[] = {
      "a;b",
      "a\nb 7",
      "a\r",
      " leading and trailing ",
      "\\",
      "\\u003b",
      "\\;",
      "\\\\u003b",
      "a\\",
      "12",
      "a 12",
      "größe 函数",
      "\\u",
      "\x7f",
      std::string("nul\0byte", 8),
  };
  Profile profile;
  std::vector<FrameView> stack;
  for (const std::string& name : names) stack.push_back({.function = name});
  AddStack(profile, stack, 1, 1);
  const std::string folded = WriteFolded(profile);
  const Profile read = ReadFolded(folded).value();
  ASSERT_EQ(read.samples.size(), 1u);
  const std::vector<FrameId> frames = read.trie.Stack(read.samples[0].node);
  ASSERT_EQ(frames.size(), std::size(names));
  for (size_t i = 0; i < frames.size(); ++i) EXPECT_EQ(read.trie.view(frames[i]).function, names[i]);
  EXPECT_EQ(WriteFolded(read), folded);
}

TEST(FoldedTest, ReadsWhatOtherToolsWrite) {
  const Profile profile = ReadFolded("a;b 1.6\r\n\na;b 2\na;[lib.so];c 0\na;x+0x1f 3").value();
  EXPECT_EQ(WriteFolded(profile), "a;b 4\na;x+0x1f 3\n");
  EXPECT_EQ(profile.type.ToString(), "samples:samples:count::");
  EXPECT_EQ(profile.loss.frames, 14u);
  EXPECT_EQ(profile.loss.unsymbolized_frames, 3u);
}

TEST(FoldedTest, ErrorsNameTheLine) {
  EXPECT_THAT(ReadFolded("a;b 1\nfoo\n").status().message(), HasSubstr("line 2: "));
  EXPECT_THAT(ReadFolded("a;b x\n").status().message(), HasSubstr("line 1: "));
  EXPECT_THAT(ReadFolded("a;b -1\n").status().message(), HasSubstr("not \"-1\""));
  EXPECT_FALSE(ReadFolded("a 99999999999999999999999").ok());
  EXPECT_FALSE(ReadFolded("a 4503599627370495\na 4503599627370495").ok());
}

TEST(FoldedTest, TooDeepStacksLoseTheirOutermostCallers) {
  const Profile profile = ReadFolded("a;b;c;d 2", {.max_depth = 2}).value();
  EXPECT_EQ(WriteFolded(profile), "[truncated];c;d 2\n");
  EXPECT_EQ(profile.loss.truncated_stacks, 2u);
}

TEST(FoldedTest, LimitsHold) {
  EXPECT_EQ(WriteFolded(ReadFolded("abcdef 1", {.max_name_bytes = 3}).value()), "abc 1\n");
  EXPECT_EQ(ReadFolded("a;b;c 1", {.max_nodes = 2}).status().code(), absl::StatusCode::kOutOfRange);
}

}  // namespace
}  // namespace pilotlight
