#include "base/stop_signal.h"

#include <gtest/gtest.h>

#include <thread>

namespace pilotlight {
namespace {

TEST(StopSignalTest, IsStoppedOnlyAfterStop) {
  StopSignal signal;
  EXPECT_FALSE(signal.stopped());
  EXPECT_FALSE(signal.WaitFor(absl::Milliseconds(1)));
  signal.Stop();
  EXPECT_TRUE(signal.stopped());
  EXPECT_TRUE(signal.stopped());
}

TEST(StopSignalTest, WakesAWaiterInAnotherThread) {
  StopSignal signal;
  std::thread stopper([&signal] { signal.Stop(); });
  EXPECT_TRUE(signal.WaitFor(absl::InfiniteDuration()));
  stopper.join();
}

}  // namespace
}  // namespace pilotlight
