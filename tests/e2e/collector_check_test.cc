// The real program checks and repairs what it has stored.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/file.h"
#include "nlohmann/json.hpp"
#include "tests/support/collector_process.h"
#include "tests/support/command.h"

namespace pilotlight {
namespace {

using testing::HasSubstr;

const char kCollector[] = PILOTLIGHT_BIN_DIR "/pilotlight-collector";

CommandResult RunCollector(const std::string& command, const std::string& path) {
  return RunCommand(absl::StrCat(kCollector, " ", command, " --storage.path=", path, " 2>&1"));
}

TEST(CollectorCheckTest, FindsDamageAndRepairsIt) {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/data";
  EXPECT_EQ(RunCollector("check", path).exit_code, 1);
  std::string snapshot;
  {
    CollectorProcess collector(kCollector, path);
    ASSERT_TRUE(collector.running()) << collector.first_line();
    httplib::Client client("127.0.0.1", collector.http_port());
    const int64_t now = absl::ToUnixSeconds(absl::Now());
    const auto pushed = client.Post(absl::StrCat("/ingest?name=shop&from=", now - 20, "&until=", now - 10),
                                    "main;serve 3\nmain;encode 4\n", "text/plain");
    ASSERT_TRUE(pushed);
    ASSERT_EQ(pushed->status, 200) << pushed->body;
    const auto made = client.Post("/-/snapshot");
    ASSERT_TRUE(made);
    ASSERT_EQ(made->status, 200) << made->body;
    snapshot =
        absl::StrCat(path, "/snapshots/", nlohmann::json::parse(made->body).at("name").get<std::string>());

    const CommandResult in_use = RunCollector("check", path);
    EXPECT_EQ(in_use.exit_code, 1);
    EXPECT_THAT(in_use.output, HasSubstr("in use by a collector"));
    EXPECT_EQ(RunCollector("repair", path).exit_code, 1);
    const CommandResult whole = RunCollector("check -o json", snapshot);
    EXPECT_EQ(whole.exit_code, 0) << whole.output;
    EXPECT_EQ(nlohmann::json::parse(whole.output).at("records").at("windows"), 1);
  }
  const CommandResult whole = RunCollector("check", path);
  EXPECT_EQ(whole.exit_code, 0);
  EXPECT_THAT(whole.output, HasSubstr("The store is whole."));

  // A copy: the tables of a snapshot are those of the store.
  const std::string damaged = directory.path() + "/damaged";
  std::filesystem::copy(snapshot, damaged);
  for (const auto& entry : std::filesystem::directory_iterator(damaged)) {
    if (entry.path().extension() != ".sst") continue;
    std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(20);
    file.put('?');
  }
  const CommandResult found = RunCollector("check -o json", damaged);
  EXPECT_EQ(found.exit_code, 3) << found.output;
  EXPECT_FALSE(nlohmann::json::parse(found.output).at("clean"));
  const CommandResult repaired = RunCollector("repair", damaged);
  EXPECT_EQ(repaired.exit_code, 0) << repaired.output;
  EXPECT_THAT(repaired.output, HasSubstr("The tables were salvaged."));
  EXPECT_EQ(RunCollector("check", damaged).exit_code, 0);
  EXPECT_EQ(RunCollector("check", path).exit_code, 0);
}

}  // namespace
}  // namespace pilotlight
