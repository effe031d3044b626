// deep_stacks keeps cores busy under 200 different stacks of depth 23, to measure what profiling costs.
//
//   deep_stacks THREADS         until it is ended
//   deep_stacks THREADS UNITS   a fixed amount of work; prints the CPU and wall nanoseconds that it took
#include <time.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <thread>
#include <utility>
#include <vector>

namespace {

constexpr int kStacks = 200;
constexpr int kLevels = 20;  // with spin(), work(), and what starts the thread: 23

int64_t ClockNs(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

}  // namespace

namespace deep_stacks {

// Some 0.3 ms. Registers only, so that the work is the same wherever it runs.
[[gnu::noinline]] uint64_t spin(uint64_t seed) {
  uint64_t x = seed | 1;
  for (int i = 0; i < 200'000; ++i) {
    x ^= x >> 33;
    x *= 0xff51afd7ed558ccdULL;
  }
  return x;
}

// The lowest bits of `path` choose the functions below, so each path is a stack of its own.
template <int Level, int Side>
[[gnu::noinline]] uint64_t step(uint64_t path) {
  uint64_t result;
  if constexpr (Level == 0) {
    result = spin(path);
  } else if ((path & 1) != 0) {
    result = step<Level - 1, 1>(path >> 1);
  } else {
    result = step<Level - 1, 0>(path >> 1);
  }
  // After the call, so that it stays a call.
  return result + Side;
}

[[gnu::noinline]] uint64_t work(uint64_t path) { return step<kLevels - 1, 0>(path) + 1; }

}  // namespace deep_stacks

int main(int argc, char** argv) {
  const int threads = argc > 1 ? std::atoi(argv[1]) : 0;
  if (threads < 1 || threads > 64 || argc > 3) {
    std::fputs("usage: deep_stacks THREADS [UNITS]\n", stderr);
    return 2;
  }
  const long units = argc == 3 ? std::atol(argv[2]) : std::numeric_limits<long>::max();
  std::printf("ready pid=%d\n", static_cast<int>(getpid()));
  std::fflush(stdout);

  const int64_t wall_start = ClockNs(CLOCK_MONOTONIC);
  std::vector<std::thread> workers;
  std::vector<uint64_t> results(static_cast<size_t>(threads));
  workers.reserve(results.size());
  for (uint64_t& result : results) {
    workers.emplace_back([&result, units] {
      for (long unit = 0; unit < units; ++unit) {
        result += deep_stacks::work(static_cast<uint64_t>(unit % kStacks) * 2654435761 % (1 << kLevels));
      }
    });
  }
  for (std::thread& worker : workers) worker.join();
  std::printf("cpu_ns=%lld wall_ns=%lld result=%llu\n",
              static_cast<long long>(ClockNs(CLOCK_PROCESS_CPUTIME_ID)),
              static_cast<long long>(ClockNs(CLOCK_MONOTONIC) - wall_start),
              static_cast<unsigned long long>(results[0]));
  return 0;
}
