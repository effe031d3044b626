#include "agent/targets/process_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace pilotlight::agent {
namespace {

using ::testing::Contains;

TEST(ProcessListTest, ListsTheProcessesOfTheNode) { EXPECT_THAT(ListProcesses(), Contains(::getpid())); }

}  // namespace
}  // namespace pilotlight::agent
