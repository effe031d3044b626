// Numbers as people read them, the same in the terminal and in pictures. Three significant digits, no
// trailing zeros: "1.52s", "230ms", "1.5MiB", "12.3%".
#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "profile/statistics.h"

namespace pilotlight {

// In the unit that fits: ns, µs, ms, s, min, h, d.
std::string FormatTimeSpan(absl::Duration duration);
// In the unit that fits: B, KiB, MiB, GiB, TiB, PiB.
std::string FormatBytes(int64_t bytes);
// All digits, in groups of three: "1,234,567".
std::string FormatCount(int64_t count);
// A value of a profile in its sample unit ("nanoseconds", "bytes", "count"); an unknown unit follows the
// number: "12 requests".
std::string FormatValue(int64_t value, absl::string_view unit);

// 0.1234 is "12.3%". What is not 0 never reads "0%", what is not 1 never "100%".
std::string FormatPercent(double share);
// "10.1–14.6%".
std::string FormatInterval(const Interval& interval);
// "12.3% (10.1–14.6%)".
std::string FormatShare(double share, const Interval& interval);

}  // namespace pilotlight
