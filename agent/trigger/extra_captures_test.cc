#include "agent/trigger/extra_captures.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pilotlight::agent {
namespace {

using absl::Seconds;
using testing::ElementsAre;
using testing::Pair;

class ManualTrigger : public Trigger {
 public:
  std::optional<ExtraCapture> Poll(absl::Duration /*now*/) override { return std::exchange(next, {}); }
  std::optional<ExtraCapture> next;
};

class ExtraCapturesTest : public testing::Test {
 protected:
  std::string Next(absl::Duration now, double budget_left = 1) {
    const auto extra = extras_.Next(now, budget_left);
    return extra.has_value() ? extra->trigger : "";
  }

  ManualTrigger trigger_;
  bool overloaded_ = false;
  ExtraCaptures extras_{{}, {&trigger_}, [this] { return overloaded_; }};
};

TEST_F(ExtraCapturesTest, TakesWhatIsAskedForAtOnce) {
  EXPECT_EQ(Next(Seconds(1)), "");
  trigger_.next = {.trigger = "cpu"};
  EXPECT_EQ(Next(Seconds(2)), "cpu");
  EXPECT_EQ(Next(Seconds(3)), "");
}

TEST_F(ExtraCapturesTest, KeepsItsDistance) {
  trigger_.next = {.trigger = "cpu"};
  EXPECT_EQ(Next(Seconds(2)), "cpu");
  trigger_.next = {.trigger = "mcall"};
  EXPECT_EQ(Next(Seconds(61)), "");
  trigger_.next = {.trigger = "mcall"};
  EXPECT_EQ(Next(Seconds(62)), "mcall");
  EXPECT_THAT(extras_.counts(), ElementsAre(Pair(Pair("cpu", TriggerOutcome::kCaptured), 1),
                                            Pair(Pair("mcall", TriggerOutcome::kCaptured), 1),
                                            Pair(Pair("mcall", TriggerOutcome::kTooSoon), 1)));
}

TEST_F(ExtraCapturesTest, StaysWithinTheBudget) {
  trigger_.next = {.trigger = "cpu"};
  EXPECT_EQ(Next(Seconds(2), 0.2), "");
  EXPECT_EQ(Next(Seconds(3), 1), "");
  EXPECT_THAT(extras_.counts(), ElementsAre(Pair(Pair("cpu", TriggerOutcome::kOverBudget), 1)));
}

TEST_F(ExtraCapturesTest, PutsOffWhatTheNodeHasNoTimeFor) {
  overloaded_ = true;
  trigger_.next = {.trigger = "cpu"};
  EXPECT_EQ(Next(Seconds(2)), "");
  EXPECT_EQ(Next(Seconds(20)), "");
  overloaded_ = false;
  EXPECT_EQ(Next(Seconds(21)), "cpu");
}

TEST_F(ExtraCapturesTest, GivesUpAfterItsPatience) {
  overloaded_ = true;
  trigger_.next = {.trigger = "cpu"};
  EXPECT_EQ(Next(Seconds(2)), "");
  EXPECT_EQ(Next(Seconds(32)), "");
  overloaded_ = false;
  EXPECT_EQ(Next(Seconds(33)), "");
  EXPECT_THAT(extras_.counts(), ElementsAre(Pair(Pair("cpu", TriggerOutcome::kOverloaded), 1)));
}

TEST_F(ExtraCapturesTest, DoesWhatAPersonWants) {
  overloaded_ = true;
  trigger_.next = {.trigger = "cpu"};
  Next(Seconds(1));
  trigger_.next = {.trigger = "request", .requested = true};
  EXPECT_EQ(Next(Seconds(2), 0.1), "request");
  trigger_.next = {.trigger = "request", .requested = true};
  EXPECT_EQ(Next(Seconds(3), 0.1), "request");
  trigger_.next = {.trigger = "request", .requested = true};
  EXPECT_EQ(Next(Seconds(4), -0.1), "");
}

TEST_F(ExtraCapturesTest, ZeroTakesRequestedOnesOnly) {
  ExtraCaptures extras({.min_interval = absl::ZeroDuration()}, {&trigger_}, [] { return false; });
  trigger_.next = {.trigger = "cpu"};
  EXPECT_FALSE(extras.Next(Seconds(1), 1).has_value());
  trigger_.next = {.trigger = "request", .requested = true};
  EXPECT_TRUE(extras.Next(Seconds(2), 1).has_value());
}

}  // namespace
}  // namespace pilotlight::agent
