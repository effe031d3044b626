#include "agent/targets/process_table.h"

#include <gtest/gtest.h>

#include "tests/support/fake_proc.h"

namespace pilotlight::agent {
namespace {

constexpr char kMaps[] = "1000-2000 r-xp 00000000 fd:01 9 /usr/bin/app\n";

class ProcessTableTest : public testing::Test {
 protected:
  FakeProc proc_;
  ProcessTable table_{proc_.root()};
};

TEST_F(ProcessTableTest, SnapshotsAProcess) {
  proc_.Put(
      {.pid = 10, .comm = "we (ird) n", .executable = "/usr/bin/app", .maps = kMaps, .start_ticks = 77});
  table_.OnProcess(10);
  const auto process = table_.Find(10);
  ASSERT_NE(process, nullptr);
  EXPECT_EQ(process->pid, 10);
  EXPECT_EQ(process->start_ticks, 77u);
  EXPECT_EQ(process->comm, "we (ird) n");
  EXPECT_EQ(process->executable, "/usr/bin/app");
  EXPECT_FALSE(process->kernel_thread);
  EXPECT_NE(process->maps.Find(0x1000), nullptr);
  EXPECT_EQ(process->labels, (Labels{{"service_name", "app"}}));
}

TEST_F(ProcessTableTest, NamesAReplacedExecutableWithoutItsMark) {
  proc_.Put({.pid = 10, .executable = "/usr/bin/app (deleted)"});
  table_.OnProcess(10);
  EXPECT_EQ(table_.Find(10)->executable, "/usr/bin/app");
}

TEST_F(ProcessTableTest, PutsAllKernelThreadsUnderOneService) {
  proc_.Put({.pid = 2, .comm = "kworker/0:1", .executable = ""});
  table_.OnProcess(2);
  EXPECT_TRUE(table_.Find(2)->kernel_thread);
  EXPECT_EQ(table_.Find(2)->labels, (Labels{{"service_name", "kernel"}}));
}

TEST_F(ProcessTableTest, FindsNothingForAProcessThatWasGoneBeforeItWasSeen) {
  table_.OnProcess(10);
  EXPECT_EQ(table_.Find(10), nullptr);
}

TEST_F(ProcessTableTest, NamesAProcessThatWasGoneByWhatTheKernelCalledIt) {
  table_.OnNamedProcess(10, "gzip");
  ASSERT_NE(table_.Find(10), nullptr);
  EXPECT_EQ(table_.Find(10)->labels, (Labels{{"service_name", "gzip"}}));
}

TEST_F(ProcessTableTest, PrefersWhatItSeesToTheNameThatItIsTold) {
  proc_.Put({.pid = 10, .comm = "app", .executable = "/usr/bin/app"});
  table_.OnNamedProcess(10, "sh");
  EXPECT_EQ(table_.Find(10)->labels.at("service_name"), "app");
}

TEST_F(ProcessTableTest, SnapshotsAgainWhenThePidIsReused) {
  proc_.Put({.pid = 10, .start_ticks = 1});
  table_.OnProcess(10);
  proc_.Put({.pid = 10, .executable = "/bin/other", .start_ticks = 2});
  table_.OnProcess(10);
  EXPECT_EQ(table_.Find(10)->executable, "/bin/other");
}

TEST_F(ProcessTableTest, SnapshotsAgainAfterAnExec) {
  proc_.Put({.pid = 10, .comm = "sh", .executable = "/bin/sh"});
  table_.OnProcess(10);
  proc_.Put({.pid = 10, .comm = "app", .executable = "/usr/bin/app"});
  table_.OnProcess(10);
  EXPECT_EQ(table_.Find(10)->labels.at("service_name"), "app");
}

TEST_F(ProcessTableTest, KeepsAVanishedProcessUntilTheNextWindowEnds) {
  proc_.Put({.pid = 10});
  table_.OnProcess(10);
  proc_.Remove(10);
  table_.EndWindow();
  EXPECT_NE(table_.Find(10), nullptr);
  table_.EndWindow();
  EXPECT_EQ(table_.Find(10), nullptr);
  EXPECT_EQ(table_.size(), 0u);
}

TEST_F(ProcessTableTest, KeepsAnIdleProcessThatLives) {
  proc_.Put({.pid = 10});
  table_.OnProcess(10);
  table_.EndWindow();
  table_.EndWindow();
  EXPECT_NE(table_.Find(10), nullptr);
}

// Knows more from the second question on.
class LateLabeller : public ProcessLabeller {
 public:
  ProcessLabelling LabelsOf(const Process& process) override {
    seen = process.cgroup;
    if (++questions == 1)
      return {.labels = {{"service_name", "early"}}, .dropped = false, .may_change = true};
    return {.labels = {{"service_name", "late"}}, .dropped = true, .may_change = false};
  }
  void Settle() override { ++settled; }

  Cgroup seen;
  int questions = 0;
  int settled = 0;
};

class LabelledProcessTableTest : public testing::Test {
 protected:
  FakeProc proc_;
  LateLabeller labeller_;
  ProcessTable table_{proc_.root(), &labeller_};
};

TEST_F(LabelledProcessTableTest, ShowsTheLabellerTheControlGroup) {
  proc_.Put({.pid = 10, .cgroup = "0::/system.slice/nginx.service\n"});
  table_.OnProcess(10);
  EXPECT_EQ(labeller_.seen.systemd_unit, "nginx.service");
}

TEST_F(LabelledProcessTableTest, AsksAgainForLabelsThatMayChangeUntilTheyDoNot) {
  proc_.Put({.pid = 10, .maps = kMaps});
  table_.OnProcess(10);
  EXPECT_EQ(table_.Find(10)->labels, (Labels{{"service_name", "early"}}));
  for (int i = 0; i < 3; ++i) table_.UpdateLabels();
  EXPECT_EQ(table_.Find(10)->labels, (Labels{{"service_name", "late"}}));
  EXPECT_TRUE(table_.Find(10)->dropped);
  EXPECT_NE(table_.Find(10)->maps.Find(0x1000), nullptr);
  EXPECT_EQ(labeller_.questions, 3);  // when it is seen, before the wait, and after it
  EXPECT_EQ(labeller_.settled, 1);
}

TEST_F(LabelledProcessTableTest, DoesNotAskForTheLabelsOfIdleProcesses) {
  proc_.Put({.pid = 10});
  table_.OnProcess(10);
  table_.EndWindow();
  table_.UpdateLabels();
  EXPECT_EQ(labeller_.questions, 1);
  table_.OnProcess(10);
  table_.UpdateLabels();
  EXPECT_EQ(labeller_.questions, 3);
}

TEST_F(LabelledProcessTableTest, AsksOnceForAProcessThatIsKnown) {
  proc_.Put({.pid = 10});
  for (int i = 0; i < 3; ++i) table_.OnNamedProcess(10, "app");
  EXPECT_EQ(labeller_.questions, 1);
}

TEST_F(ProcessTableTest, RefreshesMapsOncePerWindow) {
  proc_.Put({.pid = 10, .maps = kMaps});
  table_.OnProcess(10);
  proc_.Put({.pid = 10, .maps = "5000-6000 r-xp 00000000 fd:01 9 /new.so\n"});
  table_.RefreshMaps(10);
  ASSERT_NE(table_.Find(10)->maps.Find(0x5000), nullptr);

  proc_.Put({.pid = 10, .maps = kMaps});
  table_.RefreshMaps(10);
  EXPECT_NE(table_.Find(10)->maps.Find(0x5000), nullptr);
  table_.EndWindow();
  table_.RefreshMaps(10);
  EXPECT_EQ(table_.Find(10)->maps.Find(0x5000), nullptr);
}

TEST_F(ProcessTableTest, SnapshotsMapsAsOftenAsAsked) {
  proc_.Put({.pid = 10, .executable = "/usr/bin/app", .maps = kMaps});
  table_.OnProcess(10);
  for (const char* more :
       {"3000-4000 r-xp 00000000 fd:01 8 /lib/a.so\n", "5000-6000 r-xp 00000000 fd:01 7 /lib/b.so\n"}) {
    proc_.Put({.pid = 10, .executable = "/usr/bin/app", .maps = more});
    table_.SnapshotMaps(10);
  }
  EXPECT_NE(table_.Find(10)->maps.Find(0x5000), nullptr);
}

TEST_F(ProcessTableTest, KeepsOldMapsWhenTheProcessIsGone) {
  proc_.Put({.pid = 10, .maps = kMaps});
  table_.OnProcess(10);
  proc_.Remove(10);
  table_.RefreshMaps(10);
  EXPECT_NE(table_.Find(10)->maps.Find(0x1000), nullptr);
}

TEST_F(ProcessTableTest, DoesNotTakeTheMapsOfThePidsNextOwner) {
  proc_.Put({.pid = 10, .maps = kMaps, .start_ticks = 1});
  table_.OnProcess(10);
  proc_.Put({.pid = 10, .maps = "5000-6000 r-xp 00000000 fd:01 9 /new.so\n", .start_ticks = 2});
  table_.RefreshMaps(10);
  EXPECT_NE(table_.Find(10)->maps.Find(0x1000), nullptr);
}

}  // namespace
}  // namespace pilotlight::agent
