// The manual pages that the programs print of themselves, as the tools for them see them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "tests/support/command.h"

namespace pilotlight {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class ManPageTest : public testing::TestWithParam<std::string> {
 protected:
  // `tool` reads the page from its standard input.
  CommandResult Read(const std::string& tool) const {
    return RunCommand(
        absl::StrCat(PILOTLIGHT_BIN_DIR "/", GetParam(), " --help-man | LC_ALL=C.UTF-8 ", tool));
  }
};

TEST_P(ManPageTest, MandocFindsNothingWrong) {
  if (RunCommand("command -v mandoc").exit_code != 0) GTEST_SKIP() << "no mandoc here";
  // The page has no date, so that the same program prints the same page.
  EXPECT_EQ(Read("mandoc -T lint -W warning 2>&1 | grep -v 'missing date'").output, "");
}

TEST_P(ManPageTest, GroffFindsNothingWrong) {
  if (RunCommand("command -v man groff").exit_code != 0) GTEST_SKIP() << "no man here";
  EXPECT_EQ(Read("man --warnings -l - 2>&1 >/dev/null").output, "");
}

TEST_P(ManPageTest, ShowsNamesAndFlags) {
  if (RunCommand("command -v mandoc").exit_code != 0) GTEST_SKIP() << "no mandoc here";
  EXPECT_THAT(Read("mandoc -T utf8 | col -b").output,
              AllOf(HasSubstr(GetParam() + " - "), HasSubstr("SYNOPSIS"), HasSubstr("--help"),
                    HasSubstr(GetParam() == "pilotlight" ? "-s, --selector SELECTOR" : "--log.level")));
}

INSTANTIATE_TEST_SUITE_P(Programs, ManPageTest,
                         testing::Values("pilotlight", "pilotlight-agent", "pilotlight-collector"),
                         [](const auto& program) {
                           return program.param.substr(program.param.rfind('-') + 1);
                         });

}  // namespace
}  // namespace pilotlight
