// The real program, killed, ended, and without room on its disk.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/file.h"
#include "base/http_client.h"
#include "tests/load/fleet.h"
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

// A window's start → its samples, all services together, of one agent's windows.
std::map<absl::Time, uint64_t> SamplesByWindow(int port, const load::FleetWindows& windows, size_t agent,
                                               uint64_t last) {
  std::map<absl::Time, uint64_t> samples;
  constexpr uint64_t kSteps = 5000;  // of one question
  QueryClient client(port);
  for (uint64_t first = 1; first <= last; first += kSteps) {
    v1::SeriesRequest request;
    request.mutable_selection()->set_selector(absl::StrCat("{node=\"", windows.NodeName(agent), "\"}"));
    request.mutable_selection()->set_start_unix_ns(absl::ToUnixNanos(windows.Start(agent, first)));
    request.mutable_selection()->set_end_unix_ns(absl::ToUnixNanos(windows.Start(agent, first + kSteps)));
    request.set_step_ns(absl::ToInt64Nanoseconds(windows.options().interval));
    v1::SeriesResponse response;
    grpc::ClientContext context;
    const grpc::Status status = client.stub().Series(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    for (const auto& series : response.series()) {
      for (int i = 0; i < series.step_size(); ++i) {
        const int64_t start_ns = response.start_unix_ns() + series.step(i) * response.step_ns();
        samples[absl::FromUnixNanos(start_ns)] += series.samples(i);
      }
    }
  }
  return samples;
}

void ExpectEachAcknowledgedWindowOnce(int port, const load::FleetWindows& windows, size_t max_in_flight,
                                      const std::vector<uint64_t>& acknowledged) {
  for (size_t agent = 0; agent < acknowledged.size(); ++agent) {
    const uint64_t last = acknowledged[agent] + max_in_flight;
    const auto samples = SamplesByWindow(port, windows, agent, last);
    const uint64_t whole = windows.profiles_per_window(agent) * windows.options().samples;
    for (uint64_t sequence = 1; sequence <= last; ++sequence) {
      const auto found = samples.find(windows.Start(agent, sequence));
      if (found == samples.end()) {
        ASSERT_GT(sequence, acknowledged[agent]) << "agent " << agent << ": an acknowledged window is lost";
      } else {
        ASSERT_EQ(found->second, whole) << "agent " << agent << ", window " << sequence;
      }
    }
    ASSERT_LE(samples.size(), last);
  }
}

// PILOTLIGHT_CRASH_ROUNDS=200 ./dev test -R collector_crash
int CrashRounds() {
  const char* rounds = std::getenv("PILOTLIGHT_CRASH_ROUNDS");
  return rounds == nullptr ? 8 : std::atoi(rounds);
}

TEST(CollectorCrashTest, EveryAcknowledgedWindowIsThereExactlyOnceAfterKill9) {
  const TemporaryDirectory directory;
  load::FleetOptions options;
  options.agents = 4;
  options.services = 12;
  options.interval = absl::Seconds(1);
  options.duration = absl::Seconds(1);
  options.samples = 40;
  options.pool.stacks = 500;
  options.start = absl::Now() - absl::Hours(24);
  const load::FleetWindows windows(options);
  std::vector<uint64_t> acknowledged(options.agents);
  load::Random random(options.seed);
  load::FleetConnection connection;

  for (int round = 0; round < CrashRounds(); ++round) {
    SCOPED_TRACE(absl::StrCat("round ", round));
    CollectorProcess collector(kProgram, directory.path() + "/store");
    ASSERT_TRUE(collector.running()) << collector.first_line();
    ASSERT_NO_FATAL_FAILURE(ExpectEachAcknowledgedWindowOnce(collector.grpc_port(), windows,
                                                             connection.max_in_flight, acknowledged));
    // They did not hear of their last windows, and send them again.
    std::vector<uint64_t> heard = acknowledged;
    for (uint64_t& sequence : heard) sequence -= std::min<uint64_t>(sequence, random.Below(4));
    connection.collector = absl::StrCat("127.0.0.1:", collector.grpc_port());
    load::Fleet fleet(windows, connection, heard);
    std::thread sender([&fleet] { fleet.SendUpTo(1'000'000).IgnoreError(); });  // ends by the kill
    // After some acknowledgements, so that every round makes progress; then anywhere in what comes next.
    const uint64_t profiles = 1 + random.Below(600);
    while (fleet.acknowledged_profiles() < profiles) std::this_thread::yield();
    absl::SleepFor(absl::Microseconds(random.Below(20'000)));
    collector.process().Signal(SIGKILL);
    sender.join();
    const std::vector<uint64_t> last = fleet.acknowledged();
    for (size_t i = 0; i < last.size(); ++i) acknowledged[i] = std::max(acknowledged[i], last[i]);
  }

  CollectorProcess collector(kProgram, directory.path() + "/store");
  ASSERT_TRUE(collector.running()) << collector.first_line();
  connection.collector = absl::StrCat("127.0.0.1:", collector.grpc_port());
  load::Fleet fleet(windows, connection, acknowledged);
  const uint64_t all = *std::max_element(acknowledged.begin(), acknowledged.end()) + 10;
  ASSERT_TRUE(fleet.SendUpTo(all).ok());
  ExpectEachAcknowledgedWindowOnce(collector.grpc_port(), windows, /*max_in_flight=*/0, fleet.acknowledged());
  QueryClient client(collector.grpc_port());
  for (size_t service = 0; service < options.services; ++service) {
    EXPECT_EQ(client.Samples(absl::StrCat("{service=\"", windows.ServiceName(service), "\"}"), options.start,
                             absl::Now()),
              windows.ExpectedSamples(service, fleet.acknowledged()));
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
