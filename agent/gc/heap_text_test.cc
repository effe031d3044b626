#include "agent/gc/heap_text.h"

#include <gtest/gtest.h>

#include <string>

namespace pilotlight::agent {
namespace {

std::string HeapText(const std::string& pauses, const std::string& cycles) {
  return "heap profile: 1: 2 [3: 4] @ heap/1048576\n\n# runtime.MemStats\n# Alloc = 5\n# PauseNs = [" +
         pauses + "]\n# PauseEnd = [0]\n# NumGC = " + cycles + "\n# NumForcedGC = 0\n";
}

std::string Numbers(size_t count) {
  std::string text = "17";
  for (size_t i = 1; i < count; ++i) text += " 4";
  return text;
}

TEST(HeapTextTest, TellsPausesAndHowManyThereWere) {
  const absl::StatusOr<GoMemStats> stats = ParseHeapText(HeapText(Numbers(256), "2"));
  ASSERT_TRUE(stats.ok()) << stats.status();
  EXPECT_EQ(stats->cycles, 2u);
  EXPECT_EQ(stats->pause_of(1), 17u);
  EXPECT_EQ(stats->pause_of(2), 4u);
}

TEST(HeapTextTest, RefusesWhatIsNone) {
  EXPECT_FALSE(ParseHeapText("<html>").ok());
  EXPECT_FALSE(ParseHeapText(HeapText(Numbers(255), "2")).ok());
  EXPECT_FALSE(ParseHeapText(HeapText(Numbers(255) + " -1", "2")).ok());
  EXPECT_FALSE(ParseHeapText(HeapText(Numbers(256), "many")).ok());
  EXPECT_FALSE(ParseHeapText(HeapText(Numbers(256), "0")).ok());
}

}  // namespace
}  // namespace pilotlight::agent
