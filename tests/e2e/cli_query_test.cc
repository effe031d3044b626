// The command-line program against a real collector, and with files.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <nlohmann/json.hpp>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/unique_fd.h"
#include "tests/e2e/cli_with_collector.h"
#include "tests/support/collector_client.h"
#include "tests/support/stacks.h"

namespace pilotlight {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

// go-torch stops at its spaces, flamegraph.pl splits it at its semicolon.
const std::string kGeneric = "shop.Sum[go.shape.struct { Count int64; Cycles int64 }]";
constexpr int64_t kPeriod = 10'000'000;

// The same on a terminal of `columns`, whose line ends are "\r\n".
CommandResult RunOnTerminal(int columns, const std::string& arguments, const std::string& environment = "") {
  return RunCommand(absl::StrCat("TERM=xterm ", environment, " script -qec 'stty cols ", columns, "; ", kCli,
                                 " ", arguments, "' /dev/null </dev/null"));
}

NodeId AddNames(StackTrie& trie, const std::vector<std::string>& names) {
  NodeId node = StackTrie::kRoot;
  for (const std::string& name : names) {
    node = trie.Child(
        node, trie.InternFrame(FrameView{.function = name, .kind = FrameKind::kGo, .symbolized = true}));
  }
  return node;
}

// checkout: 700 samples of the generic function, 300 of main.serve itself; search: 100 of main.find.
Window ShopWindow(absl::Time start) {
  Window window;
  window.start = start;
  window.duration = absl::Seconds(10);
  window.interval = absl::Seconds(20);
  window.source = "ebpf";
  const auto add = [&window](const std::string& service, const std::string& pod) -> Series& {
    Series& series = window.series.emplace_back();
    series.labels = {{"pod", pod}, {std::string(kServiceLabel), service}};
    series.period = kPeriod;
    return series;
  };
  Series& checkout = add("checkout", "checkout-1");
  checkout.samples = {{AddNames(window.trie, {"main.serve"}), 300, 300 * kPeriod},
                      {AddNames(window.trie, {"main.serve", kGeneric}), 700, 700 * kPeriod}};
  checkout.loss = {.lost_samples = 5, .truncated_stacks = 0, .frames = 1700, .unsymbolized_frames = 17};
  Series& search = add("search", "search-1");
  search.samples = {{AddNames(window.trie, {"main.find"}), 100, 100 * kPeriod}};
  return window;
}

class CliQueryTest : public CliWithCollector {
 protected:
  static void SetUpTestSuite() {
    CliWithCollector::SetUpTestSuite();
    if (HasFatalFailure()) return;
    AgentStream stream(collector_->grpc_port(), "agent-1");
    ASSERT_TRUE(stream.SendHello());
    ASSERT_TRUE(stream.Send(ShopWindow(absl::Now() - absl::Seconds(60)), 1));
    const auto answer = stream.Receive();
    ASSERT_TRUE(answer && answer->has_acknowledgement());
  }
};

TEST_F(CliQueryTest, TopShowsTheLargestFirstWithIntervals) {
  const CommandResult top = RunCli("top -s checkout");
  EXPECT_EQ(top.exit_code, 0);
  EXPECT_THAT(top.output, HasSubstr("1,000 samples · 10s CPU · about 20s in the span · 1.00 cores"));
  EXPECT_THAT(top.output, HasSubstr("frames named 99% · whole stacks 100% · lost samples 5"));
  EXPECT_THAT(top.output, HasSubstr("7s  70.0%  67.1–72.8   7s   70.0%   67.1–72.8  " + kGeneric));
  EXPECT_LT(top.output.find(kGeneric), top.output.find("main.serve"));
  EXPECT_THAT(top.output, Not(HasSubstr("\x1b")));
}

TEST_F(CliQueryTest, TopSortsByCumulativeTimeWhenAsked) {
  const CommandResult top = RunCli("top -s checkout --cum -n 1");
  EXPECT_THAT(top.output, HasSubstr("main.serve"));
  EXPECT_THAT(top.output, HasSubstr("and 1 more functions; -n 0 shows all"));
}

TEST_F(CliQueryTest, TopAsJsonHasTheCounts) {
  const CommandResult top = RunCommand(kCli + " top -s checkout -o json");
  const nlohmann::json json = nlohmann::json::parse(top.output);
  EXPECT_EQ(json["rows"][0]["function"], kGeneric);
  EXPECT_EQ(json["rows"][0]["flat"]["count"], 700);
  EXPECT_EQ(json["rows"][1]["cumulative"]["count"], 1000);
  EXPECT_EQ(json["quality"]["lost_samples"], 5);
}

TEST_F(CliQueryTest, FocusAndIgnoreChooseStacks) {
  EXPECT_THAT(RunCli("top --focus 'shop.Sum'").output, HasSubstr("700 samples"));
  EXPECT_THAT(RunCli("top --ignore 'shop.Sum'").output, HasSubstr("400 samples"));
}

TEST_F(CliQueryTest, ShowHideAndPruneFromChooseFrames) {
  const std::string hidden = RunCli("top --hide 'shop.Sum'").output;
  EXPECT_THAT(hidden, Not(HasSubstr("shop.Sum")));
  EXPECT_THAT(hidden, HasSubstr("1,100 samples"));
  EXPECT_EQ(RunCli("flame -s checkout -o folded --show '^main'").output, "main.serve 1000\n");
  EXPECT_EQ(RunCli("flame -s checkout -o folded --prune-from '^main'").output, "main.serve 1000\n");
  EXPECT_EQ(RunCli("flame -s checkout -o folded --show '('").exit_code, 2);
}

TEST_F(CliQueryTest, ReverseTurnsStacksAround) {
  const std::string folded = RunCommand(kCli + " flame -s checkout -o folded").output;
  const std::string reversed = RunCommand(kCli + " flame -s checkout -o folded --reverse").output;
  EXPECT_EQ(reversed,
            "main.serve 300\n"
            "shop.Sum[go.shape.struct { Count int64\\u003b Cycles int64 }];main.serve 700\n");
  Write("reversed.folded", reversed);
  EXPECT_EQ(
      RunCommand(absl::StrCat(kCli, " flame --reverse -o folded ", InDirectory("reversed.folded"))).output,
      folded);
  EXPECT_EQ(RunCli("flame -s checkout --reverse --out " + InDirectory("reversed.pb.gz")).exit_code, 2);
}

TEST_F(CliQueryTest, APictureHasATitleAndGrowsUpwardsIfAsked) {
  const std::string svg = RunCommand(kCli + " flame -s checkout --title 'Hot & cold' --layout flame").output;
  EXPECT_THAT(svg, HasSubstr("<title>Hot &amp; cold</title>"));
  EXPECT_THAT(svg, HasSubstr("data-layout=\"flame\""));
}

TEST_F(CliQueryTest, SelectorsReachTheCollectorAsTheyAre) {
  EXPECT_THAT(RunCli(R"(top -s '{service_name=~"s.*", pod!="x"}')").output, HasSubstr("100 samples"));
  EXPECT_THAT(RunCli(R"(top -s 'pod="search-1"')").output, HasSubstr("100 samples"));
  EXPECT_THAT(RunCli("top").output, HasSubstr("1,100 samples"));
}

TEST_F(CliQueryTest, NamesSurviveEveryFormat) {
  const std::string folded = RunCommand(kCli + " flame -s checkout -o folded").output;
  EXPECT_EQ(folded,
            "main.serve 300\n"
            "main.serve;shop.Sum[go.shape.struct { Count int64\\u003b Cycles int64 }] 700\n");
  EXPECT_THAT(RunCommand(kCli + " flame -s checkout").output, HasSubstr(kGeneric));  // SVG by default
  const nlohmann::json json = nlohmann::json::parse(RunCommand(kCli + " flame -s checkout -o json").output);
  EXPECT_EQ(json["nodes"][2]["name"], kGeneric);

  Write("back.folded", folded);
  ASSERT_EQ(RunCli("flame -s checkout --out " + InDirectory("back.pb.gz")).exit_code, 0);
  for (const char* file : {"back.folded", "back.pb.gz"}) {
    const CommandResult back = RunCommand(absl::StrCat(kCli, " top -o json ", InDirectory(file)));
    const nlohmann::json top = nlohmann::json::parse(back.output);
    EXPECT_EQ(top["rows"][0]["function"], kGeneric) << file;
    EXPECT_EQ(top["rows"][0]["flat"]["count"], 700) << file;
  }
}

TEST_F(CliQueryTest, GoToolPprofReadsWhatFlameWrites) {
  const std::string file = InDirectory("cpu.pb.gz");
  const CommandResult flame = RunCli("flame -s checkout --out " + file);
  EXPECT_EQ(flame.exit_code, 0);
  EXPECT_THAT(flame.output, HasSubstr(file + ": 1,000 samples, 10s CPU, frames named 99%"));
  const CommandResult pprof =
      RunCommand(absl::StrCat(PILOTLIGHT_GO, " tool pprof -top ", file, " 2>/dev/null"));
  EXPECT_THAT(pprof.output, HasSubstr("Total samples = 10s"));
  EXPECT_THAT(pprof.output, HasSubstr(kGeneric));
}

TEST_F(CliQueryTest, QueryShowsCoresOverTime) {
  const CommandResult query = RunCli("query --by service --since 10m --step 20s");
  EXPECT_EQ(query.exit_code, 0);
  // 10 s and 1 s of CPU time in half of 20 s.
  EXPECT_THAT(query.output, HasSubstr("checkout      1.000    1.000  1.000    1,000"));
  EXPECT_THAT(query.output, HasSubstr("search        0.100    0.100  0.100      100"));
  EXPECT_THAT(query.output, HasSubstr("█"));
  const nlohmann::json json =
      nlohmann::json::parse(RunCommand(kCli + " query -s search --since 10m --step 20s -o json").output);
  EXPECT_EQ(json["step_seconds"], 20);
  EXPECT_EQ(json["series"][0]["points"][0]["samples"], 100);
}

TEST_F(CliQueryTest, DiffMarksWhatChangedBetweenTwoSelections) {
  const CommandResult diff = RunCli("diff -s search --base-selector checkout --cum");
  EXPECT_EQ(diff.exit_code, 0);
  EXPECT_THAT(diff.output, HasSubstr("base: CPU time of {service_name=\"checkout\"}"));
  EXPECT_THAT(diff.output, HasSubstr("new: CPU time of {service_name=\"search\"}"));
  EXPECT_THAT(diff.output, HasSubstr("3 of 3 functions changed in cum by more than chance"));
  EXPECT_THAT(diff.output,
              testing::ContainsRegex("▲ +\\+100\\.0 +0\\.0 +100\\.0 .*\\+0\\.100 +main\\.find\n"));
  EXPECT_THAT(diff.output, testing::ContainsRegex("▼ +-100\\.0 +100\\.0 +0\\.0 .*-1\\.000 +main\\.serve\n"));
}

TEST_F(CliQueryTest, DiffComparesWithTheSpanBeforeAndSaysThatNothingIsThere) {
  const CommandResult diff = RunCli("diff -s checkout --since 5m");
  EXPECT_EQ(diff.exit_code, 0);
  EXPECT_THAT(diff.output, HasSubstr("Nothing was recorded for {service_name=\"checkout\"}"));
  EXPECT_THAT(diff.output, HasSubstr("One side has no samples"));
}

TEST_F(CliQueryTest, DiffOfFilesHasTheNumbersOfBoth) {
  Write("before.folded", "main;a 500\nmain;b 500\n");
  Write("after.folded", "main;a 1400\nmain;b 600\n");
  const nlohmann::json json =
      nlohmann::json::parse(RunCommand(absl::StrCat(kCli, " diff -o json -n 1 ", InDirectory("before.folded"),
                                                    " ", InDirectory("after.folded")))
                                .output);
  EXPECT_EQ(json["functions"], 3);
  EXPECT_EQ(json["significant_flat"], 2);
  EXPECT_EQ(json["rows"][0]["function"], "a");
  EXPECT_EQ(json["rows"][0]["flat"]["base"]["count"], 500);
  EXPECT_EQ(json["rows"][0]["flat"]["comparison"]["count"], 1400);
  EXPECT_EQ(RunCli("diff " + InDirectory("before.folded")).exit_code, 2);
}

TEST_F(CliQueryTest, PeekAgreesWithGoToolPprof) {
  const CommandResult peek = RunCli("peek main.serve -s checkout");
  EXPECT_EQ(peek.exit_code, 0);
  EXPECT_THAT(peek.output,
              testing::ContainsRegex("\n +3s +30\\.0% +10s +100\\.0% +main\\.serve\n +7s +70\\.0% +└ shop"));
  const std::string file = InDirectory("peek.pb.gz");
  ASSERT_EQ(RunCli("flame -s checkout --out " + file).exit_code, 0);
  const CommandResult pprof =
      RunCommand(absl::StrCat(PILOTLIGHT_GO, " tool pprof -peek main.serve ", file, " 2>/dev/null"));
  EXPECT_THAT(pprof.output,
              testing::ContainsRegex("3s 30\\.00% .*10s +100% +\\| main\\.serve\n +7s 70\\.00% \\| +shop"));
  EXPECT_THAT(RunCli("peek nobody -s checkout").output, HasSubstr("No function of"));
  EXPECT_EQ(RunCli("peek '(' -s checkout").exit_code, 2);
}

TEST_F(CliQueryTest, QueryShowsTheShareOfAFunctionByALabel) {
  const CommandResult query = RunCli("query --by service --since 10m --step 1m --focus shop.Sum --share");
  EXPECT_EQ(query.exit_code, 0);
  EXPECT_THAT(query.output,
              testing::ContainsRegex("checkout +70\\.0% +67\\.1–72\\.8 +70\\.0% +70\\.0% +700 +1,000 "));
  EXPECT_THAT(query.output, testing::ContainsRegex("search +0\\.0% +0\\.0–3\\.7 +0\\.0% +0\\.0% +0 +100 "));
  EXPECT_EQ(RunCli("query --share").exit_code, 2);
}

TEST_F(CliQueryTest, LabelsListsNamesValuesAndTypes) {
  EXPECT_EQ(RunCli("labels").output, "pod\nservice_name\n");
  EXPECT_EQ(RunCli("labels service").output, "checkout\nsearch\n");
  EXPECT_EQ(RunCli("labels pod -s search").output, "search-1\n");
  EXPECT_EQ(RunCli("labels __profile_type__").output, "process_cpu:cpu:nanoseconds:cpu:nanoseconds\n");
}

TEST_F(CliQueryTest, AnEmptySelectionIsNoFailureAndHelps) {
  for (const char* command : {"top", "flame -o folded", "query"}) {
    const CommandResult result = RunCli(absl::StrCat(command, " -s nobody"));
    EXPECT_EQ(result.exit_code, 0) << command;
    EXPECT_THAT(result.output, HasSubstr(R"(Nothing was recorded for {service_name="nobody"})")) << command;
    EXPECT_THAT(result.output, HasSubstr("pilotlight labels service_name")) << command;
  }
  EXPECT_THAT(RunCli("top -s checkout --focus nothing").output, HasSubstr("passes --focus and --ignore"));
}

TEST_F(CliQueryTest, WrongQuestionsExitWithTwoAndAHint) {
  for (const char* arguments : {"top -s '{service'",
                                "top --focus '('",
                                "top --type cpu",
                                "top --from yesterday",
                                "top --from now --to -1h",
                                "top --since 1h --from -2h",
                                "top -n many",
                                "top --collector localhost",
                                "top --nonsense",
                                "flame -o gif",
                                "flame --out flame.xyz",
                                "query --step soon",
                                "labels a b",
                                "record",
                                "record ls",
                                "record --hz 0 --all",
                                "diff a",
                                "diff --base-offset 1h --base-from -2h",
                                "diff --base-offset soon",
                                "peek"}) {
    const CommandResult result = RunCli(arguments);
    EXPECT_EQ(result.exit_code, 2) << arguments << ": " << result.output;
    EXPECT_THAT(result.output, HasSubstr("--help")) << arguments;
  }
  EXPECT_EQ(RunCli("").exit_code, 2);
  EXPECT_EQ(RunCli("topp").exit_code, 2);
}

TEST_F(CliQueryTest, EveryCommandTeachesByExamples) {
  for (const char* command : {"top", "flame", "diff", "peek", "query", "labels", "record"}) {
    for (const std::string& help : {absl::StrCat(command, " --help"), absl::StrCat("help ", command)}) {
      const CommandResult result = RunCli(help);
      EXPECT_EQ(result.exit_code, 0) << help;
      EXPECT_THAT(result.output, HasSubstr(absl::StrCat("Examples:\n  pilotlight ", command))) << help;
    }
  }
  EXPECT_EQ(RunCli("--version").output, RunCli("version").output);
}

TEST_F(CliQueryTest, AnUnreachableCollectorIsOneLineThatHelps) {
  // Bound and not listening: nobody else can take the port.
  const UniqueFd socket(::socket(AF_INET, SOCK_STREAM, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  ASSERT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), length), 0);
  ASSERT_EQ(::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &length), 0);
  const std::string at = absl::StrCat("127.0.0.1:", ntohs(address.sin_port));
  CommandResult result = RunCli("top --collector " + at);
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.output, HasSubstr("no collector answers at " + at));
  EXPECT_THAT(result.output, HasSubstr("--collector HOST:PORT"));
  EXPECT_EQ(std::count(result.output.begin(), result.output.end(), '\n'), 1);

  // Listening, and silent for ever.
  ASSERT_EQ(::listen(socket.get(), 1), 0);
  result = RunCli("labels --timeout 500ms --collector " + at);
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.output, HasSubstr(at));
}

TEST_F(CliQueryTest, SeveralFilesAreMerged) {
  Write("a.folded", "main;f 3\n");
  Write("b.folded", "main;f 4\nmain;g 1\n");
  const CommandResult top = RunCommand(
      absl::StrCat(kCli, " top -o json ", InDirectory("a.folded"), " - < ", InDirectory("b.folded")));
  const nlohmann::json json = nlohmann::json::parse(top.output);
  EXPECT_EQ(json["rows"][0]["function"], "f");
  EXPECT_EQ(json["rows"][0]["flat"]["count"], 7);
  EXPECT_EQ(json["total"]["count"], 8);
}

TEST_F(CliQueryTest, AFileThatIsNoProfileIsNamed) {
  Write("garbage", std::string("\x00\xff\x13garbage", 10));
  for (const char* command : {"top", "flame -o folded"}) {
    const CommandResult result = RunCli(absl::StrCat(command, " ", InDirectory("garbage")));
    EXPECT_EQ(result.exit_code, 1) << command;
    EXPECT_THAT(result.output, HasSubstr(InDirectory("garbage"))) << command;
  }
  EXPECT_EQ(RunCli("top /no/such/file").exit_code, 1);
}

TEST_F(CliQueryTest, ATerminalGetsColourAndNamesThatFit) {
  const CommandResult top = RunOnTerminal(60, "top -s checkout");
  EXPECT_THAT(top.output, HasSubstr("\x1b["));
  EXPECT_THAT(top.output, HasSubstr("…"));
  EXPECT_THAT(RunOnTerminal(200, "top -s checkout").output, HasSubstr(kGeneric));
  EXPECT_THAT(RunOnTerminal(60, "top -s checkout", "NO_COLOR=1").output, Not(HasSubstr("\x1b[")));
}

TEST_F(CliQueryTest, ATerminalIsSparedBinaries) {
  for (const char* format : {"pprof", "svg"}) {
    const CommandResult result = RunOnTerminal(80, absl::StrCat("flame -s checkout -o ", format));
    EXPECT_EQ(result.exit_code, 2) << format;
    EXPECT_THAT(result.output, HasSubstr("add --out")) << format;
  }
}

}  // namespace
}  // namespace pilotlight
