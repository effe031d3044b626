// Each directory beside this file is a case: `input` is a profile (pprof, folded stacks, perf script), the
// other files are what it becomes in the format of their names. `golden_test --update` writes them anew.
#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/file.h"
#include "exporters/cpuprofile.h"
#include "exporters/dot.h"
#include "exporters/folded.h"
#include "exporters/json.h"
#include "exporters/pprof.h"
#include "exporters/profile_file.h"
#include "exporters/speedscope.h"
#include "exporters/svg.h"
#include "gtest/gtest.h"
#include "tests/support/command.h"

namespace pilotlight {
namespace {

namespace fs = std::filesystem;

bool update = false;

fs::path Root() { return fs::path(PILOTLIGHT_SOURCE_DIR) / "tests/golden"; }

std::vector<std::string> Cases() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(Root())) {
    if (entry.is_directory()) names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

// The script is the same in every picture and has its own test; here it would only hide the rest.
std::string WithoutScript(std::string svg) {
  constexpr absl::string_view kBegin = "<![CDATA[";
  const size_t begin = svg.find(std::string(kBegin));
  const size_t end = svg.find("]]></script>");
  if (begin == std::string::npos || end == std::string::npos) return svg;
  return svg.erase(begin + kBegin.size(), end - begin - kBegin.size());
}

class GoldenTest : public ::testing::TestWithParam<std::string> {
 protected:
  GoldenTest() : case_(Root() / GetParam()) {
    absl::StatusOr<std::vector<Profile>> profiles = ReadProfileFile((case_ / "input").string());
    EXPECT_TRUE(profiles.ok()) << profiles.status();
    if (profiles.ok()) profile_ = std::move((*profiles)[0]);
  }

  void Compare(const std::string& name, const std::string& actual) const {
    const fs::path path = case_ / name;
    if (update) {
      std::ofstream(path, std::ios::binary) << actual;
      return;
    }
    const absl::StatusOr<std::string> expected = ReadFile(path.string());
    ASSERT_TRUE(expected.ok()) << expected.status();
    EXPECT_EQ(actual, *expected) << "golden_test --update accepts it";
  }

  // A file that programs can be given by its name.
  std::string Write(const std::string& name, const std::string& bytes) const {
    std::string path = directory_.path() + "/" + name;
    std::ofstream(path, std::ios::binary) << bytes;
    return path;
  }

  SvgOptions Options() const {
    return {.title = absl::StrCat("Case <", GetParam(), ">"),
            .subtitle = "a & b",
            .unit = profile_.type.sample_unit};
  }

  const TemporaryDirectory directory_;
  const fs::path case_;
  Profile profile_;
};

TEST_P(GoldenTest, Folded) { Compare("expected.folded", WriteFolded(profile_)); }

TEST_P(GoldenTest, FlameGraphJson) {
  Compare("expected.json", WriteFlameGraphJson(BuildFlameGraph(profile_), profile_.type));
}

TEST_P(GoldenTest, Speedscope) { Compare("expected.speedscope.json", WriteSpeedscope(profile_)); }

TEST_P(GoldenTest, CpuProfile) {
  Compare("expected.cpuprofile", WriteCpuProfile(BuildFlameGraph(profile_), profile_.type));
}

TEST_P(GoldenTest, Dot) { Compare("expected.dot", WriteDot(profile_)); }

TEST_P(GoldenTest, Svg) {
  Compare("expected.svg", WithoutScript(WriteSvg(BuildFlameGraph(profile_), Options())));
}

TEST_P(GoldenTest, SvgIsWellFormedXml) {
  const std::string path = Write("graph.svg", WriteSvg(BuildFlameGraph(profile_), Options()));
  const CommandResult result =
      RunCommand("python3 -c 'import sys, xml.dom.minidom as dom; dom.parse(sys.argv[1])' " + path + " 2>&1");
  EXPECT_EQ(result.exit_code, 0) << result.output;
}

TEST_P(GoldenTest, GoToolPprofReadsIt) {
  const std::string path = Write("profile.pb.gz", WritePprof(profile_));
  const CommandResult result = RunCommand(absl::StrCat("TZ=UTC ", PILOTLIGHT_GO, " tool pprof -raw ", path));
  ASSERT_EQ(result.exit_code, 0) << result.output;
  Compare("expected.raw", result.output);
}

INSTANTIATE_TEST_SUITE_P(Cases, GoldenTest, ::testing::ValuesIn(Cases()),
                         [](const auto& test_case) { return test_case.param; });

}  // namespace
}  // namespace pilotlight

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  pilotlight::update = argc > 1 && std::strcmp(argv[1], "--update") == 0;
  return RUN_ALL_TESTS();
}
