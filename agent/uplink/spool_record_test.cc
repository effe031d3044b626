#include "agent/uplink/spool_record.h"

#include <gtest/gtest.h>

#include "tests/support/windows.h"

namespace pilotlight::agent {
namespace {

constexpr size_t kLimit = size_t{1} << 20;

Window Named(const std::string& tag) {
  Window window = MakeWindow(tag);
  window.agent = "a";
  window.boot = "b";
  window.sequence = 7;
  return window;
}

TEST(SpoolRecordTest, GivesTheWindowBack) {
  const std::string record = EncodeSpoolRecord(Named("shop"), kLimit).value();
  const Window window = DecodeSpoolRecord(record, kLimit).value();
  EXPECT_EQ(window.sequence, 7u);
  EXPECT_EQ(TagOf(window), "shop");
  EXPECT_EQ(FoldedCounts(window.trie, window.series[0].samples)["main;shop"], 3u);
}

TEST(SpoolRecordTest, NoticesEveryTornEnd) {
  const std::string record = EncodeSpoolRecord(Named("shop"), kLimit).value();
  for (size_t bytes = 0; bytes < record.size(); ++bytes) {
    EXPECT_TRUE(absl::IsDataLoss(DecodeSpoolRecord(record.substr(0, bytes), kLimit).status())) << bytes;
  }
}

TEST(SpoolRecordTest, NoticesEveryFlippedBit) {
  const std::string record = EncodeSpoolRecord(Named("shop"), kLimit).value();
  for (size_t bit = 0; bit < record.size() * 8; ++bit) {
    std::string flipped = record;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_TRUE(absl::IsDataLoss(DecodeSpoolRecord(flipped, kLimit).status())) << bit;
  }
}

TEST(SpoolRecordTest, TellsAnInvalidWindowFromATornOne) {
  Window window = Named("shop");
  window.duration = absl::ZeroDuration();
  const std::string record = EncodeSpoolRecord(window, kLimit).value();
  EXPECT_TRUE(absl::IsInvalidArgument(DecodeSpoolRecord(record, kLimit).status()));
}

TEST(SpoolRecordTest, RefusesAWindowBeyondTheLimit) {
  EXPECT_TRUE(absl::IsResourceExhausted(EncodeSpoolRecord(Named(std::string(5000, 'x')), 4000).status()));
}

}  // namespace
}  // namespace pilotlight::agent
