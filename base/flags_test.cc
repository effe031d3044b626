#include "base/flags.h"

#include <gtest/gtest.h>

namespace pilotlight {
namespace {

std::optional<int> Parse(CLI::App& app, std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "program");
  return ParseFlags(app, static_cast<int>(arguments.size()), arguments.data());
}

TEST(FlagsTest, ReadsDurationsAndSizes) {
  CLI::App app("test", "program");
  absl::Duration duration = absl::Seconds(10);
  uint64_t size = 1;
  AddDurationFlag(app, "--for", duration, "");
  AddSizeFlag(app, "--size", size, "");
  EXPECT_EQ(Parse(app, {"--for=1m30s", "--size=256MiB"}), std::nullopt);
  EXPECT_EQ(duration, absl::Seconds(90));
  EXPECT_EQ(size, uint64_t{256} << 20);
}

TEST(FlagsTest, EndsWithTwoOnWrongUsageAndZeroOnHelp) {
  CLI::App app("test", "program");
  absl::Duration duration;
  AddDurationFlag(app, "--for", duration, "");
  EXPECT_EQ(Parse(app, {"--for=soon"}), kExitUsage);
  EXPECT_EQ(Parse(app, {"--for=-1s"}), kExitUsage);
  EXPECT_EQ(Parse(app, {"--nonsense"}), kExitUsage);
  EXPECT_EQ(Parse(app, {"--help"}), 0);
  EXPECT_EQ(Parse(app, {"--version"}), 0);
}

TEST(FlagsTest, TellsWhatAnOptionTakes) {
  CLI::App app("test", "program");
  std::string text;
  bool flag = false;
  const CLI::Option* const format =
      app.add_option("-o", text)->check(CLI::IsMember({"table", "json"}))->type_name("FORMAT");
  EXPECT_EQ(ValueName(*format), "FORMAT");
  EXPECT_EQ(Choices(*format), (std::vector<std::string>{"table", "json"}));
  const CLI::Option* const address = app.add_option("--at", text)->type_name("HOST:PORT");
  EXPECT_EQ(ValueName(*address), "HOST:PORT");
  EXPECT_TRUE(Choices(*address).empty());
  EXPECT_EQ(ValueName(*app.add_flag("--all", flag)), "");
}

TEST(FlagsTest, KnowsDays) {
  EXPECT_EQ(ParseDurationText("14d"), absl::Hours(14 * 24));
  EXPECT_EQ(ParseDurationText("1d12h"), absl::Hours(36));
  EXPECT_EQ(ParseDurationText("d"), std::nullopt);
  EXPECT_EQ(ParseDurationText("10"), std::nullopt);
}

}  // namespace
}  // namespace pilotlight
