#include "exporters/profile_file.h"

#include <fstream>

#include "base/file.h"
#include "base/gzip.h"
#include "exporters/folded.h"
#include "exporters/pprof.h"
#include "exporters/test_profiles.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace pilotlight {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(ProfileFileTest, TheBytesTellTheFormat) {
  const std::string pprof = WritePprof(CpuProfile());
  const std::string folded = WriteFolded(CpuProfile());
  EXPECT_EQ(WriteFolded(ParseProfileFile(pprof).value()[0]), folded);
  EXPECT_EQ(WriteFolded(ParseProfileFile(Gunzip(pprof, 1 << 20).value()).value()[0]), folded);
  EXPECT_EQ(WriteFolded(ParseProfileFile(folded).value()[0]), folded);
  EXPECT_EQ(WriteFolded(ParseProfileFile(Gzip(folded)).value()[0]), folded);
}

TEST(ProfileFileTest, ErrorsNameTheFileAndWhatIsWrong) {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/page";
  std::ofstream(path) << "<!doctype html>\n";
  const std::string error(ReadProfileFile(path).status().message());
  EXPECT_THAT(error, StartsWith(path));
  EXPECT_THAT(error, HasSubstr("HTML"));
  EXPECT_THAT(error, HasSubstr("line 1"));
  EXPECT_EQ(ReadProfileFile(directory.path() + "/none").status().code(), absl::StatusCode::kNotFound);
  EXPECT_FALSE(ParseProfileFile("").ok());
}

}  // namespace
}  // namespace pilotlight
