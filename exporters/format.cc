#include "exporters/format.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"

namespace pilotlight {
namespace {

// REQUIRES: 0 ≤ number.
std::string ThreeDigits(double number) {
  const int decimals = number < 9.995 ? 2 : number < 99.95 ? 1 : 0;
  std::string text = absl::StrFormat("%.*f", decimals, number);
  if (decimals > 0) {
    text.erase(text.find_last_not_of('0') + 1);
    if (text.back() == '.') text.pop_back();
  }
  return text;
}

struct Unit {
  double size;
  absl::string_view name;
};

// The largest unit in which `number` does not round to 0.
template <size_t n>
std::string InUnits(double number, const Unit (&units)[n]) {
  size_t i = 0;
  // 999.6 ms reads better as "1s" than as "1000ms".
  while (i + 1 < n && number >= 0.9995 * units[i + 1].size) ++i;
  return absl::StrCat(ThreeDigits(number / units[i].size), units[i].name);
}

// Of the magnitude, as -INT64_MIN does not exist.
double Magnitude(int64_t number) { return std::abs(static_cast<double>(number)); }

std::string PercentDigits(double share) {
  const double percent = share * 100;
  if (percent <= 0) return "0";
  if (percent >= 100) return "100";
  if (percent < 0.01) return "<0.01";
  if (percent > 99.95) return ">99.9";
  return ThreeDigits(percent);
}

}  // namespace

std::string FormatTimeSpan(absl::Duration duration) {
  constexpr Unit kUnits[] = {{1, "ns"},     {1e3, "µs"},   {1e6, "ms"},   {1e9, "s"},
                             {60e9, "min"}, {3600e9, "h"}, {86400e9, "d"}};
  const double ns = absl::ToDoubleNanoseconds(duration);
  return absl::StrCat(ns < 0 ? "-" : "", ns == 0 ? "0s" : InUnits(std::abs(ns), kUnits));
}

std::string FormatBytes(int64_t bytes) {
  constexpr Unit kUnits[] = {
      {1, "B"}, {0x1p10, "KiB"}, {0x1p20, "MiB"}, {0x1p30, "GiB"}, {0x1p40, "TiB"}, {0x1p50, "PiB"},
  };
  return absl::StrCat(bytes < 0 ? "-" : "", InUnits(Magnitude(bytes), kUnits));
}

std::string FormatCount(int64_t count) {
  std::string text = absl::StrCat(count);
  const ptrdiff_t first = count < 0 ? 1 : 0;
  for (auto i = static_cast<ptrdiff_t>(text.size()) - 3; i > first; i -= 3)
    text.insert(text.begin() + i, ',');
  return text;
}

std::string FormatValue(int64_t value, absl::string_view unit) {
  if (unit == "nanoseconds" || unit == "ns") return FormatTimeSpan(absl::Nanoseconds(value));
  if (unit == "microseconds" || unit == "us") return FormatTimeSpan(absl::Microseconds(value));
  if (unit == "milliseconds" || unit == "ms") return FormatTimeSpan(absl::Milliseconds(value));
  if (unit == "seconds" || unit == "s") return FormatTimeSpan(absl::Seconds(value));
  if (unit == "bytes") return FormatBytes(value);
  if (unit == "count" || unit.empty()) return FormatCount(value);
  return absl::StrCat(FormatCount(value), " ", unit);
}

std::string FormatPercent(double share) { return absl::StrCat(PercentDigits(share), "%"); }

std::string FormatInterval(const Interval& interval) {
  return absl::StrCat(PercentDigits(interval.lower), "–", PercentDigits(interval.upper), "%");
}

std::string FormatShare(double share, const Interval& interval) {
  return absl::StrCat(FormatPercent(share), " (", FormatInterval(interval), ")");
}

}  // namespace pilotlight
