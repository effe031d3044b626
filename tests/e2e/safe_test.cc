// The real programs under bad luck: killed, without a disk, without each other. Every window that the agent
// took is in the collector exactly once or counted as lost, and the rest goes on. Jumps of the clocks are in
// tests/integration/uplink_to_collector_test.cc, as only a test of the parts can set them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "base/file.h"
#include "tests/support/agent_process.h"
#include "tests/support/collector_client.h"
#include "tests/support/collector_process.h"

namespace pilotlight {
namespace {

using testing::HasSubstr;

// A busy process with a name of its own, so that every window has exactly one series of that service. Before
// others in the scheduler, so that it is seen in every window on a busy machine too.
class Target {
 public:
  Target(const std::string& directory, const std::string& service)
      : process_({"/usr/bin/nice", "-n", "-10", Copy(directory + "/" + service), "1"}) {
    process_.ReadLine();  // "ready pid=…"
  }
  ChildProcess& process() { return process_; }

 private:
  static std::string Copy(const std::string& path) {
    std::filesystem::copy_file(PILOTLIGHT_BIN_DIR "/../workloads/cruncher", path);
    return path;
  }
  ChildProcess process_;
};

// A file system that can be full.
class SmallDisk {
 public:
  SmallDisk(std::string path, const std::string& size) : path_(std::move(path)) {
    std::filesystem::create_directories(path_);
    mounted_ = ::mount("none", path_.c_str(), "tmpfs", 0, ("size=" + size).c_str()) == 0;
  }
  ~SmallDisk() {
    if (mounted_) ::umount2(path_.c_str(), MNT_DETACH);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  bool mounted() const { return mounted_; }
  void Fill() const {
    std::ofstream ballast(path_ + "/ballast", std::ios::binary);
    const std::string block(4096, 'x');
    while (ballast.write(block.data(), static_cast<std::streamsize>(block.size())).flush()) {
    }
  }
  void Free() const { std::filesystem::remove(path_ + "/ballast"); }

 private:
  const std::string path_;
  bool mounted_ = false;
};

class SafeTest : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "sampling other processes needs root";
    target_ = std::make_unique<Target>(directory_.path(), "target");
  }

  std::string spool() const { return directory_.path() + "/spool"; }

  void StartCollector() {
    collector_ = std::make_unique<CollectorProcess>(PILOTLIGHT_BIN_DIR "/pilotlight-collector",
                                                    directory_.path() + "/store", "", collector_port_);
    ASSERT_TRUE(collector_->running()) << collector_->first_line();
    collector_port_ = collector_->grpc_port();
  }
  void KillCollector() { collector_.reset(); }

  // Without a collector on its port yet.
  void ReservePort() {
    StartCollector();
    KillCollector();
  }

  std::unique_ptr<AgentProcess> NewAgent(const std::string& spool_path, const std::string& node = "one") {
    return std::make_unique<AgentProcess>(
        PILOTLIGHT_BIN_DIR "/pilotlight-agent", spool_path, collector_port_,
        absl::StrCat(
            "--capture.duration=400ms --capture.interval=600ms --capture.max-overhead=0 --node.name=", node));
  }
  void StartAgent() {
    agent_ = NewAgent(spool());
    ASSERT_TRUE(agent_->running()) << agent_->output();
  }

  // CTest's time-out ends it when it never becomes so.
  template <typename Condition>
  static void Await(Condition condition) {
    while (!condition()) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  void AwaitAcknowledged(double more) {
    const double now = Acknowledged(*agent_);
    Await([this, now, more] { return Acknowledged(*agent_) >= now + more; });
  }
  // Of the window that is being taken, by the spool's marker; 0 between windows.
  uint64_t OpenSequence() const {
    const std::string marker = ReadFile(spool() + "/unsaved").value_or("");
    const std::vector<std::string> words = absl::StrSplit(marker, ' ');
    uint64_t sequence = 0;
    return words.size() > 1 && absl::SimpleAtoi(words[1], &sequence) ? sequence : 0;
  }
  // Returns soon after a window has begun.
  void AwaitBeginOfWindow() const {
    const uint64_t current = OpenSequence();
    Await([this, current] { return OpenSequence() != 0 && OpenSequence() != current; });
  }

  static double Acknowledged(const AgentProcess& agent) {
    return agent.Metric("pilotlight_uplink_acknowledged_windows_total");
  }
  static double Taken(const AgentProcess& agent) {
    return agent.Metric("pilotlight_capture_windows_total", "outcome=\"ok\"");
  }
  static double Waiting(const AgentProcess& agent) { return agent.Metric("pilotlight_uplink_spool_windows"); }
  static double Lost(const AgentProcess& agent, const std::string& reason = "") {
    return agent.Metric("pilotlight_uplink_dropped_windows_total",
                        reason.empty() ? "" : absl::StrCat("reason=\"", reason, "\""));
  }
  double SpoolFiles() const {
    double files = 0;
    for (const auto& file : std::filesystem::directory_iterator(spool())) {
      if (file.path().extension() == ".window") ++files;
    }
    return files;
  }

  // Windows that have the service.
  double Stored(const std::string& service = "target", const std::string& node = "one") const {
    v1::FlameGraphRequest request;
    request.mutable_selection()->set_selector(
        absl::StrCat("{service=\"", service, "\",node=\"", node, "\"}"));
    v1::FlameGraphResponse response;
    grpc::ClientContext context;
    context.set_wait_for_ready(true);
    const grpc::Status status =
        QueryClient(collector_->grpc_port()).stub().FlameGraph(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return static_cast<double>(response.quality().windows());
  }

  struct Count {
    double taken = 0;  // by this process of the agent
    double acknowledged = 0;
    double lost = 0;
    double stored = 0;
  };
  // At a moment when nothing is under way between agent and collector.
  Count CountAtRest(const AgentProcess& agent, const std::string& node = "one") const {
    while (true) {
      const Count count{Taken(agent), Acknowledged(agent), Lost(agent), Stored("target", node)};
      if (Waiting(agent) == 0 && Taken(agent) == count.taken && Acknowledged(agent) == count.acknowledged) {
        return count;
      }
    }
  }
  // Of one agent that was never killed.
  void ExpectAllStoredOnce() const {
    const Count count = CountAtRest(*agent_);
    EXPECT_EQ(count.stored, count.acknowledged);
    EXPECT_EQ(count.taken, count.acknowledged);
    EXPECT_EQ(count.lost, 0);
  }

  const TemporaryDirectory directory_;
  int collector_port_ = 0;
  std::unique_ptr<Target> target_;
  std::unique_ptr<CollectorProcess> collector_;
  std::unique_ptr<AgentProcess> agent_;
};

TEST_F(SafeTest, ACollectorKilledAgainAndAgainLosesNothing) {
  StartCollector();
  StartAgent();
  for (int kills = 0; kills < 3; ++kills) {
    AwaitAcknowledged(2);
    KillCollector();
    Await([this] { return Waiting(*agent_) >= 1; });
    StartCollector();
  }
  AwaitAcknowledged(2);
  ExpectAllStoredOnce();
}

TEST_F(SafeTest, AnAgentKilledInsideAWindowLosesOnlyThatOneAndCountsIt) {
  ReservePort();
  StartAgent();
  Await([this] { return SpoolFiles() >= 3; });
  AwaitBeginOfWindow();
  agent_.reset();  // SIGKILL
  const double finished = SpoolFiles();
  StartCollector();
  StartAgent();
  AwaitAcknowledged(finished + 2);
  const Count count = CountAtRest(*agent_);
  EXPECT_EQ(count.acknowledged, finished + count.taken);
  EXPECT_EQ(count.stored, count.acknowledged);
  EXPECT_EQ(Lost(*agent_, "agent_killed"), 1);
  EXPECT_EQ(count.lost, 1);
}

TEST_F(SafeTest, ATargetKilledInsideAWindowIsInItAndTheOthersGoOn) {
  Target victim(directory_.path(), "victim");
  StartCollector();
  StartAgent();
  Await([this] { return Stored("victim") >= 2; });
  AwaitBeginOfWindow();
  victim.process().Signal(SIGKILL);
  AwaitAcknowledged(3);
  const double last = Stored("victim");
  AwaitAcknowledged(2);
  EXPECT_EQ(Stored("victim"), last);
  EXPECT_LE(agent_->Metric("pilotlight_capture_windows_total", "outcome=\"failed\""), 0);
  ExpectAllStoredOnce();
}

TEST_F(SafeTest, TenWindowsWithoutACollectorArriveWhenItIsBack) {
  ReservePort();
  StartAgent();
  Await([this] { return Waiting(*agent_) >= 10; });
  StartCollector();
  AwaitAcknowledged(11);
  ExpectAllStoredOnce();
}

TEST_F(SafeTest, AFullDiskOfTheAgentLosesNothingThatItsMemoryHolds) {
  const SmallDisk disk(spool(), "256k");
  if (!disk.mounted()) GTEST_SKIP() << "needs the right to mount a tmpfs";
  ReservePort();
  StartAgent();
  Await([this] { return SpoolFiles() >= 1; });
  disk.Fill();
  Await([this] { return agent_->Metric("pilotlight_uplink_memory_windows") >= 2; });
  disk.Free();
  Await([this] { return agent_->Metric("pilotlight_uplink_memory_windows") == 0; });
  disk.Fill();  // and sends straight from memory as well
  Await([this] { return agent_->Metric("pilotlight_uplink_memory_windows") >= 1; });
  StartCollector();
  AwaitAcknowledged(4);
  ExpectAllStoredOnce();
}

TEST_F(SafeTest, AKillOnAFullDiskCountsWhatWasOnlyInMemory) {
  const SmallDisk disk(spool(), "256k");
  if (!disk.mounted()) GTEST_SKIP() << "needs the right to mount a tmpfs";
  ReservePort();
  StartAgent();
  Await([this] { return SpoolFiles() >= 1; });
  disk.Fill();
  Await([this] { return agent_->Metric("pilotlight_uplink_memory_windows") >= 2; });
  AwaitBeginOfWindow();
  const double in_memory = agent_->Metric("pilotlight_uplink_memory_windows");
  agent_.reset();  // SIGKILL
  const double finished = SpoolFiles();
  StartCollector();
  StartAgent();  // on the full disk
  AwaitAcknowledged(finished + 1);
  EXPECT_EQ(Lost(*agent_, "disk_full"), in_memory);
  EXPECT_EQ(Lost(*agent_, "agent_killed"), 1);
  const Count count = CountAtRest(*agent_);
  EXPECT_EQ(count.stored, finished + count.taken);
}

TEST_F(SafeTest, AFullDiskOfTheCollectorHoldsTheWindowsBackUntilThereIsRoom) {
  const SmallDisk disk(directory_.path() + "/store", "512m");
  if (!disk.mounted()) GTEST_SKIP() << "needs the right to mount a tmpfs";
  StartCollector();
  StartAgent();
  AwaitAcknowledged(1);
  disk.Fill();
  Await([this] { return Waiting(*agent_) >= 3; });
  disk.Free();
  AwaitAcknowledged(4);
  ExpectAllStoredOnce();
}

TEST_F(SafeTest, ASecondAgentOnTheSameDirectorySaysSoAndTheFirstGoesOn) {
  StartCollector();
  StartAgent();
  const auto second = NewAgent(spool());
  EXPECT_FALSE(second->running());
  EXPECT_EQ(WEXITSTATUS(second->process().Wait()), 1);
  EXPECT_THAT(second->output(), HasSubstr("another agent uses this directory"));
  EXPECT_THAT(second->output(), HasSubstr(std::to_string(agent_->process().pid())));
  AwaitAcknowledged(2);
  ExpectAllStoredOnce();
}

TEST_F(SafeTest, TwoAgentsOfOneCollectorAreNotMixedUp) {
  StartCollector();
  StartAgent();
  const auto other = NewAgent(directory_.path() + "/other-spool", "two");
  ASSERT_TRUE(other->running()) << other->output();
  Await([&] { return Acknowledged(*other) >= 3; });
  const Count count = CountAtRest(*other, "two");
  EXPECT_EQ(count.stored, count.acknowledged);
  ExpectAllStoredOnce();
}

TEST_F(SafeTest, AnAgentEndsWithoutItsCollectorAndLeavesTheWindowsInTheSpool) {
  ReservePort();
  StartAgent();
  Await([this] { return Waiting(*agent_) >= 2; });
  agent_->process().Signal(SIGTERM);
  const int status = agent_->process().Wait();
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  const double left = SpoolFiles();
  EXPECT_GE(left, 2);
  StartCollector();
  StartAgent();
  AwaitAcknowledged(left + 1);
  const Count count = CountAtRest(*agent_);
  EXPECT_EQ(count.stored, left + count.taken);
  EXPECT_EQ(count.lost, 0);
}

}  // namespace
}  // namespace pilotlight
