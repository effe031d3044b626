#include "agent/pull/go_endpoints.h"

#include <gtest/gtest.h>

#include <set>

namespace pilotlight::agent {
namespace {

class GoEndpointsTest : public testing::Test {
 protected:
  static std::shared_ptr<const Process> Named(pid_t pid, uint64_t start_ticks = 1) {
    Process process;
    process.pid = pid;
    process.start_ticks = start_ticks;
    process.labels = {{std::string(kServiceLabel), "shop"}};
    return std::make_shared<const Process>(std::move(process));
  }
  std::vector<pid_t> Round(absl::Duration now) {
    std::vector<pid_t> pids;
    for (const GoEndpoint& endpoint :
         endpoints_.Round(now, [this](const Process& process) { return !gone_.contains(process.pid); })) {
      pids.push_back(endpoint.pid);
    }
    return pids;
  }

  using Pids = std::vector<pid_t>;
  bool links_ = true;
  absl::StatusOr<ListeningPort> port_ = ListeningPort{"127.0.0.1", 6060};
  int judged_ = 0;
  int probed_ = 0;
  std::set<pid_t> gone_;
  GoEndpoints endpoints_{{.links_pprof =
                              [this](const Process&) {
                                ++judged_;
                                return links_;
                              },
                          .find_port =
                              [this](pid_t) {
                                ++probed_;
                                return port_;
                              }},
                         /*max_probes=*/2};
};

TEST_F(GoEndpointsTest, FindsAProcessOnceAndKeepsIt) {
  endpoints_.OnGoProcess(Named(7));
  EXPECT_EQ(Round(absl::Seconds(0)), Pids({7}));
  endpoints_.OnGoProcess(Named(7));
  EXPECT_EQ(Round(absl::Seconds(60)), Pids({7}));
  EXPECT_EQ(probed_, 1);
}

TEST_F(GoEndpointsTest, NeverAsksOneThatCannotServe) {
  links_ = false;
  endpoints_.OnGoProcess(Named(7));
  for (int hour = 0; hour < 5; ++hour) EXPECT_EQ(Round(absl::Hours(hour)), Pids());
  EXPECT_EQ(judged_, 1);
  EXPECT_EQ(probed_, 0);
}

TEST_F(GoEndpointsTest, AsksOneThatDoesNotAnswerLessAndLess) {
  port_ = absl::NotFoundError("");
  endpoints_.OnGoProcess(Named(7));
  for (int minute = 0; minute < 60; ++minute) Round(absl::Minutes(minute));
  EXPECT_EQ(probed_, 6);  // after 0, 1, 3, 7, 15, 31 minutes
  EXPECT_EQ(judged_, 1);
  port_ = ListeningPort{"127.0.0.1", 6060};
  EXPECT_EQ(Round(absl::Hours(2)), Pids({7}));
}

TEST_F(GoEndpointsTest, LooksAgainForOneThatWasLost) {
  endpoints_.OnGoProcess(Named(7));
  Round(absl::Seconds(0));
  endpoints_.Lost(7);
  port_ = absl::NotFoundError("");
  EXPECT_EQ(Round(absl::Seconds(60)), Pids());
  EXPECT_EQ(probed_, 2);
}

TEST_F(GoEndpointsTest, ForgetsWhatIsGoneAndKnowsAReusedPid) {
  endpoints_.OnGoProcess(Named(7));
  Round(absl::Seconds(0));
  endpoints_.OnGoProcess(Named(7, /*start_ticks=*/2));
  EXPECT_EQ(Round(absl::Seconds(60)), Pids({7}));
  EXPECT_EQ(judged_, 2);
  gone_.insert(7);
  EXPECT_EQ(Round(absl::Seconds(120)), Pids());
}

TEST_F(GoEndpointsTest, HasTheNewestLabels) {
  endpoints_.OnGoProcess(Named(7));
  Round(absl::Seconds(0));
  auto labelled = std::make_shared<Process>(*Named(7));
  labelled->labels["pod"] = "shop-1";
  endpoints_.OnGoProcess(labelled);
  const auto found = endpoints_.Round(absl::Seconds(60), [](const Process&) { return true; });
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].labels.at("pod"), "shop-1");
  EXPECT_EQ(probed_, 1);
}

TEST_F(GoEndpointsTest, ForgetsWhatIsNotToBeAsked) {
  endpoints_.OnGoProcess(Named(7));
  Round(absl::Seconds(0));
  endpoints_.Forget(7);
  EXPECT_EQ(Round(absl::Seconds(60)), Pids());
}

TEST_F(GoEndpointsTest, TakesAFewNewOnesARound) {
  for (pid_t pid = 1; pid <= 5; ++pid) endpoints_.OnGoProcess(Named(pid));
  EXPECT_EQ(Round(absl::Seconds(0)), Pids({1, 2}));
  EXPECT_EQ(Round(absl::Seconds(60)), Pids({1, 2, 3, 4}));
}

}  // namespace
}  // namespace pilotlight::agent
