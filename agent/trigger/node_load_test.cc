#include "agent/trigger/node_load.h"

#include <gtest/gtest.h>

#include <string>

namespace pilotlight::agent {
namespace {

TEST(NodeLoadTest, ReadsStat) {
  const absl::StatusOr<NodeLoad> load = ParseStat(
      "cpu  100 20 30 4000 500 6 7 80 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\nintr 5 0 0\nctxt 9\nprocesses 7\n"
      "procs_running 3\nprocs_blocked 1\n",
      /*ticks_per_second=*/100);
  ASSERT_TRUE(load.ok()) << load.status();
  EXPECT_EQ(load->busy, absl::Milliseconds(1630));
  EXPECT_EQ(load->running, 3u);
  EXPECT_FALSE(load->waited.has_value());
}

TEST(NodeLoadTest, RefusesWhatIsNoStat) {
  EXPECT_FALSE(ParseStat("", 100).ok());
  EXPECT_FALSE(ParseStat("cpu  1 2\nprocs_running 1\n", 100).ok());
  EXPECT_FALSE(ParseStat("cpu  1 2 3 4 5 6 7 8 9 10\n", 100).ok());
  EXPECT_FALSE(ParseStat("cpu  1 2 3 4 5 6 7 8 9 10\nprocs_running many\n", 100).ok());
}

TEST(NodeLoadTest, ReadsSchedstat) {
  const absl::StatusOr<absl::Duration> waited = ParseSchedstat(
      "version 15\ntimestamp 4295\ncpu0 0 0 0 0 0 0 700 1000 5\ndomain0 3 0 0 0\ncpu1 0 0 0 0 0 0 800 2000 "
      "6\n");
  ASSERT_TRUE(waited.ok()) << waited.status();
  EXPECT_EQ(*waited, absl::Nanoseconds(3000));
}

TEST(NodeLoadTest, RefusesWhatIsNoSchedstat) {
  EXPECT_FALSE(ParseSchedstat("").ok());
  EXPECT_FALSE(ParseSchedstat("version 15\n").ok());
  EXPECT_FALSE(ParseSchedstat("cpu0 1\n").ok());
  EXPECT_FALSE(ParseSchedstat("cpu0").ok());
}

TEST(NodeLoadTest, ReadsTheRealOne) {
  const absl::StatusOr<NodeLoad> load = ReadNodeLoad();
  ASSERT_TRUE(load.ok()) << load.status();
  EXPECT_GT(load->busy, absl::ZeroDuration());
  EXPECT_GE(load->running, 1u);  // whoever reads it
}

}  // namespace
}  // namespace pilotlight::agent
