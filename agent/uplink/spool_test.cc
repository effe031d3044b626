#include "agent/uplink/spool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "base/file.h"
#include "tests/support/windows.h"

namespace pilotlight::agent {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class SpoolTest : public testing::Test {
 protected:
  void SetUp() override { options_.directory = directory_.path() + "/spool"; }

  std::unique_ptr<Spool> Open() { return Spool::Open(options_).value(); }

  static void Take(Spool& spool, const std::string& tag) {
    spool.BeginWindow();
    spool.Commit(MakeWindow(tag));
  }

  static std::vector<std::string> Tags(Spool& spool) {
    std::vector<std::string> tags;
    uint64_t position = 0;
    while (const auto next = spool.NextAfter(position)) {
      tags.push_back(TagOf(next->window));
      position = next->position;
    }
    return tags;
  }

  std::vector<std::string> WindowFiles() const {
    std::set<std::string> files;
    for (const auto& file : std::filesystem::directory_iterator(options_.directory)) {
      if (SpoolFileName::Parse(file.path().filename().string())) files.insert(file.path().string());
    }
    return {files.begin(), files.end()};
  }

  static uint64_t Dropped(const Spool& spool, const std::string& reason) {
    return spool.stats().dropped_windows.at(reason);
  }

  const TemporaryDirectory directory_;
  SpoolOptions options_;
};

TEST_F(SpoolTest, HandsWindowsOutInTheOrderInWhichTheyWereTaken) {
  const auto spool = Open();
  for (const char* tag : {"a", "b", "c"}) Take(*spool, tag);
  EXPECT_THAT(Tags(*spool), ElementsAre("a", "b", "c"));
}

TEST_F(SpoolTest, NumbersTheWindowsOfABootFromOne) {
  const auto spool = Open();
  Take(*spool, "a");
  EXPECT_EQ(spool->BeginWindow().sequence, 2u);
  spool->Commit(MakeWindow("b"));
  const auto first = spool->NextAfter(0);
  EXPECT_EQ(first->window.sequence, 1u);
  EXPECT_EQ(first->window.agent, spool->agent());
  EXPECT_EQ(first->window.boot, spool->boot());
}

TEST_F(SpoolTest, ForgetsARemovedWindow) {
  const auto spool = Open();
  Take(*spool, "a");
  Take(*spool, "b");
  spool->Remove(spool->NextAfter(0)->position);
  EXPECT_THAT(Tags(*spool), ElementsAre("b"));
  EXPECT_EQ(WindowFiles().size(), 1u);
  spool->Remove(spool->NextAfter(0)->position);
  EXPECT_TRUE(spool->empty());
  EXPECT_EQ(spool->stats().bytes, 0u);
}

TEST_F(SpoolTest, KeepsAgentBootAndSequenceOverARestart) {
  std::string agent;
  std::string boot;
  {
    const auto spool = Open();
    agent = spool->agent();
    boot = spool->boot();
    Take(*spool, "old");
  }
  const auto spool = Open();
  EXPECT_EQ(spool->agent(), agent);
  EXPECT_NE(spool->boot(), boot);
  Take(*spool, "new");
  EXPECT_THAT(Tags(*spool), ElementsAre("old", "new"));
  const auto old = spool->NextAfter(0);
  EXPECT_EQ(old->window.boot, boot);
  EXPECT_EQ(old->window.sequence, 1u);
}

TEST_F(SpoolTest, SendsTheWindowsOfTheOldestBootFirst) {
  for (const char* tag : {"a", "b", "c", "d"}) Take(*Open(), tag);
  EXPECT_THAT(Tags(*Open()), ElementsAre("a", "b", "c", "d"));
}

TEST_F(SpoolTest, TellsASecondAgentThatTheDirectoryIsTaken) {
  const auto spool = Open();
  const absl::Status status = Spool::Open(options_).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr(std::to_string(::getpid())));
  EXPECT_THAT(std::string(status.message()), HasSubstr("another agent"));
}

TEST_F(SpoolTest, DropsTheOldestWhenItIsFullAndCountsThem) {
  options_.max_bytes = size_t{3} * 4096;
  const auto spool = Open();
  for (const char* tag : {"a", "b", "c", "d", "e"}) Take(*spool, tag);
  EXPECT_THAT(Tags(*spool), ElementsAre("c", "d", "e"));
  EXPECT_EQ(spool->NextAfter(0)->window.sequence, 3u);  // the gap that the collector sees
  EXPECT_EQ(Dropped(*spool, "spool_full"), 2u);
  EXPECT_EQ(spool->stats().bytes, 3u * 4096);
  EXPECT_EQ(WindowFiles().size(), 3u);
}

TEST_F(SpoolTest, KeepsToASmallerBoundAfterARestart) {
  {
    const auto spool = Open();
    for (const char* tag : {"a", "b", "c"}) Take(*spool, tag);
  }
  options_.max_bytes = 4096;
  const auto spool = Open();
  EXPECT_THAT(Tags(*spool), ElementsAre("c"));
  EXPECT_EQ(Dropped(*spool, "spool_full"), 2u);
}

TEST_F(SpoolTest, GoesOnAfterATornFile) {
  {
    const auto spool = Open();
    for (const char* tag : {"a", "b", "c"}) Take(*spool, tag);
  }
  std::filesystem::resize_file(WindowFiles()[1], 40);
  const auto spool = Open();
  EXPECT_THAT(Tags(*spool), ElementsAre("a", "c"));
  EXPECT_EQ(Dropped(*spool, "corrupt"), 1u);
  EXPECT_EQ(WindowFiles().size(), 2u);
  EXPECT_TRUE(std::filesystem::exists(options_.directory + "/set-aside.window"));
}

TEST_F(SpoolTest, GoesOnAfterAFileThatVanished) {
  const auto spool = Open();
  for (const char* tag : {"a", "b"}) Take(*spool, tag);
  std::filesystem::remove(WindowFiles()[0]);
  EXPECT_THAT(Tags(*spool), ElementsAre("b"));
  EXPECT_EQ(Dropped(*spool, "corrupt"), 1u);
}

TEST_F(SpoolTest, DoesNotBelieveARenamedFile) {
  { Take(*Open(), "a"); }
  std::filesystem::rename(WindowFiles()[0], options_.directory + "/000000000001-00ff00ff00ff00ff-5.window");
  const auto spool = Open();
  EXPECT_THAT(Tags(*spool), IsEmpty());
  EXPECT_EQ(Dropped(*spool, "corrupt"), 1u);
}

TEST_F(SpoolTest, TakesOverTheWindowsWhenTheAgentsNameWasLost) {
  { Take(*Open(), "a"); }
  std::ofstream(options_.directory + "/agent-id", std::ios::trunc).flush();
  const auto spool = Open();
  EXPECT_EQ(spool->NextAfter(0)->window.agent, spool->agent());
}

TEST_F(SpoolTest, LeavesForeignFilesAlone) {
  std::filesystem::create_directories(options_.directory);
  std::ofstream(options_.directory + "/README") << "mine";
  const auto spool = Open();
  EXPECT_THAT(Tags(*spool), IsEmpty());
  EXPECT_TRUE(std::filesystem::exists(options_.directory + "/README"));
}

TEST_F(SpoolTest, CountsAWindowThatNobodyCouldDecode) {
  const auto spool = Open();
  spool->BeginWindow();
  Window window = MakeWindow("a");
  window.duration = absl::ZeroDuration();
  spool->Commit(std::move(window));
  EXPECT_THAT(Tags(*spool), IsEmpty());
  EXPECT_EQ(Dropped(*spool, "invalid"), 1u);
}

TEST_F(SpoolTest, CountsAWindowThatIsTooLarge) {
  options_.max_window_bytes = 4000;
  const auto spool = Open();
  Take(*spool, std::string(5000, 'x'));
  Take(*spool, "small");
  EXPECT_THAT(Tags(*spool), ElementsAre("small"));
  EXPECT_EQ(Dropped(*spool, "too_large"), 1u);
}

TEST_F(SpoolTest, CountsAnAbandonedWindowUnderItsReason) {
  const auto spool = Open();
  spool->BeginWindow();
  spool->AbandonWindow("capture_failed");
  EXPECT_EQ(Dropped(*spool, "capture_failed"), 1u);
  Take(*spool, "a");
  EXPECT_EQ(spool->NextAfter(0)->window.sequence, 2u);
}

// The child leaves as a killed process does: no destructor runs.
template <typename Act>
void InKilledProcess(const SpoolOptions& options, Act act) {
  const pid_t child = ::fork();
  if (child == 0) {
    auto* spool = Spool::Open(options).value().release();
    act(*spool);
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
}

TEST_F(SpoolTest, CountsTheWindowThatWasOpenWhenTheAgentWasKilled) {
  InKilledProcess(options_, [](Spool& spool) {
    Take(spool, "a");
    spool.BeginWindow();
  });
  {
    const auto spool = Open();
    EXPECT_EQ(Dropped(*spool, "agent_killed"), 1u);
    EXPECT_THAT(Tags(*spool), ElementsAre("a"));
  }
  EXPECT_EQ(Dropped(*Open(), "agent_killed"), 0u);  // once
}

TEST_F(SpoolTest, CountsNothingWhenTheAgentWasKilledBetweenWindows) {
  InKilledProcess(options_, [](Spool& spool) {
    Take(spool, "a");
    spool.BeginWindow();
    spool.AbandonWindow("capture_failed");
  });
  EXPECT_EQ(Dropped(*Open(), "agent_killed"), 0u);
}

TEST_F(SpoolTest, TakesAKillBetweenTheFileAndTheMarkerForNoLoss) {
  InKilledProcess(options_, [](Spool& spool) { Take(spool, "a"); });
  const auto name = SpoolFileName::Parse(std::filesystem::path(WindowFiles()[0]).filename().string());
  auto marker = UnsavedMarker::Open(options_.directory).value();
  ASSERT_TRUE(marker.Write({.boot = name->boot, .open_sequence = 1, .memory_windows = 0}).ok());
  const auto spool = Open();
  EXPECT_EQ(Dropped(*spool, "agent_killed"), 0u);
  EXPECT_THAT(Tags(*spool), ElementsAre("a"));
}

TEST_F(SpoolTest, ClearsAwayAHalfWrittenFile) {
  std::filesystem::create_directories(options_.directory);
  const std::string half = options_.directory + "/000000000001-00ff00ff00ff00ff-5.window.new";
  std::ofstream(half) << "PLW1";
  const auto spool = Open();
  EXPECT_FALSE(std::filesystem::exists(half));
}

TEST_F(SpoolTest, TellsTheListenerOfEachCommit) {
  const auto spool = Open();
  int calls = 0;
  spool->SetListener([&calls] { ++calls; });
  Take(*spool, "a");
  Take(*spool, "b");
  spool->SetListener(nullptr);
  Take(*spool, "c");
  EXPECT_EQ(calls, 2);
}

// A file system of its own with room for a few windows.
class FullDiskTest : public SpoolTest {
 protected:
  void SetUp() override {
    SpoolTest::SetUp();
    if (::mount("tmpfs", directory_.path().c_str(), "tmpfs", 0, "size=128k") != 0) {
      GTEST_SKIP() << "cannot mount a tmpfs: needs CAP_SYS_ADMIN";
    }
    mounted_ = true;
  }
  void TearDown() override {
    if (mounted_) ::umount2(directory_.path().c_str(), MNT_DETACH);
  }

  void FillDisk() {
    std::ofstream filler(directory_.path() + "/filler", std::ios::binary);
    const std::string block(4096, 'x');
    while (filler.write(block.data(), static_cast<std::streamsize>(block.size())).flush()) {
    }
  }
  void FreeDisk() { std::filesystem::remove(directory_.path() + "/filler"); }

 private:
  bool mounted_ = false;
};

TEST_F(FullDiskTest, KeepsWindowsInMemoryAndWritesThemWhenThereIsRoom) {
  const auto spool = Open();
  Take(*spool, "a");
  FillDisk();
  Take(*spool, "b");
  Take(*spool, "c");
  EXPECT_EQ(spool->stats().memory_windows, 2u);
  EXPECT_THAT(Tags(*spool), ElementsAre("a", "b", "c"));
  FreeDisk();
  Take(*spool, "d");
  EXPECT_EQ(spool->stats().memory_windows, 0u);
  EXPECT_EQ(WindowFiles().size(), 4u);
  EXPECT_THAT(Tags(*spool), ElementsAre("a", "b", "c", "d"));
  EXPECT_EQ(Dropped(*spool, "disk_full"), 0u);
}

TEST_F(FullDiskTest, CountsWhatNeitherDiskNorMemoryHoldsAndDropsTheOldest) {
  options_.max_memory_bytes = 1000;  // some four windows
  const auto spool = Open();
  FillDisk();
  for (int i = 0; i < 20; ++i) Take(*spool, std::to_string(i));
  const SpoolStats stats = spool->stats();
  EXPECT_EQ(stats.windows + Dropped(*spool, "disk_full"), 20u);
  EXPECT_GT(Dropped(*spool, "disk_full"), 0u);
  EXPECT_EQ(Tags(*spool).back(), "19");
}

TEST_F(FullDiskTest, CountsAfterAKillWhatWasOnlyInMemory) {
  { const auto spool = Open(); }
  InKilledProcess(options_, [this](Spool& spool) {
    Take(spool, "a");
    FillDisk();
    Take(spool, "b");
    Take(spool, "c");
    spool.BeginWindow();
  });
  const auto spool = Open();  // on the disk that is still full
  EXPECT_THAT(Tags(*spool), ElementsAre("a"));
  EXPECT_EQ(Dropped(*spool, "disk_full"), 2u);
  EXPECT_EQ(Dropped(*spool, "agent_killed"), 1u);
}

TEST_F(FullDiskTest, LeavesNoHalfFilesBehind) {
  const auto spool = Open();
  FillDisk();
  Take(*spool, "a");
  for (const auto& file : std::filesystem::directory_iterator(options_.directory)) {
    EXPECT_THAT(file.path().string(), testing::Not(testing::EndsWith(".new")));
  }
}

TEST_F(FullDiskTest, ForgetsTheMemoryWindowsThatWereSent) {
  InKilledProcess(options_, [this](Spool& spool) {
    FillDisk();
    Take(spool, "a");
    spool.Remove(spool.NextAfter(0)->position);
  });
  EXPECT_EQ(Dropped(*Open(), "disk_full"), 0u);
}

}  // namespace
}  // namespace pilotlight::agent
