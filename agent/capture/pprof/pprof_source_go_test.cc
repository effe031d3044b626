// The source against a real Go program, and our rewritten profile against the original.
#include <sys/types.h>

#include <csignal>
#include <cstdio>
#include <fstream>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "agent/capture/pprof/pprof_source.h"
#include "base/check.h"
#include "base/file.h"
#include "base/http_client.h"
#include "exporters/pprof.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "profile/top.h"
#include "tests/support/command.h"

namespace pilotlight::agent {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

class NoObserver : public ProcessObserver {
 public:
  void OnProcess(pid_t) override {}
};

// A Go web service at work, net/http/pprof on localhost.
class PprofSourceGoTest : public ::testing::Test {
 protected:
  PprofSourceGoTest() : program_(::popen("exec " PILOTLIGHT_WEBSHOP " --busy=0.9", "r")) {
    CHECK(program_ != nullptr);
    char url[200] = "";
    if (std::fscanf(program_, "ready pid=%d url=%199s", &pid_, url) != 2)
      ADD_FAILURE() << "webshop is not ready";
    url_ = url;
  }
  ~PprofSourceGoTest() override {
    if (pid_ > 0) ::kill(pid_, SIGTERM);
    ::pclose(program_);
  }

  // What `go tool pprof -top` says without the lines that tell of the file: the build ID is not ours to keep.
  std::string Top(const std::string& bytes) const {
    const std::string path = directory_.path() + "/profile.pb.gz";
    std::ofstream(path, std::ios::binary) << bytes;
    const CommandResult result =
        RunCommand(absl::StrCat(PILOTLIGHT_GO, " tool pprof -top -nodecount=1000 ", path));
    EXPECT_EQ(result.exit_code, 0);
    std::string top;
    for (const absl::string_view line : absl::StrSplit(result.output, '\n')) {
      if (!absl::StartsWith(line, "Build ID:")) absl::StrAppend(&top, line, "\n");
    }
    return top;
  }

  std::FILE* const program_;
  pid_t pid_ = 0;
  std::string url_;
  const TemporaryDirectory directory_;
  StopSignal stop_;
};

TEST_F(PprofSourceGoTest, ARewrittenProfileHasTheSameTop) {
  const HttpGetResult answer = HttpGet(url_ + "/debug/pprof/profile?seconds=2", {}, stop_).value();
  ASSERT_EQ(answer.status, 200);
  const std::string top = Top(answer.body);
  EXPECT_THAT(top, HasSubstr("main.hashCart"));
  EXPECT_EQ(Top(WritePprof(ReadPprof(answer.body).value()[0])), top);
}

TEST_F(PprofSourceGoTest, SharesAreThoseOfTheWork) {
  const auto source = PprofSource::Create({.targets = {ParsePprofTarget("shop=" + url_).value()}}).value();
  NoObserver observer;
  const Capture capture = source->Run({.duration = absl::Seconds(3)}, observer, stop_).value();
  ASSERT_THAT(capture.profiles, SizeIs(1));
  const Profile& profile = capture.profiles[0];
  EXPECT_EQ(profile.labels.at("service_name"), "shop");
  EXPECT_EQ(profile.loss.unsymbolized_frames, 0u);
  // Of the work 50, 30 and 20 %; beside it there is little. Three standard deviations of about 200 samples
  // are 11 points.
  const TopTable top = BuildTop(profile, TopOrder::kCumulative, 0);
  for (const auto& [function, share] : {std::pair("main.hashCart", 0.5), std::pair("main.rankResults", 0.3),
                                        std::pair("main.renderReport", 0.2)}) {
    double found = 0;
    for (const TopRow& row : top.rows) {
      if (row.function == function) {
        found = static_cast<double>(row.cumulative.count) / static_cast<double>(top.total.count);
        EXPECT_EQ(row.kind, FrameKind::kGo);
      }
    }
    EXPECT_NEAR(found, share, 0.13) << function;
  }
}

TEST_F(PprofSourceGoTest, AProgramThatIsProfiledAlreadyIsBusy) {
  // Whoever comes first: the long profile is asked for until it runs.
  StopSignal stop_first;
  std::thread first([&] {
    while (!stop_first.stopped()) {
      // Ends with an error, the stop or the refusal.
      HttpGet(url_ + "/debug/pprof/profile?seconds=600", {.timeout = absl::Minutes(11)}, stop_first)
          .status()
          .IgnoreError();
    }
  });
  const auto source = PprofSource::Create({.targets = {ParsePprofTarget("shop=" + url_).value()}}).value();
  NoObserver observer;
  Capture capture;
  while (capture.lost.empty()) capture = source->Run({.duration = absl::Seconds(1)}, observer, stop_).value();
  EXPECT_EQ(capture.lost[0].reason, "busy");
  stop_first.Stop();
  first.join();
}

}  // namespace
}  // namespace pilotlight::agent
