// The levels of time at which the store keeps profiles: as captured, and summed over ever longer spans.
#pragma once

#include <array>
#include <cstdint>

namespace pilotlight::collector {

enum class Level : uint8_t { kWindow = 0, kTenMinutes = 1, kHour = 2, kDay = 3 };

// Those that are sums of finer ones, the finest first.
inline constexpr std::array kSummedLevels = {Level::kTenMinutes, Level::kHour, Level::kDay};

inline constexpr uint64_t kNanosecondsOfMinute = uint64_t{60} * 1'000'000'000;
inline constexpr uint64_t kNanosecondsOfDay = 24 * 60 * kNanosecondsOfMinute;

// Of one span; spans start at multiples of it, in Unix time. Windows have none of their own.
constexpr uint64_t SpanNanoseconds(Level level) {
  switch (level) {
    case Level::kWindow:
      return 1;
    case Level::kTenMinutes:
      return 10 * kNanosecondsOfMinute;
    case Level::kHour:
      return 60 * kNanosecondsOfMinute;
    case Level::kDay:
      return kNanosecondsOfDay;
  }
  return 0;
}

constexpr Level Finer(Level level) { return static_cast<Level>(static_cast<uint8_t>(level) - 1); }
constexpr Level Coarser(Level level) { return static_cast<Level>(static_cast<uint8_t>(level) + 1); }

// The start of the span that holds `time`.
constexpr uint64_t SpanStart(Level level, uint64_t unix_ns) {
  return unix_ns - unix_ns % SpanNanoseconds(level);
}

}  // namespace pilotlight::collector
