// What crosses every border of the project: profiles, and windows of them.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "profile/stack_trie.h"

namespace pilotlight {

// Label names follow Kubernetes and Pyroscope: service_name, namespace, pod, container, node.
using Labels = std::map<std::string, std::string>;

inline constexpr absl::string_view kServiceLabel = "service_name";

// Pyroscope's five parts, "process_cpu:cpu:nanoseconds:cpu:nanoseconds" for CPU time.
struct ProfileType {
  std::string name = "process_cpu";
  std::string sample_type = "cpu";
  std::string sample_unit = "nanoseconds";
  std::string period_type = "cpu";
  std::string period_unit = "nanoseconds";

  std::string ToString() const;
  // InvalidArgument unless there are five parts, only the period's empty.
  static absl::StatusOr<ProfileType> Parse(absl::string_view text);

  friend auto operator<=>(const ProfileType&, const ProfileType&) = default;
};

// Time that threads are blocked. As for CPU time, value = count × period.
ProfileType OffCpuType();

// Whether its values tell what is there at a moment (goroutines, memory in use), rather than what has
// happened over a time: the former are not to be added up over time. Judged as Pyroscope's data source does:
// what is neither time nor bytes is of a moment, but for what is known, as perf's events are.
bool IsInstantaneous(const ProfileType& type);

// `count` events (samples, allocations, contentions) with `value` in all, in the type's sample unit.
// For CPU: value = count × period. Statistics use the count, people look at the value.
struct Sample {
  NodeId node = StackTrie::kRoot;
  uint64_t count = 0;
  int64_t value = 0;

  // The node stays.
  Sample& operator+=(const Sample& other) {
    count += other.count;
    value += other.value;
    return *this;
  }
  friend bool operator==(const Sample&, const Sample&) = default;
};

// Sorts by node and adds up what has the same node.
void MergeSamples(std::vector<Sample>& samples);

// Where samples went that are not, or not wholly, in a profile.
struct LossCounters {
  uint64_t lost_samples = 0;         // taken, but not counted in any stack
  uint64_t truncated_stacks = 0;     // samples whose outermost callers were cut off
  uint64_t frames = 0;               // frames of all samples, each weighed by its count
  uint64_t unsymbolized_frames = 0;  // of those, the ones without a name

  LossCounters& operator+=(const LossCounters& other);
  friend bool operator==(const LossCounters&, const LossCounters&) = default;
};

// Stacks of one label set; the nodes are of a table that stands beside it.
struct Series {
  Labels labels;
  ProfileType type;
  int64_t period = 0;  // in the type's period unit; 0 when the profile has none
  std::vector<Sample> samples;
  LossCounters loss;
};

// What one agent saw in one span of time.
struct Window {
  std::string agent;        // stable over restarts of the agent
  std::string boot;         // new with each start of the agent
  uint64_t sequence = 0;    // from 1, without gaps in one boot; with agent and boot it names the window
  absl::Time start;         // the agent's wall clock
  absl::Duration duration;  // how long was really watched
  absl::Duration interval;  // the span that it stands for, at least `duration` (the duty cycle)
  std::string source;       // "ebpf", "perf", "pprof", "off_cpu"
  StackTrie trie;
  // What the series' nodes are of in place of `trie`: that of the stream which the window came in, if any. It
  // outlives the window.
  const StackTable* table = nullptr;
  std::vector<Series> series;

  const StackTable& stacks() const { return table != nullptr ? *table : trie; }
};

// One merged profile with its own trie: what queries, files and exporters deal in.
struct Profile {
  ProfileType type;
  int64_t period = 0;
  absl::Time start = absl::UnixEpoch();
  absl::Duration duration;  // sum of the watched spans
  Labels labels;            // those that all its parts share
  StackTrie trie;
  std::vector<Sample> samples;
  LossCounters loss;
};

struct ProfileTotals {
  uint64_t count = 0;
  int64_t value = 0;
};
ProfileTotals Totals(const std::vector<Sample>& samples);

// What MergeProfile() does with all but samples and losses.
absl::Status MergeHeading(const Profile& from, bool into_is_new, Profile& into);

// Adds `from` to `into`: samples add up, spans join, labels keep what both share.
// InvalidArgument when the types differ. `into` without samples takes type, period and labels over.
absl::Status MergeProfile(const Profile& from, Profile& into);

// The series of `window` as a profile of its own.
Profile ToProfile(const Window& window, const Series& series);

}  // namespace pilotlight
