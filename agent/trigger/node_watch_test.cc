#include "agent/trigger/node_watch.h"

#include <gtest/gtest.h>

#include <string>

namespace pilotlight::agent {
namespace {

using absl::Milliseconds;
using absl::Seconds;

// A node of two CPUs, looked at twice a second.
class NodeWatchTest : public testing::Test {
 protected:
  // The triggers of so many seconds with this load.
  std::string Pass(absl::Duration duration, double busy_cores, uint64_t running, double waiting = 0) {
    std::string triggers;
    for (absl::Duration left = duration; left > absl::ZeroDuration(); left -= Milliseconds(500)) {
      now_ += Milliseconds(500);
      load_.busy += Milliseconds(500) * busy_cores;
      load_.running = running;
      if (load_.waited.has_value()) *load_.waited += Milliseconds(500) * waiting;
      if (const auto extra = watch_.Poll(now_)) triggers += extra->trigger + " ";
    }
    return triggers;
  }

  NodeLoad load_;
  absl::Duration now_ = Seconds(1000);
  NodeWatch watch_{2, [this] { return load_; }};
};

TEST_F(NodeWatchTest, TellsOfASpikeOfCpuWithinASecondAndAHalf) {
  EXPECT_EQ(Pass(Seconds(20), 0.2, 1), "");
  EXPECT_EQ(Pass(Milliseconds(1500), 1.2, 2), "cpu ");
}

TEST_F(NodeWatchTest, SaysHowFarItWent) {
  Pass(Seconds(20), 0.2, 1);
  load_.busy += Seconds(1);
  now_ += Milliseconds(500);
  const auto extra = watch_.Poll(now_);
  ASSERT_TRUE(extra.has_value());
  EXPECT_EQ(extra->reason, "the node went from 0.2 to 1.1 busy cores");
}

TEST_F(NodeWatchTest, LooksAwayDuringACapture) {
  Pass(Seconds(20), 0.2, 1);
  // The capture itself took a core.
  now_ += Seconds(10);
  load_.busy += Seconds(10);
  EXPECT_EQ(Pass(Seconds(5), 0.2, 1), "");
}

TEST_F(NodeWatchTest, TellsOfThreadsThatWait) {
  EXPECT_EQ(Pass(Seconds(20), 2, 3), "");
  EXPECT_FALSE(watch_.overloaded());
  EXPECT_EQ(Pass(Seconds(2), 2, 3 + 5), "run_queue ");
  EXPECT_EQ(Pass(Seconds(2), 2, 3 + 9), "");
  EXPECT_TRUE(watch_.overloaded());
}

TEST_F(NodeWatchTest, PrefersTheKernelsCountOfTheWait) {
  load_.waited = Seconds(77);
  EXPECT_EQ(Pass(Seconds(20), 2, 30, 0.5), "");
  EXPECT_EQ(Pass(Seconds(2), 2, 3, 3), "run_queue ");
}

TEST_F(NodeWatchTest, LivesWithoutProc) {
  NodeWatch blind(2, [] { return absl::NotFoundError("no /proc"); });
  EXPECT_FALSE(blind.Poll(Seconds(1)).has_value());
  EXPECT_FALSE(blind.overloaded());
}

}  // namespace
}  // namespace pilotlight::agent
