#include "profile/blockers.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

namespace pilotlight {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class BlockersTest : public testing::Test {
 protected:
  void Add(const std::vector<std::string>& stack, uint64_t count) {
    NodeId node = StackTrie::kRoot;
    for (const std::string& function : stack) {
      node = profile_.trie.Child(
          node, profile_.trie.InternFrame(FrameView{.function = function, .kind = FrameKind::kGo}));
    }
    profile_.samples.push_back({node, count, static_cast<int64_t>(count) * 10});
  }
  std::vector<std::string> Lines(size_t limit = 0) {
    std::vector<std::string> lines;
    for (const BlockerRow& row : BuildBlockers(profile_, limit).rows) {
      lines.push_back(row.function + " " + row.wait + " " + std::to_string(row.mcall.count));
    }
    return lines;
  }

  Profile profile_;
};

TEST_F(BlockersTest, NamesTheNearestCallerOutsideOfTheRuntime) {
  Add({"runtime.goexit", "main.worker", "runtime.chanrecv1", "runtime.chanrecv", "runtime.gopark",
       "runtime.mcall", "runtime.park_m"},
      3);
  Add({"runtime.goexit", "main.worker", "runtime.chanrecv1", "runtime.chanrecv", "runtime.gopark",
       "runtime.mcall"},
      1);
  Add({"runtime.goexit", "main.worker", "sync.(*Mutex).Lock", "internal/sync.(*Mutex).lockSlow",
       "runtime.mcall"},
      2);
  Add({"runtime.goexit", "net/http.(*conn).serve", "net.(*conn).Read", "internal/poll.(*FD).Read",
       "runtime.gopark", "runtime.mcall"},
      9);
  EXPECT_THAT(Lines(), ElementsAre("net.(*conn).Read internal/poll.(*FD).Read 9",
                                   "main.worker runtime.chanrecv1 4", "main.worker sync.(*Mutex).Lock 2"));
}

TEST_F(BlockersTest, CountsWhatHasNoCallerApart) {
  Add({"runtime.mcall", "runtime.park_m"}, 5);
  Add({"main.worker", "runtime.mcall"}, 15);
  Add({"main.worker"}, 80);
  const BlockerTable table = BuildBlockers(profile_, 0);
  EXPECT_EQ(table.total.count, 100u);
  EXPECT_EQ(table.mcall.count, 20u);
  EXPECT_EQ(table.joined.count, 15u);
  ASSERT_THAT(table.rows, SizeIs(1));
  EXPECT_EQ(table.rows[0].wait, "runtime.mcall");
  EXPECT_LT(table.rows[0].share.lower, 0.75);
  EXPECT_GT(table.rows[0].share.upper, 0.75);
}

TEST_F(BlockersTest, StaysInTheRuntimeWhenNobodyElseIsThere) {
  Add({"runtime.goexit", "runtime.bgsweep", "runtime.goschedIfBusy", "runtime.mcall"}, 1);
  EXPECT_THAT(Lines(), ElementsAre("runtime.bgsweep runtime.goschedIfBusy 1"));
}

TEST_F(BlockersTest, CutsAtTheLimitAndSaysHowManyThereAre) {
  Add({"main.a", "runtime.mcall"}, 1);
  Add({"main.b", "runtime.mcall"}, 2);
  EXPECT_THAT(Lines(1), ElementsAre("main.b runtime.mcall 2"));
  EXPECT_EQ(BuildBlockers(profile_, 1).all_rows, 2u);
}

TEST_F(BlockersTest, IsEmptyWithoutMcall) {
  Add({"main.a"}, 1);
  EXPECT_THAT(Lines(), IsEmpty());
}

TEST(GoPackageTest, IsWhatStandsBeforeTheFunction) {
  EXPECT_EQ(GoPackage("main.main"), "main");
  EXPECT_EQ(GoPackage("net/http.(*conn).serve"), "net/http");
  EXPECT_EQ(GoPackage("example.com/a/b.F[go.shape.struct { x/y.T }]"), "example.com/a/b");
  EXPECT_EQ(GoPackage("memmove"), "");
}

}  // namespace
}  // namespace pilotlight
