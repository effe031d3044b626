// What only the perf source promises: one's own processes without any right.
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <memory>
#include <thread>

#include "agent/capture/perf/perf_events.h"
#include "agent/capture/perf/perf_source.h"
#include "tests/bpf/spin_process.h"

namespace pilotlight::agent {
namespace {

class FunctionlessObserver : public ProcessObserver {
 public:
  void OnProcess(pid_t pid) override { last_pid = pid; }
  pid_t last_pid = 0;
};

// Burns CPU in a thread of its own while it lives.
class BurningThread {
 public:
  ~BurningThread() {
    stop_ = true;
    thread_.join();
  }

 private:
  std::atomic<bool> stop_{false};
  std::thread thread_{[this] {
    while (!stop_) {
    }
  }};
};

constexpr uid_t kNobody = 65534;
enum Result : int { kPassed = 0, kSkipped = 1, kFailed = 2 };

// Runs as the user nobody, in a process of its own.
Result SampleOneself() {
  if (setresgid(kNobody, kNobody, kNobody) != 0 || setresuid(kNobody, kNobody, kNobody) != 0) return kSkipped;
  // Changing users has made the process's /proc files root's; a program that nobody starts has its own.
  prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
  absl::StatusOr<std::unique_ptr<PerfSource>> source = PerfSource::Create();
  if (!source.ok() || (*source)->node_access().ok())
    return kSkipped;  // perf_event_paranoid above 2, or below 1

  FunctionlessObserver observer;
  const StopSignal stop;
  const absl::Status whole_node = (*source)->Run({}, observer, stop).status();
  if (!absl::IsPermissionDenied(whole_node)) return kFailed;

  const BurningThread thread;
  const absl::StatusOr<Capture> capture =
      (*source)->Run({.duration = absl::Seconds(2), .pids = {getpid()}}, observer, stop);
  if (!capture.ok()) {
    std::fprintf(stderr, "%s\n", capture.status().ToString().c_str());
    return kFailed;
  }
  const ProcessSamples samples = SamplesOf(*capture, getpid());
  const bool user_only =
      CountStacks(samples, [](const RawStack& stack) { return !stack.kernel.empty(); }) == 0;
  return CountAll(samples) > 20 && user_only && observer.last_pid == getpid() ? kPassed : kFailed;
}

TEST(PerfSourceTest, SamplesTheUserModeOfOnesOwnProcessWithoutRights) {
  const pid_t child = fork();
  if (child == 0) _exit(SampleOneself());
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == kSkipped)
    GTEST_SKIP() << "needs to become nobody, and kernel.perf_event_paranoid 1 or 2";
  EXPECT_EQ(WEXITSTATUS(status), kPassed);
}

TEST(PerfEventsTest, FollowsThreadsThatStartAfterwards) {
  absl::StatusOr<PerfEvents> events = PerfEvents::OpenForProcesses({.user_mode_only = true}, {getpid()});
  if (!events.ok()) GTEST_SKIP() << events.status();
  ASSERT_TRUE(events->Enable().ok());
  size_t records = 0;
  {
    const BurningThread late;
    const pid_t self = getpid();
    while (records < 5) {
      for (PerfRing& ring : events->rings())
        ring.reader().Drain([&](absl::Span<const uint64_t> record) {
          uint32_t tid = 0;
          if (record.size() > 1) tid = static_cast<uint32_t>(record[1] >> 32);
          if (tid != 0 && tid != static_cast<uint32_t>(self)) ++records;
        });
    }
  }
  events->Disable();
  EXPECT_GE(records, 5u);
}

TEST(PerfEventsTest, SaysNotFoundForAProcessThatIsNotThere) {
  constexpr pid_t kNoSuchProcess = 0x7ffffffe;
  EXPECT_EQ(PerfEvents::OpenForProcesses({}, {kNoSuchProcess}).status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace pilotlight::agent
