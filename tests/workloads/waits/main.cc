// Waits in known ways for known times. `waits` does it in one thread; `waits storm PAIRS` hands bytes to and
// fro between so many pairs of threads, as fast as it goes. Prints "ready pid=…"; answers each line of its
// standard input with the nanoseconds of each function so far.
#include <linux/futex.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

// Functions must be found in the stacks, so the compiler must not join them.
#define KEPT __attribute__((noinline, noclone))

struct Way {
  const char* name;
  void (*wait)(long microseconds);
  std::atomic<int64_t> nanoseconds;
};

volatile uint64_t sink = 0;
int socket_pair[2];

timespec ToTimespec(long microseconds) { return {microseconds / 1'000'000, microseconds % 1'000'000 * 1000}; }

KEPT void SleepAWhile(long microseconds) {
  const timespec time = ToTimespec(microseconds);
  nanosleep(&time, nullptr);
  sink = sink + 1;
}

KEPT void WaitForLock(long microseconds) {
  static uint32_t word = 0;
  const timespec time = ToTimespec(microseconds);
  syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, &time, nullptr, 0);
  sink = sink + 1;
}

KEPT void ReceiveNothing(long microseconds) {
  const timeval time = {microseconds / 1'000'000, microseconds % 1'000'000};
  setsockopt(socket_pair[0], SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time));
  char byte = 0;
  if (recv(socket_pair[0], &byte, 1, 0) > 0) std::abort();
  sink = sink + 1;
}

KEPT void PollNothing(long microseconds) {
  const timespec time = ToTimespec(microseconds);
  ppoll(nullptr, 0, &time, nullptr);
  sink = sink + 1;
}

KEPT void Compute(long microseconds) {
  const auto until = Clock::now() + std::chrono::microseconds(microseconds);
  while (Clock::now() < until) sink = sink + 1;
}

Way ways[] = {{"SleepAWhile", SleepAWhile, 0},
              {"WaitForLock", WaitForLock, 0},
              {"ReceiveNothing", ReceiveNothing, 0},
              {"PollNothing", PollNothing, 0},
              {"Compute", Compute, 0}};
// Of a round, in microseconds.
constexpr long kTimes[] = {9000, 9000, 6000, 3000, 3000};

void GoThroughTheWays() {
  for (long round = 1;; ++round) {
    for (size_t i = 0; i < std::size(ways); ++i) {
      const auto began = Clock::now();
      // From a third of the time to five thirds.
      ways[i].wait(kTimes[i] * (round * 7 % 5 + 1) / 3);
      ways[i].nanoseconds += (Clock::now() - began).count();
    }
  }
}

void HandOver(int from, int to) {
  char byte = 0;
  while (read(from, &byte, 1) == 1 && write(to, &byte, 1) == 1) {
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::thread> threads;
  if (argc > 2 && std::strcmp(argv[1], "storm") == 0) {
    for (int pair = 0; pair < std::atoi(argv[2]); ++pair) {
      int there[2];
      int back[2];
      if (pipe(there) != 0 || pipe(back) != 0 || write(there[1], "x", 1) != 1) return 1;
      threads.emplace_back(HandOver, there[0], back[1]);
      threads.emplace_back(HandOver, back[0], there[1]);
    }
  } else {
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, socket_pair) != 0) return 1;
    threads.emplace_back(GoThroughTheWays);
  }
  std::printf("ready pid=%d\n", getpid());
  std::fflush(stdout);
  for (int c = std::getchar(); c != EOF; c = std::getchar()) {
    if (c != '\n') continue;
    std::string line;
    for (const Way& way : ways) {
      line += (line.empty() ? "{\"" : ", \"") + std::string(way.name) +
              "\": " + std::to_string(way.nanoseconds.load());
    }
    std::printf("%s}\n", line.c_str());
    std::fflush(stdout);
  }
  std::_Exit(0);
}
