// Code without frame pointers is walked by the tables that UnwindTableKeeper makes.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "agent/capture/ebpf/ebpf_source.h"
#include "agent/targets/process_list.h"
#include "agent/targets/process_table.h"
#include "agent/unwind/unwind_table_keeper.h"
#include "tests/bpf/spin_process.h"
#include "tests/support/fake_proc.h"

namespace pilotlight::agent {
namespace {

constexpr const char* kProgram = PILOTLIGHT_SPIN "_without_frame_pointers";

class UnwindTest : public testing::Test {
 protected:
  void SetUp() override {
    absl::StatusOr<std::unique_ptr<EbpfSource>> source = EbpfSource::Create();
    if (!source.ok()) GTEST_SKIP() << source.status();
    source_ = *std::move(source);
  }

  static void Add(UnwindTableKeeper& keeper, pid_t pid, const std::string& proc_root = "/proc") {
    VisitProcesses(
        {pid}, [&keeper](const Process& process) { keeper.AddProcess(process); }, proc_root);
  }

  ProcessSamples Watch(pid_t pid, ProcessObserver& observer) {
    absl::StatusOr<Capture> capture =
        source_->Run({.duration = absl::Seconds(2), .pids = {pid}}, observer, stop_);
    EXPECT_TRUE(capture.ok()) << capture.status();
    return capture.ok() ? SamplesOf(*capture, pid) : ProcessSamples();
  }

  static uint64_t Count(const ProcessSamples& samples, bool broken) {
    return CountStacks(samples, [broken](const RawStack& stack) { return stack.broken == broken; });
  }

  std::unique_ptr<EbpfSource> source_;
  ProcessTable processes_;
  StopSignal stop_;
};

TEST_F(UnwindTest, ReachesTheStartOfAProgramWithoutFramePointers) {
  SpinProcess spin("deep", kProgram);
  UnwindTableKeeper keeper(processes_, processes_, *source_);
  Add(keeper, spin.pid());
  EXPECT_EQ(keeper.stats().processes, 1u);
  const ProcessSamples samples = Watch(spin.pid(), keeper);
  ASSERT_GT(CountAll(samples), 10u);
  EXPECT_EQ(Count(samples, /*broken=*/true), 0u);
  for (const RawStack& stack : samples.stacks) {
    EXPECT_TRUE(spin.main_code().HoldsAny(stack.user)) << "leaf at " << std::hex << stack.user[0];
  }
}

TEST_F(UnwindTest, SaysThatAStackIsBrokenWithoutTables) {
  SpinProcess spin("deep", kProgram);
  const ProcessSamples samples = Watch(spin.pid(), processes_);
  ASSERT_GT(CountAll(samples), 10u);
  EXPECT_EQ(Count(samples, /*broken=*/false), 0u);
}

TEST_F(UnwindTest, MakesTablesAfterTheWindowThatMissedThem) {
  SpinProcess spin("deep", kProgram);
  UnwindTableKeeper keeper(processes_, processes_, *source_);
  EXPECT_GT(Count(Watch(spin.pid(), keeper), /*broken=*/true), 0u);
  const UnwindStats before = keeper.stats();
  keeper.EndWindow();
  EXPECT_GT(keeper.stats().built, before.built);
  const ProcessSamples samples = Watch(spin.pid(), keeper);
  EXPECT_EQ(Count(samples, /*broken=*/true), 0u);
  EXPECT_GT(Count(samples, /*broken=*/false), 50u);
}

TEST_F(UnwindTest, SharesTheTablesOfEqualBinaries) {
  SpinProcess first("deep", kProgram);
  UnwindTableKeeper keeper(processes_, processes_, *source_);
  Add(keeper, first.pid());
  const UnwindStats before = keeper.stats();
  SpinProcess second("deep", kProgram);
  Add(keeper, second.pid());
  EXPECT_EQ(keeper.stats().rows, before.rows);
  EXPECT_EQ(keeper.stats().processes, 2u);
}

TEST_F(UnwindTest, ForgetsProcessesThatAreGone) {
  UnwindTableKeeper keeper(processes_, processes_, *source_);
  {
    SpinProcess spin("deep", kProgram);
    Add(keeper, spin.pid());
    EXPECT_EQ(keeper.stats().processes, 1u);
  }
  keeper.EndWindow();
  EXPECT_EQ(keeper.stats().processes, 0u);
}

// A file that says that it is ELF and is not costs a count.
TEST_F(UnwindTest, CountsAHostileBinary) {
  FakeProc proc;
  const std::string path = proc.root() + "/hostile";
  std::ofstream(path) << "\x7f"
                         "ELF\x02\x01\x01"
                      << std::string(200, '\xff');
  struct stat status {};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  proc.Put({.pid = 10,
            .executable = path,
            .maps = absl::StrFormat("00400000-00500000 r-xp 00000000 %02x:%02x %d %s\n", major(status.st_dev),
                                    minor(status.st_dev), status.st_ino, path)});
  UnwindTableKeeper keeper(processes_, processes_, *source_, {.proc_root = proc.root()});
  Add(keeper, 10, proc.root());
  EXPECT_EQ(keeper.stats().unparsable, 1u);
  EXPECT_EQ(keeper.stats().processes, 0u);
}

TEST_F(UnwindTest, RefusesWhatFindsNoRoom) {
  UnwindMaps& maps = *source_->unwind_maps();
  const std::vector<UnwindMapping> many(PL_MAX_MAPPINGS_OF_PROCESS + 1);
  EXPECT_EQ(maps.SetProcess(1, many).code(), absl::StatusCode::kResourceExhausted);
  const std::vector<UnwindMapping> most(PL_MAX_MAPPINGS_OF_PROCESS);
  pid_t pid = 1;
  while (maps.SetProcess(pid, most).ok()) ++pid;
  EXPECT_EQ(pid, 1 + PL_MAX_MAPPINGS / PL_MAX_MAPPINGS_OF_PROCESS);
  EXPECT_TRUE(maps.needs_room_for_mappings());
  maps.ForgetProcess(2);
  maps.Compact();
  EXPECT_TRUE(maps.SetProcess(pid, most).ok());
  // A page for each address: more than there are.
  const absl::StatusOr<UnwindTable> table = maps.AddTable([](RowSink sink) {
    for (uint64_t page = 0; page <= PL_MAX_PAGES; ++page) {
      sink(page << PL_PAGE_SHIFT, {.cfa = CfaRule::kStackPointer, .cfa_offset = page % 2 == 0 ? 8 : 16});
    }
    return absl::OkStatus();
  });
  EXPECT_EQ(table.status().code(), absl::StatusCode::kResourceExhausted);
  maps.Clear();
  EXPECT_EQ(maps.rows(), 0u);
  EXPECT_EQ(maps.processes(), 0u);
}

}  // namespace
}  // namespace pilotlight::agent
