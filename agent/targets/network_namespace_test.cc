#include "agent/targets/network_namespace.h"

#include <gtest/gtest.h>
#include <unistd.h>

namespace pilotlight::agent {
namespace {

TEST(RunInNetworkOfTest, RunsInOurOwnWithoutAnyRight) {
  bool ran = false;
  EXPECT_TRUE(RunInNetworkOf(getpid(), [&ran] { ran = true; }).ok());
  EXPECT_TRUE(ran);
}

TEST(RunInNetworkOfTest, DoesNotRunForAProcessThatIsGone) {
  bool ran = false;
  EXPECT_EQ(RunInNetworkOf(0x3fffffff, [&ran] { ran = true; }).code(), absl::StatusCode::kNotFound);
  EXPECT_FALSE(ran);
}

}  // namespace
}  // namespace pilotlight::agent
