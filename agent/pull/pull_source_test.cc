// The source against a server of this process.
#include "agent/pull/pull_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <map>
#include <utility>

#include "base/file.h"
#include "base/http_server.h"
#include "base/mutex.h"
#include "exporters/pprof.h"
#include "tests/support/stacks.h"

namespace pilotlight::agent {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

class NoObserver : public ProcessObserver {
 public:
  void OnProcess(pid_t) override {}
};

std::string File(const ProfileType& type, const std::map<std::string, uint64_t>& stacks) {
  Profile profile;
  profile.type = type;
  profile.period = 1;
  profile.samples = AddSamples(profile.trie, stacks, /*period=*/1);
  return WritePprof(profile);
}

class PullSourceTest : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* kind : kPullKinds) {
      server_.Get(std::string("/debug/pprof/") + kind, [this, kind](const HttpRequest&) {
        HttpResponse response;
        const MutexLock lock(mutex_);
        const auto file = files_.find(kind);
        response.status = file == files_.end() || file->second.empty() ? 404 : 200;
        if (file != files_.end()) response.body = file->second;
        return response;
      });
    }
    ASSERT_TRUE(server_.Start().ok());
    ProcessTable table;
    table.OnProcess(getpid());
    endpoints_ = std::make_shared<GoEndpoints>(
        GoEndpoints::Probe{.links_pprof = [](const Process&) { return true; },
                           .find_port = [this](pid_t) -> absl::StatusOr<ListeningPort> {
                             ++probes_;
                             return ListeningPort{"127.0.0.1", static_cast<uint16_t>(port_)};
                           }});
    source_ = std::make_unique<PullSource>(PullOptions{.kinds = {"goroutine", "mutex"}}, endpoints_);
    port_ = server_.port();
    process_ = table.Find(getpid());
    endpoints_->OnGoProcess(process_);
  }

  void Serve(const std::string& kind, std::string file) {
    const MutexLock lock(mutex_);
    files_[kind] = std::move(file);
  }

  // Values by type, and how many were lost by reason.
  std::map<std::string, int64_t> Run(absl::Duration duration = absl::Seconds(10)) {
    CaptureOptions options;
    options.duration = duration;
    NoObserver observer;
    const absl::StatusOr<Capture> capture = source_->Run(options, observer, StopSignal());
    EXPECT_TRUE(capture.ok());
    lost_.clear();
    for (const LostSamples& lost : capture->lost) lost_[lost.reason] = lost.count;
    gc_pauses_ = capture->gc_pauses;
    std::map<std::string, int64_t> values;
    for (const Profile& profile : capture->profiles) {
      EXPECT_TRUE(profile.labels.contains(std::string(kServiceLabel)));
      values[profile.type.name] = Totals(profile.samples).value;
    }
    return values;
  }

  const ProfileType goroutine_type_{"goroutine", "goroutine", "count", "goroutine", "count"};
  const ProfileType mutex_type_{"mutex", "delay", "nanoseconds", "contentions", "count"};
  HttpServer server_{{.listen_address = "127.0.0.1:0", .threads = 2}};
  int port_ = 0;
  int probes_ = 0;
  Mutex mutex_;
  std::map<std::string, std::string> files_ ABSL_GUARDED_BY(mutex_);  // by kind
  std::map<std::string, uint64_t> lost_;
  std::shared_ptr<const Process> process_;
  std::shared_ptr<GoEndpoints> endpoints_;
  std::unique_ptr<PullSource> source_;
  std::vector<ToldGcPauses> gc_pauses_;
};

TEST_F(PullSourceTest, TakesWhatIsThereAndWhatWasAdded) {
  Serve("goroutine", File(goroutine_type_, {{"main;wait", 25}}));
  Serve("mutex", File(mutex_type_, {{"main;lock", 100}}));
  EXPECT_THAT(Run(), ElementsAre(Pair("goroutine", 25)));
  Serve("mutex", File(mutex_type_, {{"main;lock", 130}, {"main;other", 7}}));
  EXPECT_THAT(Run(), ElementsAre(Pair("goroutine", 25), Pair("mutex", 37)));
  EXPECT_THAT(Run(), ElementsAre(Pair("goroutine", 25)));
  EXPECT_THAT(lost_, IsEmpty());
}

TEST_F(PullSourceTest, WhatIsNotServedIsCountedAndTheRestTaken) {
  Serve("goroutine", "no profile");
  Serve("mutex", File(mutex_type_, {{"main;lock", 1}}));
  Run();
  EXPECT_THAT(lost_, ElementsAre(Pair("bad_profile", 1)));
  Serve("mutex", File(mutex_type_, {{"main;lock", 3}}));
  Serve("goroutine", "");
  EXPECT_THAT(Run(), ElementsAre(Pair("mutex", 2)));
  EXPECT_THAT(lost_, ElementsAre(Pair("no_endpoint", 1)));
}

TEST_F(PullSourceTest, LooksAgainForAServerThatHasGone) {
  Serve("goroutine", File(goroutine_type_, {{"main;wait", 25}}));
  Run();
  server_.Stop();
  EXPECT_THAT(Run(), IsEmpty());
  EXPECT_THAT(lost_, ElementsAre(Pair("unreachable", 1)));
  EXPECT_EQ(probes_, 1);
  Run();
  EXPECT_EQ(probes_, 2);
}

TEST_F(PullSourceTest, AsksForGcPausesWhereTheyAreNotKnown) {
  Serve("goroutine", File(goroutine_type_, {{"main;wait", 25}}));
  std::string text = "\n# runtime.MemStats\n# PauseNs = [7";
  for (size_t i = 1; i < GoMemStats::kPauses; ++i) text += " 0";
  Serve("heap", text + "]\n# NumGC = 1\n");
  Run();
  EXPECT_THAT(gc_pauses_, IsEmpty());
  endpoints_->OnGoProcess(process_, /*tells_gc_pauses=*/true);
  Run();
  ASSERT_EQ(gc_pauses_.size(), 1);
  EXPECT_EQ(gc_pauses_[0].stats.pause_of(1), 7u);
}

TEST_F(PullSourceTest, OneThatHadNoTurnMissesNothing) {
  Serve("mutex", File(mutex_type_, {{"main;lock", 100}}));
  Run();
  Serve("mutex", File(mutex_type_, {{"main;lock", 150}}));
  EXPECT_THAT(Run(absl::ZeroDuration()), IsEmpty());
  EXPECT_THAT(lost_, ElementsAre(Pair("not_its_turn", 1)));
  EXPECT_THAT(Run(), ElementsAre(Pair("mutex", 50)));
}

}  // namespace
}  // namespace pilotlight::agent
