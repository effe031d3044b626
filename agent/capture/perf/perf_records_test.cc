#include "agent/capture/perf/perf_records.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/perf_event.h>

#include <cstring>
#include <random>
#include <vector>

namespace pilotlight::agent {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr uint64_t kUser = PERF_CONTEXT_USER;
constexpr uint64_t kKernel = PERF_CONTEXT_KERNEL;
constexpr uint32_t kLimit = 127;

uint64_t Header(uint32_t type, size_t words) {
  const perf_event_header header{
      .type = type, .misc = 0, .size = static_cast<uint16_t>(words * sizeof(uint64_t))};
  uint64_t word;
  std::memcpy(&word, &header, sizeof(word));
  return word;
}

std::vector<uint64_t> SampleRecord(uint32_t pid, uint32_t tid, const std::vector<uint64_t>& chain) {
  std::vector<uint64_t> record = {Header(PERF_RECORD_SAMPLE, 3 + chain.size()), uint64_t{tid} << 32 | pid,
                                  chain.size()};
  record.insert(record.end(), chain.begin(), chain.end());
  return record;
}

TEST(ParsePerfRecordTest, SplitsAChainAtItsMarkers) {
  const std::vector<uint64_t> record =
      SampleRecord(7, 9, {kKernel, 0xffff8001, 0xffff8002, kUser, 0x10, 0x20});
  const PerfRecord parsed = ParsePerfRecord(record, kLimit);
  const auto* sample = std::get_if<PerfSample>(&parsed);
  ASSERT_NE(sample, nullptr);
  EXPECT_EQ(sample->pid, 7);
  EXPECT_THAT(sample->stack.kernel, ElementsAre(0xffff8001, 0xffff8002));
  EXPECT_THAT(sample->stack.user, ElementsAre(0x10, 0x20));
  EXPECT_FALSE(sample->stack.truncated);
}

TEST(ParsePerfRecordTest, TakesAChainOfUserModeOnly) {
  const std::vector<uint64_t> record = SampleRecord(7, 7, {kUser, 0x10});
  const PerfSample sample = std::get<PerfSample>(ParsePerfRecord(record, kLimit));
  EXPECT_THAT(sample.stack.kernel, IsEmpty());
  EXPECT_THAT(sample.stack.user, ElementsAre(0x10));
}

TEST(ParsePerfRecordTest, LeavesOutFramesOfNoKnownContext) {
  const std::vector<uint64_t> record =
      SampleRecord(7, 7, {0x1, 0x2, static_cast<uint64_t>(PERF_CONTEXT_GUEST), 0x3, kUser, 0x10});
  const PerfSample sample = std::get<PerfSample>(ParsePerfRecord(record, kLimit));
  EXPECT_THAT(sample.stack.kernel, IsEmpty());
  EXPECT_THAT(sample.stack.user, ElementsAre(0x10));
}

TEST(ParsePerfRecordTest, FlagsAChainAtTheLimitAsTruncated) {
  const std::vector<uint64_t> record = SampleRecord(7, 7, {kKernel, 0x1, kUser, 0x10, 0x20});
  EXPECT_TRUE(std::get<PerfSample>(ParsePerfRecord(record, 3)).stack.truncated);
  EXPECT_FALSE(std::get<PerfSample>(ParsePerfRecord(record, 4)).stack.truncated);
}

TEST(ParsePerfRecordTest, GivesTheKernelsWordForAnExitedProcess) {
  const std::vector<uint64_t> record = SampleRecord(0xffffffff, 0xffffffff, {kKernel, 0x1});
  EXPECT_EQ(std::get<PerfSample>(ParsePerfRecord(record, kLimit)).pid, -1);
}

TEST(ParsePerfRecordTest, TellsHowManyRecordsWereLost) {
  const std::vector<uint64_t> record = {Header(PERF_RECORD_LOST, 3), 1, 42};
  EXPECT_EQ(std::get<PerfLost>(ParsePerfRecord(record, kLimit)).records, 42u);
}

TEST(ParsePerfRecordTest, PassesOtherKindsOver) {
  const std::vector<uint64_t> record = {Header(PERF_RECORD_THROTTLE, 4), 1, 2, 3};
  EXPECT_TRUE(std::holds_alternative<PerfOther>(ParsePerfRecord(record, kLimit)));
}

TEST(ParsePerfRecordTest, RefusesRecordsShorterThanTheyClaim) {
  std::vector<uint64_t> claims_more = SampleRecord(7, 7, {kUser, 0x10});
  claims_more[2] = 3;
  std::vector<uint64_t> claims_most = SampleRecord(7, 7, {kUser, 0x10});
  claims_most[2] = ~uint64_t{0};
  for (const std::vector<uint64_t>& record : {claims_more, claims_most, std::vector<uint64_t>{},
                                              std::vector<uint64_t>{Header(PERF_RECORD_SAMPLE, 1)},
                                              std::vector<uint64_t>{Header(PERF_RECORD_SAMPLE, 2), 7},
                                              std::vector<uint64_t>{Header(PERF_RECORD_LOST, 2), 1}}) {
    EXPECT_TRUE(std::holds_alternative<PerfMalformed>(ParsePerfRecord(record, kLimit)));
  }
}

TEST(ParsePerfRecordTest, SurvivesRandomWords) {
  std::mt19937_64 random(1);  // under the sanitizers a read outside would end the test
  for (int round = 0; round < 20000; ++round) {
    std::vector<uint64_t> record(random() % 12);
    for (uint64_t& word : record)
      word = random() % 3 == 0 ? random() : (random() % 2 == 0 ? random() % 16 : kUser);
    if (!record.empty())
      record[0] = Header(random() % 2 == 0 ? PERF_RECORD_SAMPLE : PERF_RECORD_LOST, record.size());
    const PerfRecord parsed = ParsePerfRecord(record, kLimit);
    if (const auto* sample = std::get_if<PerfSample>(&parsed)) {
      EXPECT_LE(sample->stack.user.size() + sample->stack.kernel.size(), record.size());
    }
  }
}

}  // namespace
}  // namespace pilotlight::agent
