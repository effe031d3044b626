// crossings burns CPU below calls that are hard to unwind, by its argument:
//   signal     in a handler that interrupts a function
//   altstack   the same, on a stack of its own
//   realigned  below a function that aligns its stack and whose frame has no fixed size
//   dlopen LIBRARY   in a library that is opened after 1 s, called back from there
//   deleted    in a program whose file is gone
//   vdso       in the kernel's vDSO and around it
// First line on standard output: ready pid=PID. The stack is main, outer, then what the mode says, then burn.
#include <alloca.h>
#include <dlfcn.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <ctime>

#define VISIBLE extern "C" [[gnu::noinline]]
// After a call, so that it stays one.
#define KEEP_FRAME() asm volatile("")

namespace {

volatile uint64_t sink;

[[maybe_unused]] double CpuSeconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

}  // namespace

VISIBLE void burn(uint64_t rounds) {
  for (uint64_t i = 0; i < rounds; ++i) sink = sink * 3 + i;
}

VISIBLE void on_signal(int) {
  burn(4'000'000);
  KEEP_FRAME();
}

VISIBLE void interrupted() {
  while (true) sink = sink + 1;
}

VISIBLE void realigned(size_t bytes) {
  alignas(64) volatile char aligned[64];
  volatile char* const dynamic = static_cast<volatile char*>(alloca(bytes));
  aligned[0] = 1;
  dynamic[0] = 1;
  burn(1'000'000);
  sink = sink + static_cast<uint64_t>(dynamic[0]) + static_cast<uint64_t>(aligned[0]);
}

VISIBLE void called_back() {
  burn(1'000'000);
  KEEP_FRAME();
}

VISIBLE void read_clock() {
  timespec now{};
  for (int i = 0; i < 100'000; ++i) clock_gettime(CLOCK_MONOTONIC, &now);
  sink = static_cast<uint64_t>(now.tv_nsec);
}

VISIBLE void outer(const char* mode, [[maybe_unused]] const char* library) {
  if (std::strcmp(mode, "signal") == 0 || std::strcmp(mode, "altstack") == 0) {
    struct sigaction action {};
    action.sa_handler = on_signal;
    if (std::strcmp(mode, "altstack") == 0) {
      static char stack[65536];
      stack_t alternative{.ss_sp = stack, .ss_flags = 0, .ss_size = sizeof(stack)};
      sigaltstack(&alternative, nullptr);
      action.sa_flags = SA_ONSTACK;
    }
    sigaction(SIGALRM, &action, nullptr);
    const itimerval every = {{0, 1000}, {0, 1000}};
    setitimer(ITIMER_REAL, &every, nullptr);
    interrupted();
  } else if (std::strcmp(mode, "realigned") == 0) {
    while (true) realigned(64 + sink % 64);
#ifndef PILOTLIGHT_STATIC
  } else if (std::strcmp(mode, "dlopen") == 0) {
    while (CpuSeconds() < 1) burn(1'000'000);
    using CallBack = void (*)(void (*)());
    const auto call_back = reinterpret_cast<CallBack>(dlsym(dlopen(library, RTLD_NOW), "call_back"));
    while (true) call_back(called_back);
#endif
  } else if (std::strcmp(mode, "deleted") == 0) {
    while (true) called_back();
  } else {
    while (true) read_clock();
  }
  KEEP_FRAME();
}

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  if (std::strcmp(argv[1], "deleted") == 0) unlink(argv[0]);
  std::printf("ready pid=%d\n", getpid());
  std::fflush(stdout);
  outer(argv[1], argc > 2 ? argv[2] : nullptr);
  return 0;
}
