#include "agent/inspect/inspection.h"

#include <gtest/gtest.h>

namespace pilotlight::agent {
namespace {

ProcessReport Process(pid_t pid, const std::string& name, int seconds) {
  return {.pid = pid, .service = name, .executable = "/usr/bin/" + name, .cpu_time = absl::Seconds(seconds)};
}

TEST(InspectionTest, GroupsTheProcessesOfAProgramByTheBusiest) {
  const auto programs = GroupByExecutable({Process(1, "a", 1), Process(2, "b", 5), Process(3, "a", 7)});
  ASSERT_EQ(programs.size(), 2u);
  EXPECT_EQ(programs[0].process.pid, 3);
  EXPECT_EQ(programs[0].processes, 2u);
  EXPECT_EQ(programs[0].cpu_time, absl::Seconds(8));
  EXPECT_EQ(programs[1].process.service, "b");
}

}  // namespace
}  // namespace pilotlight::agent
