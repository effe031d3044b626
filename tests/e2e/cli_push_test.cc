// Profiles of other profilers, pushed to a real collector by the command-line program.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/gzip.h"
#include "exporters/folded.h"
#include "exporters/pprof.h"
#include "exporters/test_profiles.h"
#include "tests/e2e/cli_with_collector.h"

namespace pilotlight {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

// A recording of perf with two events, names with semicolons, frames without names.
const std::string kPerfScript = PILOTLIGHT_SOURCE_DIR "/tests/golden/perf/input";

// Function → samples of its own, and with its callees.
using Rows = std::map<std::string, std::pair<uint64_t, uint64_t>>;

Rows TopRows(const std::string& arguments) {
  const CommandResult top = RunCli(absl::StrCat("top -n 0 -o json ", arguments));
  EXPECT_EQ(top.exit_code, 0) << top.output;
  Rows rows;
  if (top.exit_code != 0) return rows;
  const nlohmann::json json = nlohmann::json::parse(top.output);
  for (const nlohmann::json& row : json["rows"]) {
    rows[row["function"]] = {row["flat"]["count"], row["cumulative"]["count"]};
  }
  return rows;
}

int64_t TopValue(const std::string& arguments) {
  return nlohmann::json::parse(RunCli("top -o json " + arguments).output)["total"]["value"];
}

Profile RecentProfile() {
  Profile profile = CpuProfile();
  profile.start = absl::Now() - absl::Minutes(5);
  AddStack(profile,
           {{.function = "main", .mapping = "/a b", .kind = FrameKind::kNative, .symbolized = true},
            {.function = "größe<std::less<\"x; y\">, (anonymous namespace)::Z>",
             .mapping = "/a b",
             .kind = FrameKind::kNative,
             .symbolized = true}},
           7, 70'000'000);
  return profile;
}

using CliPushTest = CliWithCollector;

TEST_F(CliPushTest, PprofKeepsItsNamesTotalsAndTime) {
  const Profile profile = RecentProfile();
  const std::string path = Write("cpu.pb.gz", WritePprof(profile));
  const CommandResult push = RunCli("push --service pprof " + path);
  ASSERT_EQ(push.exit_code, 0) << push.output;
  EXPECT_THAT(push.output,
              AllOf(HasSubstr("37 samples, 370ms as process_cpu:cpu:nanoseconds:cpu:nanoseconds"),
                    HasSubstr("pilotlight top -s pprof --from ")));
  EXPECT_EQ(TopRows("-s pprof"), TopRows(path));
  EXPECT_EQ(TopValue("-s pprof"), 370'000'000);
  EXPECT_THAT(RunCli("top -s pprof --since 4m").output, HasSubstr("Nothing was recorded"));
}

TEST_F(CliPushTest, PprofNeedsNoGzip) {
  const std::string bytes = Gunzip(WritePprof(RecentProfile()), 1 << 20).value();
  ASSERT_EQ(RunCli("push --service plain - <" + Write("cpu.pb", bytes)).exit_code, 0);
  EXPECT_EQ(TopValue("-s plain"), 370'000'000);
}

TEST_F(CliPushTest, FoldedStacksAreSamplesOfCpuTime) {
  const std::string path = Write("out.folded", WriteFolded(RecentProfile()));
  const CommandResult push = RunCli("push --service folded --sample-rate 100 " + path);
  ASSERT_EQ(push.exit_code, 0) << push.output;
  EXPECT_EQ(TopRows("-s folded"), TopRows(path));
  EXPECT_EQ(TopValue("-s folded"), 370'000'000);
}

TEST_F(CliPushTest, FoldedStacksAreWhatTheTypeSays) {
  const std::string type = "memory:alloc_space:bytes:space:bytes";
  ASSERT_EQ(
      RunCli("push --service bytes --type " + type + " " + Write("b.folded", "main;f 4096\n")).exit_code, 0);
  EXPECT_EQ(TopValue("-s bytes --type " + type), 4096);
}

TEST_F(CliPushTest, PerfScriptIsPushedWithAllItsEvents) {
  const CommandResult push = RunCli("push --service perf --label env=test -o json " + kPerfScript);
  ASSERT_EQ(push.exit_code, 0) << push.output;
  const nlohmann::json json = nlohmann::json::parse(push.output);
  EXPECT_EQ(json["profiles"].size(), 2u);
  EXPECT_EQ(json["labels"]["env"], "test");
  EXPECT_EQ(TopRows("-s perf"), TopRows(kPerfScript));
  EXPECT_EQ(TopRows("-s perf").count("my prog;x"), 1u);
  EXPECT_EQ(TopValue("-s perf"), 4 * 10'101'010);
  const std::string faults = " --type page-faults:page-faults:events:page-faults:events";
  EXPECT_EQ(TopRows("-s perf" + faults), TopRows(kPerfScript + faults));
  EXPECT_EQ(TopValue("-s 'env=\"test\"'" + faults), 23);
}

TEST_F(CliPushTest, EventsAddUpOverTime) {
  for (int i = 0; i < 2; ++i) ASSERT_EQ(RunCli("push --service twice " + kPerfScript).exit_code, 0);
  EXPECT_EQ(TopValue("-s twice --type page-faults:page-faults:events:page-faults:events"), 46);
}

TEST_F(CliPushTest, TheCommandThatIsPrintedShowsWhatWasPushed) {
  const std::string path = Write("old.pb.gz", WritePprof(CpuProfile()));
  const std::string arguments =
      "push --service 'my shop' --label 'q=a\"b\\c' --from -26h -o json " + path + " " + kPerfScript;
  const CommandResult push = RunCli(arguments);
  ASSERT_EQ(push.exit_code, 0) << push.output;
  const nlohmann::json commands = nlohmann::json::parse(push.output)["commands"];
  ASSERT_EQ(commands.size(), 2u);
  for (const std::string command : commands) {
    const CommandResult top = RunCommand(absl::StrCat(PILOTLIGHT_BIN_DIR "/", command, " 2>&1"));
    EXPECT_EQ(top.exit_code, 0) << command;
    EXPECT_THAT(top.output, AllOf(HasSubstr("my shop"), HasSubstr("function"))) << command;
  }
}

TEST_F(CliPushTest, WhatIsTooOldIsRefusedAndSaysWhatToDo) {
  const std::string path = Write("2023.pb.gz", WritePprof(CpuProfile()));
  const CommandResult refused = RunCli("push --service old " + path);
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.output, AllOf(HasSubstr(path), HasSubstr("--to now stores it")));
  EXPECT_EQ(RunCli("push --service old --to now " + path).exit_code, 0);
  EXPECT_EQ(TopValue("-s old"), 300'000'000);
}

TEST_F(CliPushTest, ErrorsSayWhatToDo) {
  EXPECT_EQ(RunCli("push " + kPerfScript).exit_code, 2);
  EXPECT_EQ(RunCli("push --service x").exit_code, 2);
  const auto error = [](const std::string& arguments, int exit_code) {
    const CommandResult result = RunCli("push --service x " + arguments);
    EXPECT_EQ(result.exit_code, exit_code) << result.output;
    return result.output;
  };
  EXPECT_THAT(error("--label env " + kPerfScript, 2), HasSubstr("NAME=VALUE"));
  EXPECT_THAT(error("--label __a=b " + kPerfScript, 2), HasSubstr("__"));
  EXPECT_THAT(error("--label service_name=y " + kPerfScript, 2), HasSubstr("--service"));
  EXPECT_THAT(error("--from now --to -1h " + kPerfScript, 2), HasSubstr("--from is not before --to"));
  EXPECT_THAT(error("--type memory " + kPerfScript, 2), HasSubstr("<sample type>"));
  EXPECT_THAT(error("--type a:b:c:d:e " + kPerfScript, 1), HasSubstr("leave --type out"));
  EXPECT_THAT(error("--format folded " + kPerfScript, 1), HasSubstr("line 1"));
  EXPECT_THAT(error("- - </dev/null", 2), HasSubstr("only once"));
  EXPECT_THAT(error("/nowhere", 1), HasSubstr("/nowhere"));
  EXPECT_THAT(error("--collector localhost:1 " + kPerfScript, 1), HasSubstr("no collector answers"));
  EXPECT_THAT(error("--label 1a=b " + kPerfScript, 2), HasSubstr("label name"));
  EXPECT_THAT(RunCli("labels service_name").output, Not(HasSubstr("x\n")));
}

TEST_F(CliPushTest, LabelsOfSamplesCanBeAskedFor) {
  std::vector<Profile> profiles;
  profiles.push_back(RecentProfile());
  LabelledProfile labelled = std::move(WithoutLabels(std::move(profiles))[0]);
  labelled.parts.push_back({.labels = {{"handler", "/cart"}}, .samples = labelled.parts[0].samples});
  ASSERT_EQ(RunCli("push --service labelled " + Write("labelled.pb.gz", WritePprof(labelled))).exit_code, 0);
  const int64_t part = TopValue("-s '{service_name=\"labelled\", handler=\"/cart\"}'");
  EXPECT_GT(part, 0);
  EXPECT_EQ(TopValue("-s labelled"), 2 * part);
}

TEST_F(CliPushTest, ARecordingOfPerfIsPushed) {
  const std::string data = InDirectory("perf.data");
  const CommandResult record = RunCommand(absl::StrCat("echo | perf record -e cpu-clock -F 99 -g -o ", data,
                                                       " -- " PILOTLIGHT_WORKLOADS "/spin brief 2>&1"));
  if (record.exit_code != 0) GTEST_SKIP() << "no perf record here: " << record.output;
  const std::string text = InDirectory("perf.txt");
  const std::string script = absl::StrCat("perf script -i ", data, " 2>/dev/null");
  ASSERT_EQ(RunCommand(absl::StrCat(script, " >", text)).exit_code, 0);
  const CommandResult push = RunCommand(absl::StrCat(script, " | ", kCli, " push --service spin - 2>&1"));
  ASSERT_EQ(push.exit_code, 0) << push.output;
  const Rows rows = TopRows("-s spin");
  EXPECT_EQ(rows, TopRows(text));
  // Every sample begins with a line of its own that names the event.
  const uint64_t samples = std::stoull(RunCommand("grep -c cpu-clock: " + text).output);
  ASSERT_EQ(rows.count("spin"), 1u) << push.output;
  EXPECT_EQ(rows.at("spin").second, samples);
  bool heavy = false;
  for (const auto& [function, counts] : rows) heavy |= function.find("heavy") != std::string::npos;
  EXPECT_TRUE(heavy);
}

}  // namespace
}  // namespace pilotlight
