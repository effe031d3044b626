#include "agent/inspect/inspector.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>

namespace pilotlight::agent {
namespace {

Inspection Named(const std::string& kernel) { return {.node = {.kernel = kernel}, .programs = {}}; }

TEST(InspectorTest, WhoeverAsksMeanwhileSharesTheAnswer) {
  std::promise<void> go_on;
  std::atomic<int> inspections{0};
  std::atomic<int> answers{0};
  {
    Inspector inspector([&] {
      go_on.get_future().wait();
      ++inspections;
      return Named("k");
    });
    for (int i = 0; i < 3; ++i) {
      inspector.Inspect([&](const Inspection& inspection) {
        EXPECT_EQ(inspection.node.kernel, "k");
        ++answers;
      });
    }
    EXPECT_EQ(answers, 0);
    go_on.set_value();
  }
  EXPECT_EQ(inspections, 1);
  EXPECT_EQ(answers, 3);
}

std::string Ask(Inspector& inspector) {
  std::promise<std::string> kernel;
  inspector.Inspect([&](const Inspection& inspection) { kernel.set_value(inspection.node.kernel); });
  return kernel.get_future().get();
}

TEST(InspectorTest, ARecentAnswerIsGivenAgain) {
  int inspections = 0;
  const auto inspect = [&] { return Named(std::to_string(++inspections)); };
  Inspector seldom(inspect, absl::InfiniteDuration());
  EXPECT_EQ(Ask(seldom), "1");
  EXPECT_EQ(Ask(seldom), "1");
  Inspector always(inspect, absl::ZeroDuration());
  EXPECT_EQ(Ask(always), "2");
  EXPECT_EQ(Ask(always), "3");
}

}  // namespace
}  // namespace pilotlight::agent
