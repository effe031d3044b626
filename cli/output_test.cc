#include "cli/output.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "base/file.h"

namespace pilotlight::cli {
namespace {

TEST(FormatTest, IsGuessedFromTheSuffix) {
  EXPECT_EQ(GuessFormat("flame.svg"), ProfileFormat::kSvg);
  EXPECT_EQ(GuessFormat("a.b/C.SVG"), ProfileFormat::kSvg);
  EXPECT_EQ(GuessFormat("stacks.folded"), ProfileFormat::kFolded);
  EXPECT_EQ(GuessFormat("stacks.txt"), ProfileFormat::kFolded);
  EXPECT_EQ(GuessFormat("cpu.pb.gz"), ProfileFormat::kPprof);
  EXPECT_EQ(GuessFormat("cpu.pprof"), ProfileFormat::kPprof);
  EXPECT_EQ(GuessFormat("default.pgo"), ProfileFormat::kPprof);
  EXPECT_EQ(GuessFormat("cpu.json"), ProfileFormat::kJson);
  EXPECT_EQ(GuessFormat("cpu"), std::nullopt);
}

TEST(FormatTest, TheFlagComesBeforeTheSuffix) {
  EXPECT_EQ(*ChooseFormat("pprof", "cpu.svg", std::nullopt), ProfileFormat::kPprof);
  EXPECT_EQ(*ChooseFormat("", "cpu.svg", ProfileFormat::kFolded), ProfileFormat::kSvg);
  EXPECT_EQ(*ChooseFormat("", "", ProfileFormat::kFolded), ProfileFormat::kFolded);
  EXPECT_EQ(*ChooseFormat("", "-", ProfileFormat::kFolded), ProfileFormat::kFolded);
}

TEST(FormatTest, IsAskedForWhenNothingTells) {
  for (const char* out : {"", "cpu", "cpu.xyz"}) {
    const absl::StatusOr<ProfileFormat> format = ChooseFormat("", out, std::nullopt);
    ASSERT_TRUE(absl::IsInvalidArgument(format.status())) << out;
    EXPECT_THAT(std::string(format.status().message()), testing::HasSubstr("-o folded"));
  }
  EXPECT_TRUE(absl::IsInvalidArgument(ChooseFormat("gif", "a.svg", std::nullopt).status()));
}

TEST(WriteOutputTest, ReplacesAFileAndSparesADevice) {
  const TemporaryDirectory directory;
  const std::string path = absl::StrCat(directory.path(), "/out");
  ASSERT_TRUE(WriteOutput("a longer text", path).ok());
  ASSERT_TRUE(WriteOutput("short", path).ok());
  EXPECT_EQ(*ReadFile(path), "short");
  EXPECT_TRUE(WriteOutput("gone", "/dev/null").ok());
  EXPECT_EQ(*ReadFile("/dev/null"), "");
}

TEST(WriteOutputTest, NamesThePathThatFails) {
  const absl::Status missing = WriteOutput("x", "/no/such/directory/flame.svg");
  EXPECT_THAT(std::string(missing.message()), testing::HasSubstr("/no/such/directory/flame.svg"));
  EXPECT_FALSE(WriteOutput("x", "/dev/full").ok());
}

}  // namespace
}  // namespace pilotlight::cli
