#include "agent/gc/gc_pause_reader.h"

#include <gmock/gmock.h>

#include <string>

#include "tests/support/fake_proc.h"
#include "tests/support/go_memstats_record.h"

namespace pilotlight::agent {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr uint64_t kDataStart = 4096;
const absl::Time kNow = absl::FromUnixSeconds(1'750'000'000);

class GcPauseReaderTest : public testing::Test {
 protected:
  // The record is `offset` into the data.
  void Put(uint32_t cycles, size_t offset = 800, uint64_t start_ticks = 1000) {
    std::string memory(kDataStart + offset, '\1');
    memory += GoMemStatsRecord(cycles, kNow);
    memory += std::string(100, '\2');
    data_end_ = memory.size();
    process_ = {.pid = 7, .start_ticks = start_ticks};
    proc_.Put({.pid = 7, .memory = memory, .start_ticks = start_ticks});
  }
  std::optional<GcPauses> ReadWindow() {
    std::optional<GcPauses> pauses = reader_.Read(process_, kNow);
    reader_.EndWindow();
    return pauses;
  }

  FakeProc proc_;
  Process process_;
  uint64_t data_end_ = 0;
  GcPauseReader reader_{[this](const Process&) {
                          return std::vector<AddressRange>{{kDataStart, data_end_}};
                        },
                        proc_.root()};
};

TEST_F(GcPauseReaderTest, GivesThePausesSinceTheLastWindow) {
  Put(5);
  ASSERT_TRUE(ReadWindow().has_value());
  Put(7);
  EXPECT_THAT(ReadWindow()->pauses_ns, ElementsAre(PauseOfCycle(6), PauseOfCycle(7)));
  EXPECT_THAT(ReadWindow()->pauses_ns, IsEmpty());
}

TEST_F(GcPauseReaderTest, SaysNothingOfPausesFromBeforeTheFirstLook) {
  Put(100);
  const std::optional<GcPauses> first = ReadWindow();
  ASSERT_TRUE(first.has_value());
  EXPECT_THAT(first->pauses_ns, IsEmpty());
  EXPECT_EQ(first->missed, 0u);
}

TEST_F(GcPauseReaderTest, CountsPausesThatWereOverwritten) {
  Put(5);
  ReadWindow();
  Put(1005);
  const std::optional<GcPauses> pauses = ReadWindow();
  ASSERT_TRUE(pauses.has_value());
  EXPECT_THAT(pauses->pauses_ns, SizeIs(255));
  EXPECT_EQ(pauses->pauses_ns.back(), PauseOfCycle(1005));
  EXPECT_EQ(pauses->missed, 745u);
}

TEST_F(GcPauseReaderTest, CountsOnWhenTheNumberOfCyclesWrapsAround) {
  Put(4'294'967'290);
  ReadWindow();
  Put(4);
  EXPECT_THAT(ReadWindow()->pauses_ns, SizeIs(4 + 6));
}

TEST_F(GcPauseReaderTest, FindsARecordAnywhereInTheData) {
  for (const size_t offset : {0, 8, (1 << 20) - 4112, (1 << 20) - 8, 1 << 20, (3 << 20) + 16}) {
    Put(5, offset, /*start_ticks=*/offset);
    EXPECT_TRUE(ReadWindow().has_value()) << offset;
  }
}

TEST_F(GcPauseReaderTest, LooksAgainAtAProcessThatHasNotCollectedYet) {
  Put(0);
  EXPECT_FALSE(ReadWindow().has_value());
  Put(1);
  EXPECT_TRUE(ReadWindow().has_value());
}

TEST_F(GcPauseReaderTest, TakesAReusedPidForAnotherProcess) {
  Put(5);
  ReadWindow();
  Put(9, /*offset=*/1600, /*start_ticks=*/2000);
  const std::optional<GcPauses> pauses = ReadWindow();
  ASSERT_TRUE(pauses.has_value());
  EXPECT_THAT(pauses->pauses_ns, IsEmpty());
}

TEST_F(GcPauseReaderTest, SaysNothingOfAProcessThatIsGone) {
  Put(5);
  ReadWindow();
  proc_.Remove(7);
  EXPECT_FALSE(ReadWindow().has_value());
}

TEST_F(GcPauseReaderTest, ForgetsProcessesThatAreNotAskedFor) {
  Put(5);
  ReadWindow();
  EXPECT_EQ(reader_.size(), 1u);
  for (int window = 0; window < 100; ++window) reader_.EndWindow();
  EXPECT_EQ(reader_.size(), 0u);
}

}  // namespace
}  // namespace pilotlight::agent
