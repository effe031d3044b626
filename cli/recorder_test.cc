#include "cli/recorder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/watched_processes.h"
#include "tests/support/fake_proc.h"
#include "tests/support/stacks.h"

namespace pilotlight::cli {
namespace {

using testing::Pair;
using testing::UnorderedElementsAre;

constexpr pid_t kSelf = 100;

class WatchedProcessesTest : public testing::Test {
 protected:
  WatchedProcessesTest() {
    proc_.Put({.pid = kSelf, .comm = "pilotlight"});
    proc_.Put({.pid = 101, .comm = "sh", .parent = kSelf});
  }

  FakeProc proc_;
  agent::ProcessTable table_{proc_.root()};
};

TEST_F(WatchedProcessesTest, TakesDescendantsOfAnyGeneration) {
  WatchedProcesses watched(WatchScope::kTree, {101}, kSelf, table_, proc_.root());
  proc_.Put({.pid = 102, .parent = 101});
  proc_.Put({.pid = 103, .parent = 102});
  watched.OnProcess(103);
  EXPECT_TRUE(watched.Contains(103));
  EXPECT_NE(table_.Find(103), nullptr);
}

TEST_F(WatchedProcessesTest, TakesOrphansThatWereAdopted) {
  WatchedProcesses watched(WatchScope::kTree, {101}, kSelf, table_, proc_.root());
  proc_.Put({.pid = 104, .parent = kSelf});
  watched.OnProcess(104);
  EXPECT_TRUE(watched.Contains(104));
}

TEST_F(WatchedProcessesTest, LeavesStrangersOut) {
  WatchedProcesses watched(WatchScope::kTree, {101}, kSelf, table_, proc_.root());
  proc_.Put({.pid = 50, .parent = 1});
  proc_.Put({.pid = 51, .parent = 50});
  watched.OnProcess(51);
  EXPECT_FALSE(watched.Contains(51));
  EXPECT_FALSE(watched.IsUnknown(51));
  EXPECT_EQ(table_.Find(51), nullptr);
}

TEST_F(WatchedProcessesTest, RemembersThatAProcessWasGoneTooSoon) {
  WatchedProcesses watched(WatchScope::kTree, {101}, kSelf, table_, proc_.root());
  watched.OnProcess(999);
  EXPECT_TRUE(watched.IsUnknown(999));
}

TEST_F(WatchedProcessesTest, KeepsToTheGivenProcessesWhenNoTreeIsAsked) {
  WatchedProcesses watched(WatchScope::kProcesses, {101}, kSelf, table_, proc_.root());
  proc_.Put({.pid = 102, .parent = 101});
  watched.OnProcess(102);
  EXPECT_FALSE(watched.Contains(102));
}

TEST_F(WatchedProcessesTest, SeesAnExecAndNewMappings) {
  WatchedProcesses watched(WatchScope::kTree, {101}, kSelf, table_, proc_.root());
  proc_.Put({.pid = 101,
             .comm = "app",
             .executable = "/opt/app",
             .maps = "1000-2000 r-xp 00000000 fd:01 9 /opt/app\n",
             .parent = kSelf});
  watched.Look();
  EXPECT_EQ(table_.Find(101)->executable, "/opt/app");
  EXPECT_NE(table_.Find(101)->maps.Find(0x1000), nullptr);
}

TEST_F(WatchedProcessesTest, KnowsWhoIsAlive) {
  WatchedProcesses watched(WatchScope::kTree, {101}, kSelf, table_, proc_.root());
  proc_.Remove(101);
  watched.Look();
  EXPECT_TRUE(watched.living().empty());
  EXPECT_TRUE(watched.Contains(101));
}

TEST(JoinExecutablesTest, LeavesOneAlone) {
  std::map<std::string, Profile> profiles;
  profiles["app"] = MakeProfile({{"main;f", 3}});
  const Profile joined = JoinExecutables(std::move(profiles));
  EXPECT_THAT(FoldedCounts(joined.trie, joined.samples), UnorderedElementsAre(Pair("main;f", 3)));
}

TEST(JoinExecutablesTest, PutsTheNameOfEachOfSeveralAtTheRoot) {
  std::map<std::string, Profile> profiles;
  profiles["make"] = MakeProfile({{"main", 1}});
  profiles["cc1"] = MakeProfile({{"main;parse", 5}, {"main", 2}});
  const Profile joined = JoinExecutables(std::move(profiles));
  EXPECT_THAT(FoldedCounts(joined.trie, joined.samples),
              UnorderedElementsAre(Pair("make;main", 1), Pair("cc1;main;parse", 5), Pair("cc1;main", 2)));
}

TEST(JoinExecutablesTest, IsEmptyWithoutAny) { EXPECT_TRUE(JoinExecutables({}).samples.empty()); }

}  // namespace
}  // namespace pilotlight::cli
