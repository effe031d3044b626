// The store's process is killed at random points: each window it had acknowledged is there exactly once,
// and no window is there by half.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "base/check.h"
#include "base/file.h"
#include "base/unique_fd.h"
#include "collector/store/embedded/embedded_store.h"
#include "collector/store/store_test_support.h"

namespace pilotlight::collector {
namespace {

constexpr int kThreads = 3;
constexpr uint64_t kServices = 4;

EmbeddedStoreOptions Options(const std::string& path) {
  EmbeddedStoreOptions options;
  options.path = path;
  options.min_free_bytes = 0;
  options.write_buffer_bytes = 64 << 10;  // so that flushes and compactions are among what is interrupted
  options.cache_bytes = 100 << 10;
  return options;
}

// Window `sequence` of `agent` has one sample in each of kServices services, of a stack of its own and of
// one that all share.
Window MakeNumberedWindow(int agent, uint64_t sequence) {
  Window window = MakeWindow(absl::StrCat("agent-", agent), "boot", sequence,
                             kNoon + absl::Minutes(static_cast<int64_t>(sequence % 3000)));
  for (uint64_t service = 0; service < kServices; ++service) {
    AddSeries(window, {{"service_name", absl::StrCat("service-", service)}, {"agent", absl::StrCat(agent)}},
              {{absl::StrCat("main;agent-", agent, ";window-", sequence), 1}, {"main;shared", 1}});
  }
  return window;
}

struct Acknowledgement {
  int agent = 0;
  uint64_t sequence = 0;
};

constexpr char kPathVariable[] = "STORE_CRASH_TEST_PATH";
constexpr char kFirstVariable[] = "STORE_CRASH_TEST_FIRST";  // sequences, one for each agent
constexpr int kPipe = 3;                                     // where the child acknowledges

// Runs until it is killed: each thread is one agent that sends its windows in order and tells of each that
// is acknowledged.
[[noreturn]] void AppendForEver(const std::string& path, const std::vector<uint64_t>& first) {
  auto store = EmbeddedStore::Open(Options(path));
  if (!store.ok()) ::_exit(3);
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int agent = 0; agent < kThreads; ++agent) {
    threads.emplace_back([&, agent] {
      for (uint64_t sequence = first[static_cast<size_t>(agent)];; ++sequence) {
        if (!(*store)->Append(MakeNumberedWindow(agent, sequence)).ok()) ::_exit(4);
        const Acknowledgement acknowledgement{agent, sequence};
        // Below PIPE_BUF it is written whole or not at all.
        if (::write(kPipe, &acknowledgement, sizeof(acknowledgement)) != sizeof(acknowledgement)) ::_exit(5);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  ::_exit(6);
}

// Not a test: the process that is killed. A forked child without exec would inherit RocksDB's locks.
TEST(StoreCrashTest, DISABLED_Child) {
  const char* path = std::getenv(kPathVariable);
  if (path == nullptr) GTEST_SKIP() << "only run by the other test";
  std::vector<uint64_t> first;
  for (const absl::string_view text : absl::StrSplit(std::getenv(kFirstVariable), ',')) {
    CHECK(absl::SimpleAtoi(text, &first.emplace_back()));  // written by StartChild()
  }
  AppendForEver(path, first);
}

pid_t StartChild(const std::string& path, const std::vector<uint64_t>& first, int pipe) {
  const std::string path_setting = absl::StrCat(kPathVariable, "=", path);
  const std::string first_setting = absl::StrCat(kFirstVariable, "=", absl::StrJoin(first, ","));
  std::vector<char*> environment;
  for (char** variable = environ; *variable != nullptr; ++variable) environment.push_back(*variable);
  environment.push_back(const_cast<char*>(path_setting.c_str()));
  environment.push_back(const_cast<char*>(first_setting.c_str()));
  environment.push_back(nullptr);
  char program[] = "/proc/self/exe";
  char filter[] = "--gtest_filter=StoreCrashTest.DISABLED_Child";
  char disabled[] = "--gtest_also_run_disabled_tests";
  char* const arguments[] = {program, filter, disabled, nullptr};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, pipe, kPipe);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  pid_t child = -1;
  const int error = posix_spawn(&child, program, &actions, nullptr, arguments, environment.data());
  posix_spawn_file_actions_destroy(&actions);
  EXPECT_EQ(error, 0);
  return child;
}

TEST(StoreCrashTest, AcknowledgedWindowsSurviveKillsExactlyOnce) {
  const TemporaryDirectory directory;
  std::mt19937 random(11);
  std::vector<uint64_t> acknowledged(kThreads);
  constexpr int kRounds = 12;
  for (int round = 0; round < kRounds; ++round) {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    UniqueFd reading(ends[0]);
    // Away from kPipe: dup2() of a descriptor to itself would leave it closing on exec.
    UniqueFd writing(::fcntl(ends[1], F_DUPFD_CLOEXEC, kPipe + 1));
    ::close(ends[1]);
    // Agents send again from the last window whose acknowledgement they saw.
    std::vector<uint64_t> first;
    first.reserve(kThreads);
    for (const uint64_t sequence : acknowledged) first.push_back(std::max<uint64_t>(sequence, 1));
    const pid_t child = StartChild(directory.path(), first, writing.get());
    ASSERT_GE(child, 0);
    writing.Reset();
    // Kill it after some acknowledgements, so that every round makes progress however slow the machine is.
    uint64_t left = 1 + random() % 150;
    Acknowledgement acknowledgement;
    while (::read(reading.get(), &acknowledgement, sizeof(acknowledgement)) == sizeof(acknowledgement)) {
      acknowledged[static_cast<size_t>(acknowledgement.agent)] = acknowledgement.sequence;
      // Those that come after the kill were acknowledged too.
      if (left > 0 && --left == 0) {
        absl::SleepFor(absl::Microseconds(random() % 5000));  // to hit anywhere in the next append
        ::kill(child, SIGKILL);
      }
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "exit code " << WEXITSTATUS(status);

    auto store = EmbeddedStore::Open(Options(directory.path()));
    ASSERT_TRUE(store.ok()) << store.status();
    const TimeSpan all = {absl::InfinitePast(), absl::InfiniteFuture()};
    for (int agent = 0; agent < kThreads; ++agent) {
      const uint64_t last = acknowledged[static_cast<size_t>(agent)];
      uint64_t windows = 0;
      for (uint64_t service = 0; service < kServices; ++service) {
        const auto merged = (*store)->Merge(
            {ProfileType{}, all,
             *ParseSelector(absl::StrCat("{agent=\"", agent, "\", service=\"service-", service, "\"}"))},
            {});
        ASSERT_TRUE(merged.ok()) << merged.status();
        const auto counts = CountsByStack(merged->profile);
        for (uint64_t sequence = 1; sequence <= last; ++sequence) {
          const auto found = counts.find(absl::StrCat("main;agent-", agent, ";window-", sequence));
          ASSERT_TRUE(found != counts.end()) << "window " << sequence << " is lost";
          ASSERT_EQ(found->second, 1u) << "window " << sequence << " counts twice";
        }
        // One more may have been stored without the agent hearing of it.
        if (service == 0) windows = merged->coverage.windows;
        EXPECT_GE(windows, last);
        EXPECT_LE(windows, last + 1);
        EXPECT_EQ(merged->coverage.windows, windows) << "a window is there by half";
        if (windows > 0) {
          EXPECT_EQ(counts.at("main;shared"), windows);
        }
      }
      if (last > 0) {
        const auto again = (*store)->Append(MakeNumberedWindow(agent, last));
        ASSERT_TRUE(again.ok()) << again.status();
        EXPECT_EQ(*again, AppendOutcome::kAlreadyThere);
      }
    }
    EXPECT_EQ((*store)->counters().corrupt_records, 0u);
  }
}

}  // namespace
}  // namespace pilotlight::collector
