#include "agent/trigger/window_watch.h"

#include <gtest/gtest.h>

namespace pilotlight::agent {
namespace {

class WindowWatchTest : public testing::Test {
 protected:
  // The trigger after a window in which `service` had so many of 1000 samples below mcall.
  std::string Pass(uint64_t mcall, double cores = 1, const std::string& service = "shop") {
    Window window;
    window.series.push_back({.labels = {{"service_name", service}}});
    SeriesInsight insight;
    insight.cpu_cores = cores;
    insight.go_samples = 1000;
    insight.go_class_samples[static_cast<size_t>(GoClass::kMcall)] = mcall;
    watch_.OnWindow(window, {insight});
    return Trigger();
  }
  std::string Pause(absl::Duration longest) {
    watch_.OnGcPause("shop", longest);
    return Trigger();
  }
  std::string Trigger() {
    const auto extra = watch_.Poll(absl::ZeroDuration());
    return extra.has_value() ? extra->trigger : "";
  }

  WindowWatch watch_;
};

TEST_F(WindowWatchTest, TellsOfAJumpOfMcall) {
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Pass(100), "");
  EXPECT_EQ(Pass(250), "");  // its lower bound is below 25 %
  EXPECT_EQ(Pass(400), "mcall");
}

TEST_F(WindowWatchTest, DoesNotJudgeANewService) {
  EXPECT_EQ(Pass(10), "");
  EXPECT_EQ(Pass(900), "");
}

TEST_F(WindowWatchTest, DoesNotJudgeAnIdleService) {
  for (int i = 0; i < 5; ++i) EXPECT_EQ(Pass(10, 0.05), "");
  EXPECT_EQ(Pass(900, 0.05), "");
}

TEST_F(WindowWatchTest, GetsUsedToIt) {
  for (int i = 0; i < 3; ++i) Pass(100);
  EXPECT_EQ(Pass(600), "mcall");
  for (int i = 0; i < 40; ++i) Pass(600);
  EXPECT_EQ(Pass(600), "");
}

TEST_F(WindowWatchTest, ForgetsAServiceThatIsGone) {
  for (int i = 0; i < 3; ++i) Pass(100);
  for (int i = 0; i < 12; ++i) Pass(100, 1, "other");
  EXPECT_EQ(Pass(900), "");
}

TEST_F(WindowWatchTest, TellsOfALongPause) {
  Pass(100);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Pause(absl::Milliseconds(1)), "");
  EXPECT_EQ(Pause(absl::Milliseconds(15)), "");  // many times as long, but short
  EXPECT_EQ(Pause(absl::Milliseconds(80)), "gc_pause");
}

TEST_F(WindowWatchTest, TellsOnce) {
  for (int i = 0; i < 3; ++i) Pass(100);
  EXPECT_EQ(Pass(900), "mcall");
  EXPECT_EQ(Trigger(), "");
}

}  // namespace
}  // namespace pilotlight::agent
