// Cruncher is a C++ program with frame pointers whose functions cost what is known: compress_block 50 %,
// sort_records 30 % and checksum_pages 20 % of the time that it works. It measures what each really used by
// the CPU clock of its thread: for each line on its standard input it prints the truth as one line of JSON.
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>
#include <thread>

namespace {

int64_t ClockNs(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

std::atomic<uint64_t> sink{0};

uint64_t Mix(uint64_t x) {
  x ^= x >> 33;
  x *= 0xff51afd7ed558ccdULL;
  return x ^ (x >> 29);
}

}  // namespace

// gcc 12 gives no frame pointer to a leaf function that needs none, even when told to; its caller would then
// be missing from the stack.
#define KEEP_FRAME_POINTER asm volatile("" : : "r"(__builtin_frame_address(0)))

namespace cruncher {

[[gnu::noinline]] uint64_t compress_block(int rounds) {
  KEEP_FRAME_POINTER;
  uint64_t x = static_cast<uint64_t>(rounds);
  for (int i = 0; i < rounds; ++i) x = Mix(x + static_cast<uint64_t>(i));
  return x;
}

template <typename Record>
[[gnu::noinline]] Record sort_records(int rounds) {
  KEEP_FRAME_POINTER;
  Record scores[64] = {};
  for (int i = 0; i < rounds; ++i) scores[i & 63] += Mix(static_cast<Record>(i)) & 0xff;
  return scores[7];
}

[[gnu::noinline]] uint64_t checksum_pages(int rounds) {
  KEEP_FRAME_POINTER;
  uint64_t a = 1;
  uint64_t b = 0;
  for (int i = 0; i < rounds; ++i) {
    a = (a + static_cast<uint64_t>(i)) % 65521;
    b = (b + a) % 65521;
  }
  return (b << 16) | a;
}

struct Unit {
  const char* name;
  uint64_t (*work)(int);
  int64_t cost_ns;
  std::atomic<int64_t> spent_ns{0};
};

// A round of 60 ms: many in a window, so that it does not matter where in a round the window begins.
Unit units[] = {{"cruncher::compress_block(int)", compress_block, 30'000'000},
                {"cruncher::sort_records<unsigned long>(int)", sort_records<uint64_t>, 18'000'000},
                {"cruncher::checksum_pages(int)", checksum_pages, 12'000'000}};

// Burns the unit's cost of CPU time. The clock is read every few microseconds of work, so that the truth is
// right to well under a millisecond at any time.
[[gnu::noinline]] void run_unit(Unit& unit) {
  const int64_t start = ClockNs(CLOCK_THREAD_CPUTIME_ID);
  for (int64_t booked = start; booked - start < unit.cost_ns;) {
    sink += unit.work(20000);
    const int64_t now = ClockNs(CLOCK_THREAD_CPUTIME_ID);
    unit.spent_ns += now - booked;
    booked = now;
  }
}

void PrintTruth() {
  for (const Unit& unit : units)
    std::printf("%s\"%s\":%ld", &unit == units ? "{" : ",", unit.name, unit.spent_ns.load());
  std::printf(",\"total\":%ld}\n", ClockNs(CLOCK_PROCESS_CPUTIME_ID));
  std::fflush(stdout);
}

}  // namespace cruncher

int main(int argc, char** argv) {
  const double busy = argc > 1 ? std::atof(argv[1]) : 0.5;
  if (busy <= 0 || busy > 1) {
    std::fprintf(stderr, "usage: cruncher [BUSY]\nBUSY: the CPU to use, in cores, above 0 and at most 1\n");
    return 2;
  }
  std::printf("ready pid=%d\n", getpid());
  std::fflush(stdout);
  std::thread([] {
    for (std::string line; std::getline(std::cin, line);) cruncher::PrintTruth();
  }).detach();
  while (true) {
    const auto start = std::chrono::steady_clock::now();
    int64_t cost_ns = 0;
    for (cruncher::Unit& unit : cruncher::units) {
      cruncher::run_unit(unit);
      cost_ns += unit.cost_ns;
    }
    std::this_thread::sleep_until(
        start + std::chrono::nanoseconds(static_cast<int64_t>(static_cast<double>(cost_ns) / busy)));
  }
}
