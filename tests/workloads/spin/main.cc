// Spin burns CPU in ways that the capture tests can check. First line on standard output, once it runs:
//   ready MAIN HEAVY LIGHT      each the code of that function as START-END, hexadecimal
// Then, by the mode that is its argument:
//   mix       calls heavy() and light() in random order, some 70 to 30, until standard input ends. Answers
//   each
//             line with the CPU time so far: HEAVY_NS LIGHT_NS PROCESS_NS
//   syscalls  reads /dev/zero, until standard input ends
//   forest    heavy() at the end of 4096 different call paths, until standard input ends
//   deep      heavy() at the end of 128 different call paths of some 23 frames, until standard input ends
//   brief     waits for a line, calls heavy() for 300 ms of CPU time and ends
//   told      waits for a line, calls heavy() until the next line and ends
#include <fcntl.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

// The linker gives the bounds of sections whose names could be C identifiers.
#define IN_SECTION(name) [[gnu::noinline, gnu::section(name)]]
extern "C" {
extern const char __start_main_code[];
extern const char __stop_main_code[];
extern const char __start_heavy_code[];
extern const char __stop_heavy_code[];
extern const char __start_light_code[];
extern const char __stop_light_code[];
}

namespace {

volatile uint64_t sink;

// gcc gives a leaf function no frame pointer, whatever the options, unless it asks for the frame's address;
// an unwinder by frame pointers would then miss its caller.
#ifdef PILOTLIGHT_NO_FRAME_POINTERS
#define WITH_FRAME_POINTER() static_cast<void>(0)
#else
#define WITH_FRAME_POINTER() asm volatile("" : : "r"(__builtin_frame_address(0)))
#endif

IN_SECTION("heavy_code") void heavy(uint64_t rounds) {
  WITH_FRAME_POINTER();
  for (uint64_t i = 0; i < rounds; ++i) sink = sink * 3 + i;
}

IN_SECTION("light_code") void light(uint64_t rounds) {
  WITH_FRAME_POINTER();
  for (uint64_t i = 0; i < rounds; ++i) sink = sink * 5 + i;
}

uint64_t ClockNs(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

constexpr uint64_t kRounds = 100'000;  // some 200 µs

// A call path for each number below 4096: one bit, one caller.
[[gnu::noinline]] void Right(unsigned path, int depth);
[[gnu::noinline]] void Left(unsigned path, int depth) {
  if (depth == 0) {
    heavy(kRounds / 10);
  } else if ((path & 1) != 0) {
    Right(path >> 1, depth - 1);
  } else {
    Left(path >> 1, depth - 1);
  }
  asm volatile("");  // or the calls above would become jumps
}
void Right(unsigned path, int depth) {
  Left(path, depth);
  asm volatile("");
}

// `frames` more frames above one of 128 call paths.
[[gnu::noinline]] void Deep(unsigned path, int frames) {
  if (frames > 0) {
    Deep(path, frames - 1);
  } else {
    Left(path & 0x7f, 7);
  }
  asm volatile("");
}

enum class Input { kNothing, kLine, kEnd };

Input PollInput() {
  pollfd input{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
  if (poll(&input, 1, 0) == 0) return Input::kNothing;
  char line[64];
  return read(STDIN_FILENO, line, sizeof(line)) > 0 ? Input::kLine : Input::kEnd;
}

}  // namespace

IN_SECTION("main_code") int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const char* mode = argv[1];
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
  std::printf("ready %" PRIxPTR "-%" PRIxPTR " %" PRIxPTR "-%" PRIxPTR " %" PRIxPTR "-%" PRIxPTR "\n",
              reinterpret_cast<uintptr_t>(__start_main_code), reinterpret_cast<uintptr_t>(__stop_main_code),
              reinterpret_cast<uintptr_t>(__start_heavy_code), reinterpret_cast<uintptr_t>(__stop_heavy_code),
              reinterpret_cast<uintptr_t>(__start_light_code),
              reinterpret_cast<uintptr_t>(__stop_light_code));

  if (std::strcmp(mode, "brief") == 0) {
    char line[64];
    if (read(STDIN_FILENO, line, sizeof(line)) < 0) return 1;
    while (ClockNs(CLOCK_PROCESS_CPUTIME_ID) < 300'000'000) heavy(kRounds);
    return 0;
  }

  if (std::strcmp(mode, "told") == 0) {
    char line[64];
    if (read(STDIN_FILENO, line, sizeof(line)) < 0) return 1;
    while (PollInput() == Input::kNothing) heavy(kRounds);
    return 0;
  }

  std::vector<char> buffer(size_t{256} << 10);
  const int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
  uint64_t heavy_ns = 0;
  uint64_t light_ns = 0;
  uint64_t random = 88172645463325252ULL;
  while (true) {
    const Input input = PollInput();
    if (input == Input::kEnd) return 0;
    if (input == Input::kLine) {
      std::printf("%" PRIu64 " %" PRIu64 " %" PRIu64 "\n", heavy_ns, light_ns,
                  ClockNs(CLOCK_PROCESS_CPUTIME_ID));
    }
    random ^= random << 13;
    random ^= random >> 7;
    random ^= random << 17;
    if (std::strcmp(mode, "syscalls") == 0) {
      if (read(zero, buffer.data(), buffer.size()) < 0) return 1;
    } else if (std::strcmp(mode, "forest") == 0) {
      Left(static_cast<unsigned>(random & 0xfff), 12);
    } else if (std::strcmp(mode, "deep") == 0) {
      Deep(static_cast<unsigned>(random), 8);
    } else {
      const uint64_t began = ClockNs(CLOCK_THREAD_CPUTIME_ID);
      if (random % 10 < 7) {
        heavy(kRounds);
        heavy_ns += ClockNs(CLOCK_THREAD_CPUTIME_ID) - began;
      } else {
        light(kRounds);
        light_ns += ClockNs(CLOCK_THREAD_CPUTIME_ID) - began;
      }
    }
  }
}
