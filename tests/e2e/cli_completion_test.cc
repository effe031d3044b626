// What shells offer after the scripts of `pilotlight completion` are read.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/file.h"
#include "tests/support/collector_process.h"
#include "tests/support/command.h"

namespace pilotlight {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

const std::string kCli = PILOTLIGHT_BIN_DIR "/pilotlight";

class CliCompletionTest : public testing::Test {
 protected:
  CliCompletionTest() : script_(directory_.path() + "/script") {}

  // What bash offers for the last of `words`.
  std::vector<std::string> Offers(const std::vector<std::string>& words) const {
    std::string line = "unset COMP_WORDS; COMP_WORDS=(";
    for (const std::string& word : words) absl::StrAppend(&line, " '", word, "'");
    absl::StrAppend(&line, "); COMP_CWORD=", words.size() - 1, "\n",
                    // Outside of an interactive shell compopt has nothing to set.
                    "compopt() { echo \"$@\"; }\n", "source <(", kCli, " completion bash)\n", "_pilotlight ",
                    kCli, "\n", "((${#COMPREPLY[@]} == 0)) || printf '%s\\n' \"${COMPREPLY[@]}\"\n");
    const std::string path = directory_.path() + "/complete.bash";
    std::ofstream(path) << line;
    const CommandResult result = RunCommand(absl::StrCat("bash -eu ", path, " 2>&1"));
    EXPECT_EQ(result.exit_code, 0) << result.output;
    return absl::StrSplit(result.output, '\n', absl::SkipEmpty());
  }

  // False when the shell is not here.
  bool Write(const std::string& shell) const {
    if (RunCommand(absl::StrCat("command -v ", shell)).exit_code != 0) return false;
    EXPECT_EQ(RunCommand(absl::StrCat(kCli, " completion ", shell, " >", script_)).exit_code, 0);
    return true;
  }

  const TemporaryDirectory directory_;
  const std::string script_;
};

TEST_F(CliCompletionTest, BashOffersCommandsFlagsAndChoices) {
  EXPECT_THAT(Offers({"pilotlight", ""}),
              AllOf(Contains("top"), Contains("push"), Contains("completion"), Not(Contains("--help"))));
  EXPECT_THAT(Offers({"pilotlight", "pe"}), ElementsAre("peek"));
  EXPECT_THAT(Offers({"pilotlight", "--v"}), ElementsAre("--version"));
  EXPECT_THAT(Offers({"pilotlight", "top", "--s"}), ElementsAre("--selector", "--since", "--show"));
  EXPECT_THAT(Offers({"pilotlight", "top", "--cum", "-o", ""}), ElementsAre("table", "json"));
  EXPECT_THAT(Offers({"pilotlight", "flame", "--output", "=", "s"}), ElementsAre("svg", "speedscope"));
  EXPECT_THAT(Offers({"pilotlight", "flame", "--output", "="}), Contains("dot"));
  EXPECT_THAT(Offers({"pilotlight", "completion", ""}), ElementsAre("bash", "zsh", "fish"));
  EXPECT_THAT(Offers({"pilotlight", "help", "di"}), ElementsAre("diff"));
  EXPECT_THAT(Offers({"pilotlight", "top", "-n", ""}), IsEmpty());
  EXPECT_THAT(Offers({"pilotlight", "nonsense", ""}), IsEmpty());
}

TEST_F(CliCompletionTest, BashOffersFilesWhereFilesAreRead) {
  const std::vector<std::string> files = {"-o default"};
  EXPECT_EQ(Offers({"pilotlight", "top", ""}), files);
  EXPECT_EQ(Offers({"pilotlight", "push", "--service", "x", "cpu"}), files);
  EXPECT_EQ(Offers({"pilotlight", "flame", "--out", ""}), files);
  EXPECT_EQ(Offers({"pilotlight", "record", "--", "./prog", "--o"}), files);
}

TEST_F(CliCompletionTest, BashOffersTheServicesOfTheCollector) {
  const CollectorProcess collector(PILOTLIGHT_BIN_DIR "/pilotlight-collector", directory_.path() + "/data");
  ASSERT_TRUE(collector.running()) << collector.first_line();
  ::setenv("PILOTLIGHT_COLLECTOR", absl::StrCat("127.0.0.1:", collector.grpc_port()).c_str(), 1);
  for (const std::string service : {"checkout", "cart", "search", "a $(touch b)"}) {
    const std::string push = absl::StrCat("echo 'main;f 3' | ", kCli, " push --service '", service, "' -");
    ASSERT_EQ(RunCommand(push).exit_code, 0);
  }
  EXPECT_THAT(Offers({"pilotlight", "top", "-s", "c"}), ElementsAre("cart", "checkout"));
  EXPECT_THAT(Offers({"pilotlight", "top", "-s", "a"}), ElementsAre(R"(a\ \$\(touch\ b\))"));
  ::setenv("PILOTLIGHT_COLLECTOR", "127.0.0.1:1", 1);
  EXPECT_THAT(Offers({"pilotlight", "top", "-s", ""}), IsEmpty());
}

TEST_F(CliCompletionTest, TheScriptOfBashIsClean) {
  if (!Write("bash") || RunCommand("command -v shellcheck").exit_code != 0)
    GTEST_SKIP() << "no shellcheck here";
  const CommandResult check = RunCommand("shellcheck -s bash " + script_);
  EXPECT_EQ(check.exit_code, 0) << check.output;
}

TEST_F(CliCompletionTest, TheScriptOfZshIsWellFormed) {
  if (!Write("zsh")) GTEST_SKIP() << "no zsh here";
  const CommandResult check = RunCommand(absl::StrCat("zsh -n ", script_, " 2>&1"));
  EXPECT_EQ(check.output, "");
  EXPECT_EQ(check.exit_code, 0);
}

TEST_F(CliCompletionTest, FishOffersTheSame) {
  if (!Write("fish")) GTEST_SKIP() << "no fish here";
  const auto offers = [this](const std::string& line) {
    return RunCommand(absl::StrCat("HOME=", directory_.path(), " fish -N -c 'source ", script_,
                                   "; complete -C \"", line, "\"' 2>&1"))
        .output;
  };
  EXPECT_THAT(offers("pilotlight pe"), "peek\tWho calls a function, and what it calls\n");
  EXPECT_THAT(offers("pilotlight top --blo"), HasSubstr("--blockers\t"));
  EXPECT_THAT(offers("pilotlight flame -o sp"), HasSubstr("speedscope"));
  EXPECT_THAT(offers("pilotlight help di"), HasSubstr("diff"));
}

}  // namespace
}  // namespace pilotlight
