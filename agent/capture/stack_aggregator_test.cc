#include "agent/capture/stack_aggregator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pilotlight::agent {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

const std::vector<uint64_t> kA = {0x10, 0x20};
const std::vector<uint64_t> kB = {0x10, 0x30};

TEST(StackAggregatorTest, CountsEqualStacksOfAProcessTogether) {
  StackAggregator aggregator({});
  aggregator.Add(7, {.user = kA, .kernel = kB}, 2);
  aggregator.Add(7, {.user = kA, .kernel = kB}, 3);
  const std::vector<ProcessSamples> processes = std::move(aggregator).Take();
  ASSERT_THAT(processes, SizeIs(1));
  EXPECT_EQ(processes[0].pid, 7);
  ASSERT_THAT(processes[0].stacks, SizeIs(1));
  EXPECT_EQ(processes[0].stacks[0].count, 5u);
  EXPECT_EQ(processes[0].stacks[0].user, kA);
  EXPECT_EQ(processes[0].stacks[0].kernel, kB);
}

TEST(StackAggregatorTest, KeepsProcessesApart) {
  StackAggregator aggregator({});
  aggregator.Add(7, {.user = kA}, 1);
  aggregator.Add(8, {.user = kA}, 1);
  EXPECT_THAT(std::move(aggregator).Take(), SizeIs(2));
}

TEST(StackAggregatorTest, TellsUserFramesFromKernelFrames) {
  StackAggregator aggregator({});
  aggregator.Add(7, {.user = kA}, 1);
  aggregator.Add(7, {.kernel = kA}, 1);
  aggregator.Add(7, {.user = kA, .kernel = kB}, 1);
  aggregator.Add(7, {.user = kB, .kernel = kA}, 1);
  EXPECT_THAT(std::move(aggregator).Take()[0].stacks, SizeIs(4));
}

TEST(StackAggregatorTest, KeepsReasonsToWaitApart) {
  StackAggregator aggregator({});
  aggregator.Add(7, {.user = kA, .wait_reason = "[lock]"}, 1);
  aggregator.Add(7, {.user = kA, .wait_reason = "[disk]"}, 1);
  aggregator.Add(7, {.user = kA, .wait_reason = "[lock]"}, 1);
  EXPECT_THAT(std::move(aggregator).Take()[0].stacks, SizeIs(2));
}

TEST(StackAggregatorTest, CountsNewStacksAsStacklessWhenFull) {
  StackAggregator aggregator({.max_stacks = 1, .max_processes = 2});
  aggregator.Add(7, {.user = kA}, 1);
  aggregator.Add(7, {.user = kB}, 2);
  aggregator.Add(7, {.user = kA}, 4);
  aggregator.Add(8, {.user = kA}, 8);
  const std::vector<ProcessSamples> processes = std::move(aggregator).Take();
  ASSERT_THAT(processes, SizeIs(2));
  EXPECT_EQ(processes[0].stacks[0].count, 5u);
  EXPECT_EQ(processes[0].stackless_samples, 2u);
  EXPECT_THAT(processes[1].stacks, IsEmpty());
  EXPECT_EQ(processes[1].stackless_samples, 8u);
}

TEST(StackAggregatorTest, CountsSamplesOfNewProcessesAsLostWhenFull) {
  StackAggregator aggregator({.max_stacks = 10, .max_processes = 1});
  aggregator.Add(7, {.user = kA}, 1);
  aggregator.Add(8, {.user = kA}, 2);
  aggregator.AddStackless(9, 4);
  EXPECT_EQ(aggregator.lost(), 6u);
  EXPECT_THAT(std::move(aggregator).Take(), SizeIs(1));
}

TEST(StackAggregatorTest, AddsMoreWhereTheFirstOnesWent) {
  StackAggregator aggregator({.max_stacks = 1, .max_processes = 1});
  const StackAggregator::Position kept = aggregator.Add(7, {.user = kA}, 1);
  const StackAggregator::Position stackless = aggregator.Add(7, {.user = kB}, 1);
  const StackAggregator::Position lost = aggregator.Add(8, {.user = kA}, 1);
  aggregator.AddMore(kept, 10);
  aggregator.AddMore(stackless, 20);
  aggregator.AddMore(lost, 30);
  EXPECT_EQ(aggregator.lost(), 31u);
  const std::vector<ProcessSamples> processes = std::move(aggregator).Take();
  ASSERT_THAT(processes, SizeIs(1));
  EXPECT_EQ(processes[0].stacks[0].count, 11u);
  EXPECT_EQ(processes[0].stackless_samples, 21u);
}

TEST(StackAggregatorTest, CountsAStackWithoutFramesAsStackless) {
  StackAggregator aggregator({});
  aggregator.Add(7, {}, 3);
  EXPECT_EQ(std::move(aggregator).Take()[0].stackless_samples, 3u);
}

}  // namespace
}  // namespace pilotlight::agent
