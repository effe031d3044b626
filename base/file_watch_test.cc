#include "base/file_watch.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "base/file.h"

namespace pilotlight {
namespace {

class FileWatchTest : public testing::Test {
 protected:
  std::string Path(const std::string& name) const { return directory_.path() + "/" + name; }
  void Write(const std::string& name, const std::string& text) const { std::ofstream(Path(name)) << text; }
  const TemporaryDirectory directory_;
};

TEST_F(FileWatchTest, IsQuietWhileNothingHappens) {
  Write("a", "1");
  FileWatch watch({Path("a"), Path("none")});
  EXPECT_FALSE(watch.Changed());
}

TEST_F(FileWatchTest, SaysOnceThatAFileWasWritten) {
  Write("a", "1");
  FileWatch watch({Path("a")});
  Write("a", "22");
  EXPECT_TRUE(watch.Changed());
  EXPECT_FALSE(watch.Changed());
}

TEST_F(FileWatchTest, SeesFilesComeAndGo) {
  FileWatch watch({Path("a")});
  Write("a", "1");
  EXPECT_TRUE(watch.Changed());
  std::filesystem::remove(Path("a"));
  EXPECT_TRUE(watch.Changed());
}

// As the kubelet renews a secret.
TEST_F(FileWatchTest, FollowsALinkThatMoves) {
  for (const std::string version : {"v1", "v2"}) {
    std::filesystem::create_directory(Path(version));
    Write(version + "/a", "same");
  }
  std::filesystem::create_directory_symlink("v1", Path("data"));
  FileWatch watch({Path("data/a")});
  std::filesystem::create_directory_symlink("v2", Path("data.new"));
  std::filesystem::rename(Path("data.new"), Path("data"));
  EXPECT_TRUE(watch.Changed());
}

}  // namespace
}  // namespace pilotlight
