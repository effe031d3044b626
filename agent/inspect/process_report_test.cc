#include "agent/inspect/process_report.h"

#include <gmock/gmock.h>

#include <memory>

#include "base/file.h"
#include "tests/support/child_process.h"

namespace pilotlight::agent {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

std::unique_ptr<ElfFile> Open(const std::string& name) {
  return *ElfFile::FromFd(*OpenReadOnly(std::string(PILOTLIGHT_WORKLOADS "/") + name));
}

TEST(ProcessReportTest, TellsAGoProgramAndItsVersion) {
  ChildProcess child({PILOTLIGHT_WORKLOADS "/webshop"});
  child.ReadLine();
  const absl::StatusOr<ProcessReport> report = InspectProcess(child.pid());
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_THAT(report->runtime, testing::StartsWith("Go 1."));
  EXPECT_EQ(report->service, "webshop");
  EXPECT_EQ(report->names, NameCoverage::kAll);
  EXPECT_EQ(report->frame_pointers, FramePointers::kAll);
  EXPECT_TRUE(report->stripped);
  EXPECT_THAT(report->advice, IsEmpty());
}

TEST(ProcessReportTest, TellsANativeProgram) {
  ChildProcess child({PILOTLIGHT_WORKLOADS "/deep_stacks", "1"});
  child.ReadLine();
  const absl::StatusOr<ProcessReport> report = InspectProcess(child.pid());
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->runtime, "native");
  EXPECT_EQ(report->names, NameCoverage::kAll);
  EXPECT_EQ(report->frame_pointers, FramePointers::kNotNeeded);
  EXPECT_FALSE(report->stripped);
}

TEST(ProcessReportTest, KnowsNoProcessThatIsNotThere) {
  EXPECT_EQ(InspectProcess(4194305).status().code(), absl::StatusCode::kNotFound);
}

TEST(FindFramePointersTest, JudgesByHowFunctionsBegin) {
  EXPECT_EQ(FindFramePointers(*Open("deep_stacks")), FramePointers::kAll);
}

TEST(FindFramePointersTest, SaysNothingWithoutNames) {
  EXPECT_EQ(FindFramePointers(*Open("webshop")), FramePointers::kUnknown);
}

}  // namespace
}  // namespace pilotlight::agent
