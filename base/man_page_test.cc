#include "base/man_page.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace pilotlight {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(ManPageTest, ShowsFlagsAndCommandsWithTheirs) {
  CLI::App app("Does it", "doer");
  std::string text = "table";
  app.add_option("-o,--output", text, "How it looks")->type_name("FORMAT")->capture_default_str();
  app.add_option("--old", text, "Not any more")->group("");
  CLI::App* const command = app.add_subcommand("run", "Runs it");
  command->add_option("FILE", text, "What to run")->type_name("");
  command->footer("Examples:\n  doer run a-b\n.c");
  const std::string page = WriteManPage(app);
  EXPECT_THAT(page, HasSubstr(".SH NAME\ndoer \\- Does it\n"));
  EXPECT_THAT(
      page,
      HasSubstr(".TP\n\\fB\\-o\\fR, \\fB\\-\\-output\\fR \\fIFORMAT\\fR\nHow it looks (default: table)\n"));
  EXPECT_THAT(page, Not(HasSubstr("Not any more")));
  EXPECT_THAT(page, HasSubstr(".SS run\n\\fBdoer run\\fR [OPTIONS] [FILE]\n"));
  EXPECT_THAT(page, HasSubstr(".TP\n\\fIFILE\\fR\nWhat to run\n"));
  EXPECT_THAT(page, HasSubstr(".nf\nExamples:\n  doer run a\\-b\n\\&.c\n.fi\n"));
}

TEST(ManPageTest, BackslashesStay) {
  CLI::App app("A \\n is no newline", "doer");
  EXPECT_THAT(WriteManPage(app), HasSubstr("A \\en is no newline"));
}

}  // namespace
}  // namespace pilotlight
