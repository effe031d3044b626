#include "agent/uplink/collector_address.h"

#include <gtest/gtest.h>

namespace pilotlight::agent {
namespace {

class GoodAddressTest : public testing::TestWithParam<const char*> {};
TEST_P(GoodAddressTest, IsTaken) { EXPECT_TRUE(CheckCollectorAddress(GetParam()).ok()) << GetParam(); }
INSTANTIATE_TEST_SUITE_P(CollectorAddressTest, GoodAddressTest,
                         testing::Values("localhost:7171", "10.0.0.1:1", "[::1]:7171", "[fe80::1%eth0]:65535",
                                         "collector.monitoring.svc:7171", "dns:///collector:7171",
                                         "unix:/run/pilotlight.sock"));

class BadAddressTest : public testing::TestWithParam<const char*> {};
TEST_P(BadAddressTest, IsRefusedAndNamed) {
  const absl::Status status = CheckCollectorAddress(GetParam());
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_NE(std::string(status.message()).find(GetParam()), std::string::npos) << status;
}
INSTANTIATE_TEST_SUITE_P(CollectorAddressTest, BadAddressTest,
                         testing::Values("", "localhost", "localhost:", ":7171", "localhost:0",
                                         "localhost:70000", "localhost:-1", "localhost:7171x",
                                         "http://localhost:7171", "::1:7171", "a b:7171",
                                         "unix:", "[]:7171"));

}  // namespace
}  // namespace pilotlight::agent
