#include "agent/symbolize/perf_map.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "agent/symbolize/perf_map_cache.h"
#include "tests/support/fake_proc.h"

namespace pilotlight::agent {
namespace {

TEST(PerfMapTest, FindsTheFunctionOfAnAddress) {
  PerfMap map;
  EXPECT_EQ(map.Append("1000 40 first\n2000 10 java.lang.String::hashCode() with spaces\n"), 63u);
  EXPECT_EQ(map.Find(0xfff), "");
  EXPECT_EQ(map.Find(0x1000), "first");
  EXPECT_EQ(map.Find(0x103f), "first");
  EXPECT_EQ(map.Find(0x1040), "");
  EXPECT_EQ(map.Find(0x200f), "java.lang.String::hashCode() with spaces");
}

TEST(PerfMapTest, LeavesAnUnfinishedLineForTheNextTime) {
  PerfMap map;
  EXPECT_EQ(map.Append("1000 40 first\n2000 1"), 14u);
  EXPECT_EQ(map.Find(0x2000), "");
  EXPECT_EQ(map.Append("2000 10 second\n"), 15u);
  EXPECT_EQ(map.Find(0x2000), "second");
}

TEST(PerfMapTest, TheLaterCodeOfAPlaceStands) {
  PerfMap map;
  map.Append("1000 100 old\n1000 20 new\n2000 100 outer\n2010 10 inner\n");
  EXPECT_EQ(map.Find(0x1000), "new");
  EXPECT_EQ(map.Find(0x1050), "");
  EXPECT_EQ(map.Find(0x2005), "outer");
  EXPECT_EQ(map.Find(0x2015), "inner");
  EXPECT_EQ(map.Find(0x2030), "outer");
}

TEST(PerfMapTest, CountsLinesThatAreNone) {
  PerfMap map;
  map.Append("nonsense\n\n1000\n1000 10\n1000 0 empty\nffffffffffffffff 10 beyond\n0x3000 0x10 prefixed\n");
  EXPECT_EQ(map.broken_lines(), 6u);
  EXPECT_EQ(map.size(), 1u);
  EXPECT_EQ(map.Find(0x3008), "prefixed");
}

class PerfMapCacheTest : public testing::Test {
 protected:
  // The process sees `root_` as its root, and has the number 7 in its own pid namespace.
  PerfMapCacheTest() {
    proc_.Put({.pid = 10});
    std::filesystem::create_directories(root() + "/tmp");
    std::filesystem::create_directory_symlink(root(), proc_.root() + "/10/root");
    std::ofstream(proc_.root() + "/10/status")
        << absl::StrCat("Name:\tapp\nNSpid:\t10\t7\nUid:\t0\t", ::getuid(), "\t0\t0\n");
  }
  std::string root() const { return proc_.root() + "/root-of-10"; }
  std::string path() const { return root() + "/tmp/perf-7.map"; }
  void Write(const std::string& text) { std::ofstream(path(), std::ios::app) << text; }

  FakeProc proc_;
  Process process_{.pid = 10, .start_ticks = 1000};
};

TEST_F(PerfMapCacheTest, ReadsWhatWasAddedInTheNextWindow) {
  PerfMapCache cache({}, proc_.root());
  EXPECT_EQ(cache.Find(process_, 0x1000), "");
  cache.EndWindow();
  Write("1000 10 first\n");
  EXPECT_EQ(cache.Find(process_, 0x1000), "first");
  Write("2000 10 second\n");
  EXPECT_EQ(cache.Find(process_, 0x2000), "");
  cache.EndWindow();
  EXPECT_EQ(cache.Find(process_, 0x2000), "second");
  EXPECT_EQ(cache.Find(process_, 0x1000), "first");
  EXPECT_GT(cache.byte_size(), 0u);
  cache.EndWindow();
  cache.EndWindow();
  EXPECT_EQ(cache.byte_size(), 0u);
}

TEST_F(PerfMapCacheTest, StaysWithinItsLimits) {
  Write("1000 10 first\n2000 10 second\n");
  PerfMapCache cache({.file_bytes = 20}, proc_.root());
  EXPECT_EQ(cache.Find(process_, 0x1000), "first");
  EXPECT_EQ(cache.Find(process_, 0x2000), "");
  SymbolizerStats stats;
  cache.AddTo(stats);
  EXPECT_EQ(stats.perf_maps_cut_off, 1u);
}

TEST_F(PerfMapCacheTest, TakesNoPipeAndNothingOutsideOfTheRoot) {
  ASSERT_EQ(::mkfifo(path().c_str(), 0600), 0);
  EXPECT_FALSE(HasPerfMap(process_, proc_.root()));
  std::filesystem::remove(path());
  std::ofstream(proc_.root() + "/secret") << "1000 10 secret\n";
  std::filesystem::create_symlink("../../secret", path());
  EXPECT_FALSE(HasPerfMap(process_, proc_.root()));
  std::filesystem::remove(path());
  Write("1000 10 own\n");
  EXPECT_TRUE(HasPerfMap(process_, proc_.root()));
}

TEST_F(PerfMapCacheTest, TakesNoFileOfAnotherUser) {
  Write("1000 10 planted\n");
  if (::chown(path().c_str(), 12345, 12345) != 0) GTEST_SKIP() << "needs root";
  EXPECT_FALSE(HasPerfMap(process_, proc_.root()));
}

}  // namespace
}  // namespace pilotlight::agent
