#include "base/stop_signal.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
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

TEST(HangupSignalTest, IsTakenOnce) {
  const HangupSignal hangup;
  EXPECT_FALSE(hangup.Take());
  ASSERT_EQ(::kill(::getpid(), SIGHUP), 0);
  EXPECT_TRUE(hangup.Take());
  EXPECT_FALSE(hangup.Take());
}

}  // namespace
}  // namespace pilotlight
