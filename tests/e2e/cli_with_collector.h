// The command-line program beside a real collector that it asks by default.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "tests/support/collector_process.h"
#include "tests/support/command.h"

namespace pilotlight {

inline const std::string kCli = PILOTLIGHT_BIN_DIR "/pilotlight";

inline CommandResult RunCli(const std::string& arguments) {
  return RunCommand(absl::StrCat(kCli, " ", arguments, " 2>&1"));
}

// One collector, and one directory, for all tests of the suite.
class CliWithCollector : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    directory_ = new TemporaryDirectory();
    collector_ =
        new CollectorProcess(PILOTLIGHT_BIN_DIR "/pilotlight-collector", directory_->path() + "/data");
    ASSERT_TRUE(collector_->running()) << collector_->first_line();
    ::setenv("PILOTLIGHT_COLLECTOR", absl::StrCat("127.0.0.1:", collector_->grpc_port()).c_str(), 1);
  }
  static void TearDownTestSuite() {
    delete collector_;
    delete directory_;
  }

  static std::string InDirectory(const std::string& name) {
    return absl::StrCat(directory_->path(), "/", name);
  }
  // The file's path.
  static std::string Write(const std::string& name, const std::string& bytes) {
    std::string path = InDirectory(name);
    std::ofstream(path, std::ios::binary) << bytes;
    return path;
  }

  static inline TemporaryDirectory* directory_ = nullptr;
  static inline CollectorProcess* collector_ = nullptr;
};

}  // namespace pilotlight
