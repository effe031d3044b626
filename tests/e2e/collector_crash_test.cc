// The real program, killed, ended, and without room on its disk.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/http_client.h"
#include "tests/support/collector_client.h"
#include "tests/support/collector_process.h"
#include "tests/support/command.h"
#include "tests/support/windows.h"

namespace pilotlight {
namespace {

using testing::HasSubstr;

const std::string kProgram = PILOTLIGHT_BIN_DIR "/pilotlight-collector";

// An agent that keeps each window until it is acknowledged. Each has a function of its own, with three
// samples.
class Agent {
 public:
  explicit Agent(std::string name) : name_(std::move(name)) {}

  // Sends what is not acknowledged up to number `last`, from a little before it, until that is done or the
  // stream ends. Counts each new acknowledgement in `acknowledged`.
  grpc::Status SendUpTo(uint64_t last, int port, std::atomic<int>& acknowledged) {
    AgentStream stream(port, name_);
    stream.SendHello();
    constexpr uint64_t kSentAgain = 5;
    const uint64_t first = acknowledged_ > kSentAgain ? acknowledged_ - kSentAgain : 1;
    std::thread receiver([&] {
      while (acknowledged_ < last) {
        const auto response = stream.Receive();
        if (!response) return;
        const uint64_t sequence = response->acknowledgement().sequence();
        if (sequence <= acknowledged_) continue;
        acknowledged_ = sequence;
        ++acknowledged;
      }
    });
    for (uint64_t sequence = first; sequence <= last; ++sequence) {
      if (!stream.Send(MakeWindow(Tag(sequence)), sequence)) break;
    }
    receiver.join();
    if (acknowledged_ >= last) return grpc::Status::OK;
    return stream.Finish();
  }

  std::string Tag(uint64_t sequence) const { return absl::StrCat(name_, "-", sequence); }
  uint64_t acknowledged() const { return acknowledged_; }

 private:
  const std::string name_;
  uint64_t acknowledged_ = 0;
};

// Function → samples, of all that the collector has.
std::map<std::string, uint64_t> StoredSamples(int port) {
  v1::TopRequest request;
  request.set_limit(1'000'000);
  v1::TopResponse response;
  grpc::ClientContext context;
  const grpc::Status status = QueryClient(port).stub().Top(&context, request, &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  std::map<std::string, uint64_t> samples;
  for (const auto& row : response.rows()) samples[row.function()] = row.flat_count();
  return samples;
}

TEST(CollectorCrashTest, EveryAcknowledgedWindowIsThereExactlyOnceAfterKill9) {
  const TemporaryDirectory directory;
  constexpr int kAgents = 4;
  constexpr uint64_t kWindows = 600;
  std::vector<Agent> agents;
  for (int i = 0; i < kAgents; ++i) agents.emplace_back(absl::StrCat("agent", i));

  // Killed twice in the middle of it; the third one lives.
  for (const int kill_after : {500, 400, -1}) {
    CollectorProcess collector(kProgram, directory.path() + "/store");
    ASSERT_TRUE(collector.running()) << collector.first_line();
    std::atomic<int> acknowledged{0};
    std::vector<std::thread> threads;
    for (Agent& agent : agents) {
      threads.emplace_back([&agent, &collector, &acknowledged] {
        agent.SendUpTo(kWindows, collector.grpc_port(), acknowledged);
      });
    }
    if (kill_after >= 0) {
      while (acknowledged < kill_after) std::this_thread::yield();
      collector.process().Signal(SIGKILL);
    }
    for (std::thread& thread : threads) thread.join();
    if (kill_after < 0) {
      const auto samples = StoredSamples(collector.grpc_port());
      for (const Agent& agent : agents) {
        ASSERT_EQ(agent.acknowledged(), kWindows);
        for (uint64_t i = 1; i <= kWindows; ++i) {
          const auto found = samples.find(agent.Tag(i));
          ASSERT_NE(found, samples.end()) << agent.Tag(i) << " is lost";
          EXPECT_EQ(found->second, 3) << agent.Tag(i);
        }
      }
      break;
    }

    CollectorProcess restarted(kProgram, directory.path() + "/store");
    ASSERT_TRUE(restarted.running()) << restarted.first_line();
    const auto samples = StoredSamples(restarted.grpc_port());
    for (const Agent& agent : agents) {
      for (uint64_t i = 1; i <= agent.acknowledged(); ++i) {
        const auto found = samples.find(agent.Tag(i));
        ASSERT_NE(found, samples.end()) << agent.Tag(i) << " was acknowledged and is lost";
      }
    }
    for (const auto& [function, count] : samples) {
      if (function != "main") {
        EXPECT_EQ(count, 3) << function;
      }
    }
  }
}

TEST(CollectorCrashTest, SigtermEndsStreamsCleanlyAndExitsWithZero) {
  const TemporaryDirectory directory;
  CollectorProcess collector(kProgram, directory.path() + "/store");
  ASSERT_TRUE(collector.running()) << collector.first_line();
  AgentStream stream(collector.grpc_port(), "agent");
  stream.SendHello();
  stream.Send(MakeWindow("one"), 1);
  ASSERT_TRUE(stream.Receive()->has_acknowledgement());
  collector.process().Signal(SIGTERM);
  EXPECT_EQ(stream.Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  const int status = collector.process().Wait();
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(CollectorCrashTest, AFullDiskEndsTheStreamAndTheWindowIsStoredOnceThereIsRoom) {
  const TemporaryDirectory directory;
  const char* mount_point = directory.path().c_str();
  if (::mount("none", mount_point, "tmpfs", 0, "size=512m") != 0)
    GTEST_SKIP() << "needs the right to mount a tmpfs";
  struct Unmount {
    const char* path;
    ~Unmount() { ::umount2(path, MNT_DETACH); }
  } unmount{mount_point};
  CollectorProcess collector(kProgram, directory.path() + "/store");
  ASSERT_TRUE(collector.running()) << collector.first_line();
  Agent agent("agent");
  std::atomic<int> acknowledged{0};
  ASSERT_TRUE(agent.SendUpTo(3, collector.grpc_port(), acknowledged).ok());

  const std::string ballast = directory.path() + "/ballast";
  ASSERT_EQ(RunCommand(absl::StrCat("dd if=/dev/zero of=", ballast, " bs=1M 2>/dev/null")).exit_code, 1);
  grpc::Status status;
  // The free room is looked at from time to time only.
  uint64_t last = 3;
  do {
    status = agent.SendUpTo(++last, collector.grpc_port(), acknowledged);
  } while (status.ok() && last < 100'000);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED) << status.error_message();
  EXPECT_FALSE(status.error_message().empty());
  EXPECT_EQ(StoredSamples(collector.grpc_port()).at(agent.Tag(1)), 3);  // questions go on

  ASSERT_EQ(::unlink(ballast.c_str()), 0);
  do {
    status = agent.SendUpTo(last, collector.grpc_port(), acknowledged);
  } while (status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED);
  ASSERT_TRUE(status.ok()) << status.error_message();
  const auto samples = StoredSamples(collector.grpc_port());
  for (uint64_t i = 1; i <= last; ++i) EXPECT_EQ(samples.at(agent.Tag(i)), 3) << agent.Tag(i);
}

TEST(CollectorCommandTest, ASecondOneOnTheSameDirectorySaysSoAndExitsWithOne) {
  const TemporaryDirectory directory;
  CollectorProcess first(kProgram, directory.path() + "/store");
  ASSERT_TRUE(first.running()) << first.first_line();
  CollectorProcess second(kProgram, directory.path() + "/store");
  EXPECT_FALSE(second.running());
  EXPECT_THAT(second.first_line(), HasSubstr("in use by another collector"));
  EXPECT_EQ(WEXITSTATUS(second.process().Wait()), 1);
}

TEST(CollectorCommandTest, WrongFlagsExitWithTwo) {
  EXPECT_EQ(RunCommand(kProgram + " --nonsense 2>/dev/null").exit_code, 2);
  EXPECT_EQ(RunCommand(kProgram + " --storage.retention.windows=soon 2>/dev/null").exit_code, 2);
  EXPECT_EQ(RunCommand(kProgram + " --version").exit_code, 0);
}

TEST(CollectorMetricsTest, PromtoolFindsNothingWrong) {
  const TemporaryDirectory directory;
  CollectorProcess collector(kProgram, directory.path() + "/store");
  ASSERT_TRUE(collector.running()) << collector.first_line();
  Agent agent("agent");
  std::atomic<int> acknowledged{0};
  ASSERT_TRUE(agent.SendUpTo(3, collector.grpc_port(), acknowledged).ok());
  StoredSamples(collector.grpc_port());
  const auto metrics =
      HttpGet(absl::StrCat("http://127.0.0.1:", collector.http_port(), "/metrics"), {}, StopSignal());
  ASSERT_TRUE(metrics.ok()) << metrics.status();
  EXPECT_THAT(metrics->body, HasSubstr("pilotlight_ingest_windows_total{outcome=\"stored\"} 3\n"));
  EXPECT_THAT(metrics->body, HasSubstr("pilotlight_store_commits_total "));
  const std::string path = directory.path() + "/metrics";
  ASSERT_TRUE(WriteFileDurably(path, metrics->body).ok());
  const CommandResult promtool = RunCommand(absl::StrCat("promtool check metrics < ", path, " 2>&1"));
  EXPECT_EQ(promtool.exit_code, 0) << promtool.output;
  EXPECT_EQ(promtool.output, "");
}

}  // namespace
}  // namespace pilotlight
