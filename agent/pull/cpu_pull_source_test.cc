#include "agent/pull/cpu_pull_source.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include "base/http_server.h"
#include "exporters/pprof.h"
#include "tests/support/stacks.h"

namespace pilotlight::agent {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

class NoObserver : public ProcessObserver {
 public:
  void OnProcess(pid_t) override {}
};

class CpuPullSourceTest : public testing::Test {
 protected:
  void SetUp() override {
    server_.Get("/debug/pprof/profile", [this](const HttpRequest&) {
      HttpResponse response;
      response.body = file_;
      response.status = file_.empty() ? 500 : 200;
      return response;
    });
    ASSERT_TRUE(server_.Start().ok());
    Profile profile;
    profile.type = {"cpu", "cpu", "nanoseconds", "cpu", "nanoseconds"};
    profile.period = 10'000'000;
    profile.samples = AddSamples(profile.trie, {{"main;work", 3}}, profile.period);
    file_ = WritePprof(profile);
  }

  void Meet(pid_t pid, const std::string& service) {
    ProcessTable table;
    table.OnProcess(pid);
    auto process = std::make_shared<Process>(*table.Find(pid));
    process->labels = {{std::string(kServiceLabel), service}};
    endpoints_->OnGoProcess(process);
  }

  Capture Run() {
    CaptureOptions options;
    options.duration = absl::Seconds(1);
    NoObserver observer;
    return *source_.Run(options, observer, StopSignal());
  }

  HttpServer server_{{.listen_address = "127.0.0.1:0", .threads = 2}};
  std::string file_;
  std::shared_ptr<GoEndpoints> endpoints_ = std::make_shared<GoEndpoints>(
      GoEndpoints::Probe{.links_pprof = [](const Process&) { return true; },
                         .find_port = [this](pid_t) -> absl::StatusOr<ListeningPort> {
                           return ListeningPort{"127.0.0.1", static_cast<uint16_t>(server_.port())};
                         }});
  CpuPullSource source_{endpoints_};
};

TEST_F(CpuPullSourceTest, ProgramsTakeTurnsAndTheWindowStandsForAll) {
  Meet(getpid(), "shop");
  Meet(getppid(), "bank");
  std::set<std::string> services;
  for (int turn = 0; turn < 2; ++turn) {
    const Capture capture = Run();
    EXPECT_EQ(capture.turns, 2);
    ASSERT_THAT(capture.profiles, SizeIs(1));
    EXPECT_EQ(Totals(capture.profiles[0].samples).value, 30'000'000);
    services.insert(capture.profiles[0].labels.at(std::string(kServiceLabel)));
  }
  EXPECT_THAT(services, testing::ElementsAre("bank", "shop"));
}

TEST_F(CpuPullSourceTest, AProgramThatGivesNoProfileIsCounted) {
  Meet(getpid(), "shop");
  file_.clear();
  const Capture capture = Run();
  EXPECT_THAT(capture.profiles, IsEmpty());
  ASSERT_THAT(capture.lost, SizeIs(1));
  EXPECT_EQ(capture.lost[0].reason, "http_error");
}

TEST_F(CpuPullSourceTest, ThereMayBeNoProgramAtAll) { EXPECT_THAT(Run().profiles, IsEmpty()); }

}  // namespace
}  // namespace pilotlight::agent
