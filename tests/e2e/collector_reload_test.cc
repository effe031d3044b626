// The real program reads its configuration again on SIGHUP.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/http_client.h"
#include "tests/support/collector_process.h"

namespace pilotlight {
namespace {

using testing::HasSubstr;

TEST(CollectorReloadTest, TakesNewRulesOnHangupAndKeepsTheOldOnesWhenTheyAreBad) {
  const TemporaryDirectory directory;
  const std::string file = directory.path() + "/rules.yaml";
  const auto write = [&file](const std::string& yaml) { std::ofstream(file) << yaml; };
  write("rules:\n  - name: a\n");
  CollectorProcess collector(PILOTLIGHT_BIN_DIR "/pilotlight-collector", directory.path() + "/data",
                             "--config.file=" + file);
  ASSERT_TRUE(collector.running()) << collector.first_line();
  const auto metrics = [&collector] {
    const auto answer =
        HttpGet(absl::StrCat("http://127.0.0.1:", collector.http_port(), "/metrics"), {}, StopSignal());
    return answer.ok() ? answer->body : std::string(answer.status().message());
  };
  EXPECT_THAT(metrics(), HasSubstr("\npilotlight_rules 1\n"));

  write("rules:\n  - name: a\n  - name: b\n");
  collector.process().Signal(SIGHUP);
  EXPECT_THAT(collector.process().ReadLine(), HasSubstr("the configuration was read again"));
  EXPECT_THAT(metrics(), HasSubstr("\npilotlight_rules 2\n"));

  write("rules:\n  - name: a\n    fokus: x\n");
  collector.process().Signal(SIGHUP);
  EXPECT_THAT(collector.process().ReadLine(), HasSubstr("rules.yaml:3: fokus: there is no such field"));
  EXPECT_THAT(metrics(), HasSubstr("\npilotlight_rules 2\n"));
  EXPECT_THAT(metrics(), HasSubstr("\npilotlight_config_last_reload_successful 0\n"));
}

}  // namespace
}  // namespace pilotlight
