#include "base/file.h"

#include <gtest/gtest.h>

#include <filesystem>

namespace pilotlight {
namespace {

TEST(FileTest, ReadsBackWhatWasWrittenDurably) {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/a";
  ASSERT_TRUE(WriteFileDurably(path, "one").ok());
  ASSERT_TRUE(WriteFileDurably(path, "two").ok());
  EXPECT_EQ(*ReadFile(path), "two");
  EXPECT_FALSE(std::filesystem::exists(path + ".new"));
}

TEST(FileTest, NamesTheMissingFile) {
  const absl::Status status = ReadFile("/nonexistent/x").status();
  EXPECT_TRUE(absl::IsNotFound(status));
  EXPECT_NE(status.message().find("/nonexistent/x"), std::string::npos);
}

TEST(FileTest, RefusesMoreThanTheLimit) {
  EXPECT_TRUE(absl::IsOutOfRange(ReadFile("/dev/zero", 1000).status()));
}

TEST(FileTest, ReadsProcFilesOfUnknownSize) { EXPECT_FALSE(ReadFile("/proc/self/maps")->empty()); }

}  // namespace
}  // namespace pilotlight
