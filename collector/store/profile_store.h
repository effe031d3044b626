// Where the collector keeps windows. The embedded store is one implementation, a cluster another.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "collector/store/matcher.h"
#include "collector/store/read_limits.h"
#include "profile/profile.h"

namespace pilotlight::collector {

struct TimeSpan {
  absl::Time start;  // inclusive
  absl::Time end;    // exclusive
};

// All series that match, of windows that start within the span.
struct StoreSelection {
  ProfileType type;
  TimeSpan span;
  std::vector<Matcher> matchers;
};

// How much stands behind a merged profile.
struct Coverage {
  uint64_t windows = 0;        // label set × window
  absl::Duration watched;      // sum of the windows' durations
  double estimated_value = 0;  // each window's value × interval / duration
  // From the first window's start to the end of the interval that the last one stands for; equal when there
  // is no window.
  absl::Time first_start;
  absl::Time last_end;
};

struct MergedProfile {
  Profile profile;
  Coverage coverage;
};

// One label set's value in one step.
struct SeriesPoint {
  int64_t step = 0;  // its number, counted from the start of the span
  uint64_t count = 0;
  int64_t value = 0;           // in the type's sample unit, as sampled
  double estimated_value = 0;  // each window's value × interval / duration

  // Of the same step.
  SeriesPoint& operator+=(const SeriesPoint& other) {
    count += other.count;
    value += other.value;
    estimated_value += other.estimated_value;
    return *this;
  }
};

struct TimeSeries {
  Labels labels;
  std::vector<SeriesPoint> points;  // in order of time, steps without windows left out
};

// A time for each level at which profiles are kept: windows as captured, and sums over ever longer spans.
struct LevelTimes {
  absl::Time windows;
  absl::Time ten_minutes;
  absl::Time hours;
  absl::Time days;
};

enum class AppendOutcome { kStored, kAlreadyThere };

// Thread-safe.
class ProfileStore {
 public:
  virtual ~ProfileStore() = default;

  // Stores the window whole or not at all; when it returns OK the window is durable. A window whose
  // (agent, boot, sequence) is not above the last one stored for its agent and boot is kAlreadyThere.
  // ResourceExhausted: no room now, try later. InvalidArgument: can never be stored.
  virtual absl::StatusOr<AppendOutcome> Append(const Window& window) = 0;

  // Reading ends at the limits: Cancelled, DeadlineExceeded, ResourceExhausted; each says what to do.

  // Of a type that is instantaneous (IsInstantaneous()) only the newest window of each label set counts, and
  // for SelectSeries() the newest of each step.
  virtual absl::StatusOr<MergedProfile> Merge(const StoreSelection& selection, const ReadLimits& limits) = 0;
  // Groups by the values of `group_by`; steps are counted from span.start. REQUIRES: step > 0.
  // `select_samples`, when set, drops the stacks that are not to be counted (focus, ignore). It judges by the
  // stack alone: it may be given each once, with any count, for many windows.
  virtual absl::StatusOr<std::vector<TimeSeries>> SelectSeries(
      const StoreSelection& selection, absl::Duration step, const std::vector<std::string>& group_by,
      const std::function<void(const StackTrie&, std::vector<Sample>&)>& select_samples,
      const ReadLimits& limits) = 0;

  // Sorted, without duplicates.
  virtual absl::StatusOr<std::vector<std::string>> LabelNames(TimeSpan span,
                                                              const std::vector<Matcher>& matchers,
                                                              const ReadLimits& limits) = 0;
  virtual absl::StatusOr<std::vector<std::string>> LabelValues(const std::string& name, TimeSpan span,
                                                               const std::vector<Matcher>& matchers,
                                                               const ReadLimits& limits) = 0;
  virtual absl::StatusOr<std::vector<ProfileType>> ProfileTypes(TimeSpan span, const ReadLimits& limits) = 0;

  // Sums up what is due into the coarser levels of time, for as long as it `goes_on`. To be called every few
  // seconds; answers do not depend on it, only how fast they come.
  virtual absl::Status FillLevelsWhile(absl::FunctionRef<bool()> goes_on) = 0;
  absl::Status FillLevels() {
    return FillLevelsWhile([] { return true; });
  }

  // Drops what started earlier, at each level, in whole blocks. REQUIRES: no level's time is before a coarser
  // level's.
  virtual absl::Status DropBefore(const LevelTimes& before) = 0;
  // When the store takes more on disk, drops what is oldest at the finest level that has anything from before
  // this day (UTC): a day of it, or 32 where these are stored together. Only once, as the room may be free
  // only later: to be called every minute or so.
  virtual absl::Status DropToSize(uint64_t max_bytes) = 0;
};

}  // namespace pilotlight::collector
