#include "agent/capture/capture_sources.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pilotlight::agent {
namespace {

TEST(CreateCaptureSourceTest, RefusesAnUnknownNameAndSaysWhichThereAre) {
  const absl::Status status = CreateCaptureSource("dtrace").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("auto, ebpf or perf"));
}

}  // namespace
}  // namespace pilotlight::agent
