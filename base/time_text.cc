#include "base/time_text.h"

#include <cmath>
#include <optional>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/flags.h"

namespace pilotlight {
namespace {

absl::Status NotATime(absl::string_view text) {
  return absl::InvalidArgumentError(absl::StrCat(
      "\"", text,
      "\" is not a time; write it like now-30m, -1h, 2024-05-01T12:00:00Z or 1714564800 (Unix seconds)"));
}

bool IsNumber(absl::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789.") == absl::string_view::npos;
}

}  // namespace

absl::StatusOr<absl::Time> ParseTimeText(absl::string_view text, absl::Time now) {
  absl::string_view rest = text;
  const bool begins_with_now = absl::ConsumePrefix(&rest, "now");
  if (begins_with_now && rest.empty()) return now;
  if (absl::StartsWith(rest, "-") || (begins_with_now && absl::StartsWith(rest, "+"))) {
    const std::optional<absl::Duration> offset = ParseDurationText(std::string(rest.substr(1)));
    if (!offset) return NotATime(text);
    return rest[0] == '-' ? now - *offset : now + *offset;
  }
  if (begins_with_now) return NotATime(text);
  if (IsNumber(rest)) {
    double number = 0;
    constexpr double kTooLarge = 1e15;
    if (!absl::SimpleAtod(rest, &number) || number >= kTooLarge) return NotATime(text);
    // As seconds 1e11 is in the year 5138, as milliseconds in 1973.
    constexpr double kFirstMilliseconds = 1e11;
    if (number >= kFirstMilliseconds) number /= 1000;
    const double seconds = std::floor(number);
    return absl::FromUnixSeconds(static_cast<int64_t>(seconds)) + absl::Seconds(number - seconds);
  }
  absl::Time time;
  std::string error;
  if (absl::ParseTime(absl::RFC3339_full, rest, &time, &error)) return time;
  return NotATime(text);
}

}  // namespace pilotlight
