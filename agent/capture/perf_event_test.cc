#include "agent/capture/perf_event.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "base/file.h"

namespace pilotlight::agent {
namespace {

using testing::ElementsAre;

std::string FileWith(const TemporaryDirectory& directory, const std::string& text) {
  std::string path = directory.path() + "/file";
  std::ofstream(path) << text;
  return path;
}

TEST(ParseCpuListTest, ReadsRangesAndSingles) {
  EXPECT_THAT(*ParseCpuList("0"), ElementsAre(0));
  EXPECT_THAT(*ParseCpuList("0-2,5,7-8"), ElementsAre(0, 1, 2, 5, 7, 8));
}

TEST(ParseCpuListTest, RefusesWhatTheKernelDoesNotWrite) {
  for (const char* text : {"", "-", "1-", "-1", "2-1", "1,1", "3,1", "0-99999999", "a", "0,,1", "0-1-2"}) {
    EXPECT_EQ(ParseCpuList(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

TEST(OnlineCpusTest, ReadsTheKernelsFile) {
  const TemporaryDirectory directory;
  EXPECT_THAT(*OnlineCpus(FileWith(directory, "0,2-3\n")), ElementsAre(0, 2, 3));
}

TEST(CheckFrequencyTest, AcceptsOneToAThousand) {
  EXPECT_TRUE(CheckFrequency(1).ok());
  EXPECT_TRUE(CheckFrequency(1000).ok());
  EXPECT_FALSE(CheckFrequency(0).ok());
  EXPECT_FALSE(CheckFrequency(-99).ok());
  EXPECT_FALSE(CheckFrequency(1001).ok());
}

TEST(MissingCapabilitiesTest, NamesEachThatIsMissing) {
  const TemporaryDirectory directory;
  EXPECT_EQ(MissingCapabilities({kCapBpf, kCapPerfmon}, FileWith(directory, "CapEff:\t0000000000000000\n")),
            "CAP_BPF and CAP_PERFMON");
  EXPECT_EQ(MissingCapabilities({kCapBpf, kCapPerfmon}, FileWith(directory, "CapEff:\t0000008000000000\n")),
            "CAP_PERFMON");
}

TEST(MissingCapabilitiesTest, TakesSysAdminForAll) {
  const TemporaryDirectory directory;
  EXPECT_EQ(MissingCapabilities({kCapBpf, kCapPerfmon}, FileWith(directory, "CapEff:\t0000000000200000\n")),
            "");
}

TEST(MaxStackFramesTest, FallsBackToTheKernelsDefault) {
  const TemporaryDirectory directory;
  EXPECT_EQ(MaxStackFrames(FileWith(directory, "64\n")), 64u);
  EXPECT_EQ(MaxStackFrames(directory.path() + "/none"), 127u);
}

}  // namespace
}  // namespace pilotlight::agent
