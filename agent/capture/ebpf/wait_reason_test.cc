#include "agent/capture/ebpf/wait_reason.h"

#include <gtest/gtest.h>
#include <sys/syscall.h>

#include "agent/capture/bpf/abi.h"

namespace pilotlight::agent {
namespace {

uint32_t In(uint32_t call) { return PL_WAIT_BLOCKED | (call + 1); }

TEST(WaitReasonTest, GoesByTheSystemCall) {
  EXPECT_EQ(WaitReason(In(SYS_futex)), "[lock]");
  EXPECT_EQ(WaitReason(In(SYS_clock_nanosleep)), "[sleep]");
  EXPECT_EQ(WaitReason(In(SYS_epoll_pwait)), "[poll]");
  EXPECT_EQ(WaitReason(In(SYS_read)), "[io]");
  EXPECT_EQ(WaitReason(In(SYS_wait4)), "[child]");
  EXPECT_EQ(WaitReason(In(SYS_rt_sigsuspend)), "[signal]");
  EXPECT_EQ(WaitReason(In(SYS_getpid)), "[other]");
}

TEST(WaitReasonTest, PutsWhatTheKernelKnowsFirst) {
  EXPECT_EQ(WaitReason(In(SYS_read) | PL_WAIT_DISK | PL_WAIT_UNINTERRUPTIBLE), "[disk]");
  EXPECT_EQ(WaitReason(In(SYS_futex) | PL_WAIT_UNINTERRUPTIBLE), "[kernel]");
}

TEST(WaitReasonTest, KnowsAWaitWithoutASystemCall) { EXPECT_EQ(WaitReason(PL_WAIT_BLOCKED), "[fault]"); }

TEST(WaitReasonTest, IsNoneOfAThreadThatRan) { EXPECT_EQ(WaitReason(0), ""); }

}  // namespace
}  // namespace pilotlight::agent
