#include "agent/capture/perf/perf_ring.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <vector>

namespace pilotlight::agent {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// A ring of eight words whose writer we are.
class PerfRingReaderTest : public testing::Test {
 protected:
  // Writes a record of `words` words at the head; all but its header are `fill`.
  void Write(uint16_t words, uint64_t fill) { WriteClaiming(words, static_cast<uint16_t>(words * 8), fill); }

  void WriteClaiming(uint16_t words, uint16_t size, uint64_t fill) {
    const perf_event_header header{.type = 1, .misc = 0, .size = size};
    uint64_t word;
    std::memcpy(&word, &header, sizeof(word));
    for (uint16_t i = 0; i < words; ++i) {
      data_[control_.data_head / 8 % data_.size()] = i == 0 ? word : fill;
      control_.data_head += 8;
    }
  }

  bool Drain() {
    seen_.clear();
    return reader_.Drain(
        [this](absl::Span<const uint64_t> record) { seen_.emplace_back(record.begin() + 1, record.end()); });
  }

  perf_event_mmap_page control_{};
  std::vector<uint64_t> data_ = std::vector<uint64_t>(8);
  PerfRingReader reader_{&control_, data_};
  std::vector<std::vector<uint64_t>> seen_;
};

TEST_F(PerfRingReaderTest, GivesEachRecordOnce) {
  Write(2, 0xa);
  Write(3, 0xb);
  EXPECT_TRUE(Drain());
  EXPECT_THAT(seen_, ElementsAre(ElementsAre(0xa), ElementsAre(0xb, 0xb)));
  EXPECT_EQ(control_.data_tail, control_.data_head);
  EXPECT_TRUE(Drain());
  EXPECT_THAT(seen_, IsEmpty());
}

TEST_F(PerfRingReaderTest, JoinsARecordThatGoesOverTheEnd) {
  Write(6, 0xa);
  EXPECT_TRUE(Drain());
  Write(5, 0xb);
  EXPECT_TRUE(Drain());
  EXPECT_THAT(seen_, ElementsAre(ElementsAre(0xb, 0xb, 0xb, 0xb)));
}

TEST_F(PerfRingReaderTest, TakesAFullRing) {
  Write(8, 0xa);
  EXPECT_TRUE(Drain());
  EXPECT_EQ(seen_.size(), 1u);
}

TEST_F(PerfRingReaderTest, DropsWhatCannotBeCutIntoRecordsAndGoesOn) {
  for (const int size : {0, 4, 12, 64, 0xfff8}) {
    Write(1, 0);
    WriteClaiming(2, static_cast<uint16_t>(size), 0xa);
    EXPECT_FALSE(Drain()) << size;
    EXPECT_EQ(seen_.size(), 1u) << size;
    Write(2, 0xb);
    EXPECT_TRUE(Drain()) << size;
    EXPECT_THAT(seen_, ElementsAre(ElementsAre(0xb))) << size;
  }
}

TEST_F(PerfRingReaderTest, RefusesAHeadBeyondTheRing) {
  control_.data_head = 8 * 8 + 8;
  EXPECT_FALSE(Drain());
  EXPECT_THAT(seen_, IsEmpty());
}

TEST_F(PerfRingReaderTest, RefusesAHeadThatIsNotAligned) {
  control_.data_head = 12;
  EXPECT_FALSE(Drain());
  EXPECT_THAT(seen_, IsEmpty());
}

}  // namespace
}  // namespace pilotlight::agent
