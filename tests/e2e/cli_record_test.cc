// Recording without a collector: commands, running processes, Go programs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cmath>
#include <csignal>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/file.h"
#include "tests/support/child_process.h"
#include "tests/support/command.h"

namespace pilotlight {
namespace {

using testing::AllOf;
using testing::Ge;
using testing::HasSubstr;
using testing::Le;
using testing::Not;

const std::string kCli = PILOTLIGHT_BIN_DIR "/pilotlight";
// Its heavy() uses 300 ms of CPU time, in all but nothing else, when a line comes in.
const std::string kBrief = "echo | " PILOTLIGHT_WORKLOADS "/spin brief";
// 300 ms at 99 Hz are 29.7 samples. Run in slices that are shorter than a tick, beside others, it is hit by
// chance: the standard deviation is then some 5; these are three of them.
constexpr uint64_t kLeastBrief = 14;
constexpr uint64_t kMostBrief = 46;

// Counts of the folded stacks that end in a function whose name contains `leaf`.
uint64_t CountOf(const std::string& folded, const std::string& leaf) {
  uint64_t sum = 0;
  for (const absl::string_view line : absl::StrSplit(folded, '\n', absl::SkipEmpty())) {
    const size_t space = line.rfind(' ');
    const size_t semicolon = line.substr(0, space).rfind(';');
    uint64_t count = 0;
    if (semicolon == absl::string_view::npos || !absl::SimpleAtoi(line.substr(space + 1), &count)) continue;
    if (absl::StrContains(line.substr(semicolon, space - semicolon), leaf)) sum += count;
  }
  return sum;
}

class CliRecordTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const CommandResult probe =
        RunCommand(absl::StrCat(kCli, " record --for 10ms --all --source ", GetParam(), " 2>&1 >/dev/null"));
    if (probe.exit_code != 0) GTEST_SKIP() << probe.output;
  }
  std::string Record(const std::string& arguments) const {
    return absl::StrCat(kCli, " record --source ", GetParam(), " ", arguments);
  }
  std::string InDirectory(const std::string& name) const {
    return absl::StrCat(directory_.path(), "/", name);
  }

  TemporaryDirectory directory_;
};

TEST_P(CliRecordTest, AShortCommandIsSeenWhole) {
  const CommandResult result = RunCommand(Record("-o folded -- sh -c '" + kBrief + "'"));
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(CountOf(result.output, "heavy("), AllOf(Ge(kLeastBrief), Le(kMostBrief))) << result.output;
}

TEST_P(CliRecordTest, ChildrenOfTheCommandAreSeenToo) {
  const CommandResult result =
      RunCommand(Record("-o folded -- sh -c '" + kBrief + "; " + kBrief + " & wait'"));
  EXPECT_THAT(CountOf(result.output, "heavy("), AllOf(Ge(2 * kLeastBrief), Le(2 * kMostBrief)))
      << result.output;
}

TEST_P(CliRecordTest, TheCommandsExitCodeIsOurs) {
  EXPECT_EQ(RunCommand(Record("-- sh -c 'exit 7' 2>/dev/null")).exit_code, 7);
  EXPECT_EQ(RunCommand(Record("-- sh -c 'kill -9 $$' 2>/dev/null")).exit_code, 137);
  const CommandResult missing = RunCommand(Record("-- /no/such/program 2>&1"));
  EXPECT_EQ(missing.exit_code, 127);
  EXPECT_THAT(missing.output, HasSubstr("/no/such/program"));
}

TEST_P(CliRecordTest, ArgumentsReachTheCommandAsTheyAre) {
  const CommandResult result =
      RunCommand(Record("--out /dev/null -o json -- printf '%s|' '[a,b]' --for -- '{x}' ''"));
  EXPECT_EQ(result.output, "[a,b]|--for|--|{x}||");
}

TEST_P(CliRecordTest, TheCommandsOutputAndTheProfileStayApart) {
  EXPECT_THAT(RunCommand(Record("-o folded -- sh -c 'echo hello' 2>/dev/null")).output,
              Not(HasSubstr("hello")));
  EXPECT_THAT(RunCommand(Record("-o folded -- sh -c 'echo hello' 2>&1 >/dev/null")).output,
              HasSubstr("hello"));
  EXPECT_EQ(RunCommand(Record("--out " + InDirectory("p.svg") + " -- echo hello 2>/dev/null")).output,
            "hello\n");
}

TEST_P(CliRecordTest, ARunningProcessHasItsShares) {
  ChildProcess cruncher({PILOTLIGHT_WORKLOADS "/cruncher", "0.9"});
  ASSERT_THAT(cruncher.ReadLine(), HasSubstr("ready"));
  const std::string file = InDirectory("cpu.pb.gz");
  const CommandResult recorded =
      RunCommand(Record(absl::StrCat("--for 4s --out ", file, " --pid ", cruncher.pid(), " 2>&1")));
  EXPECT_EQ(recorded.exit_code, 0);
  EXPECT_THAT(recorded.output, HasSubstr(absl::StrCat("by ", GetParam())));

  const nlohmann::json top =
      nlohmann::json::parse(RunCommand(absl::StrCat(kCli, " top -o json ", file)).output);
  const double total = top["total"]["count"].get<double>();
  ASSERT_GT(total, 50);
  std::map<std::string, double> share;
  for (const nlohmann::json& row : top["rows"]) {
    // With what is inlined into it.
    share[row["function"]] = row["cumulative"]["count"].get<double>() / total;
  }
  const auto expect_share = [&](const std::string& function, double expected) {
    // Four standard deviations.
    EXPECT_NEAR(share[function], expected, 4 * std::sqrt(expected * (1 - expected) / total)) << function;
  };
  expect_share("cruncher::compress_block(int)", 0.5);
  expect_share("cruncher::sort_records<unsigned long>(int)", 0.3);
  expect_share("cruncher::checksum_pages(int)", 0.2);
  const CommandResult pprof =
      RunCommand(absl::StrCat(PILOTLIGHT_GO, " tool pprof -top ", file, " 2>/dev/null"));
  EXPECT_THAT(pprof.output, HasSubstr("cruncher::compress_block(int)"));
}

TEST_P(CliRecordTest, TheEndOfTheProcessEndsTheRecording) {
  const CommandResult result =
      RunCommand(absl::StrCat("sh -c '", kBrief, "' >/dev/null & ", Record("--for 1h --pid $!"), " 2>&1"));
  EXPECT_EQ(result.exit_code, 0) << result.output;
}

TEST_P(CliRecordTest, TerminationEndsTheCommandAndStillWrites) {
  const std::string file = InDirectory("p.folded");
  ChildProcess recorder(
      {kCli, "record", "--source", GetParam(), "--out", file, "--", PILOTLIGHT_WORKLOADS "/spin", "mix"});
  ASSERT_THAT(recorder.ReadLine(), HasSubstr("ready"));
  // Its answers tell the CPU time that it has used.
  uint64_t process_ns = 0;
  while (process_ns < 300'000'000) {
    recorder.WriteLine("");
    const std::vector<std::string> numbers = absl::StrSplit(recorder.ReadLine(), ' ');
    ASSERT_EQ(numbers.size(), 3u);
    ASSERT_TRUE(absl::SimpleAtoi(numbers[2], &process_ns));
  }
  recorder.Signal(SIGTERM);
  const int status = recorder.Wait();
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 128 + SIGTERM);
  const absl::StatusOr<std::string> folded = ReadFile(file);
  ASSERT_TRUE(folded.ok()) << folded.status();
  EXPECT_GE(CountOf(*folded, "heavy(") + CountOf(*folded, "light("), 10u) << *folded;
}

INSTANTIATE_TEST_SUITE_P(Sources, CliRecordTest, testing::Values("ebpf", "perf"));

TEST(CliRecordUserTest, AnOrdinaryUserSeesTheirOwnCommand) {
  const std::string as_nobody = "setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all ";
  // Where the build is in a directory of ours alone, others cannot start its programs.
  const CommandResult probe =
      RunCommand(as_nobody + kCli + " record -- sh -c '" + kBrief + "' 2>&1 >/dev/null");
  if (probe.exit_code != 0) GTEST_SKIP() << probe.output;
  const CommandResult result =
      RunCommand(as_nobody + kCli + " record -o folded -- sh -c '" + kBrief + "; " + kBrief + "' 2>&1");
  EXPECT_THAT(CountOf(result.output, "heavy("), AllOf(Ge(2 * kLeastBrief), Le(2 * kMostBrief)))
      << result.output;
  EXPECT_THAT(result.output, HasSubstr("eBPF needs CAP_BPF"));
}

TEST(CliDoctorTest, SaysWhatWouldBeSeenOfAProcess) {
  ChildProcess child({PILOTLIGHT_WORKLOADS "/webshop"});
  ASSERT_THAT(child.ReadLine(), HasSubstr("ready"));
  const CommandResult result = RunCommand(absl::StrCat(kCli, " doctor -o json --pid ", child.pid()));
  EXPECT_EQ(result.exit_code, 0);
  const nlohmann::json json = nlohmann::json::parse(result.output);
  ASSERT_EQ(json["programs"].size(), 1u);
  EXPECT_EQ(json["programs"][0]["names"], "all");
  EXPECT_EQ(json["programs"][0]["frame_pointers"], "all");
  EXPECT_EQ(json["sources"][0]["name"], "ebpf");

  EXPECT_EQ(RunCommand(kCli + " doctor --pid 4194305 2>&1").exit_code, 1);
  EXPECT_EQ(RunCommand(kCli + " doctor -o yaml 2>&1").exit_code, 2);
}

TEST(CliRecordFailureTest, SaysWhatIsWrong) {
  const CommandResult missing = RunCommand(kCli + " record --pid 4194305 2>&1");
  EXPECT_EQ(missing.exit_code, 1);
  EXPECT_THAT(missing.output, HasSubstr("no process 4194305"));
  const CommandResult nobody = RunCommand(kCli + " record --url http://127.0.0.1:1 --for 1s 2>&1");
  EXPECT_EQ(nobody.exit_code, 1);
  EXPECT_THAT(nobody.output, HasSubstr("127.0.0.1:1"));
}

TEST(CliRecordUrlTest, AGoProgramGivesItsProfile) {
  ChildProcess webshop({PILOTLIGHT_WORKLOADS "/webshop", "--busy=0.9"});
  const std::string ready = webshop.ReadLine();
  const size_t at = ready.find("url=");
  ASSERT_NE(at, std::string::npos) << ready;
  const TemporaryDirectory directory;
  const std::string file = directory.path() + "/cpu.pb.gz";
  const CommandResult recorded = RunCommand(
      absl::StrCat(kCli, " record --for 2s --url ", ready.substr(at + 4), " --out ", file, " 2>&1"));
  ASSERT_EQ(recorded.exit_code, 0) << recorded.output;
  EXPECT_THAT(recorded.output, AllOf(HasSubstr("by pprof"), HasSubstr("frames named 100%")));
  const CommandResult pprof =
      RunCommand(absl::StrCat(PILOTLIGHT_GO, " tool pprof -top ", file, " 2>/dev/null"));
  EXPECT_THAT(pprof.output, AllOf(HasSubstr("Type: cpu"), HasSubstr("main.hashCart")));
}

}  // namespace
}  // namespace pilotlight
