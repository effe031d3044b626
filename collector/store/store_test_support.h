// Windows made up for tests, and the plainest possible store to compare with.
#pragma once

#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "collector/store/profile_store.h"
#include "profile/profile.h"

namespace pilotlight::collector {

// 2026-03-10 12:00 UTC.
inline const absl::Time kNoon = absl::FromCivil(absl::CivilHour(2026, 3, 10, 12), absl::UTCTimeZone());
inline constexpr int64_t kPeriodNs = 10'000'000;

// The same for all levels.
inline LevelTimes AllLevels(absl::Time time) { return {time, time, time, time}; }

// The node of a stack of Go functions, the outermost caller first: "main;handle;sort".
NodeId AddStack(StackTrie& trie, absl::string_view stack);

// An empty window of 10 s in every 60.
Window MakeWindow(const std::string& agent, const std::string& boot, uint64_t sequence, absl::Time start);

// Adds a CPU series with values count × kPeriodNs; `stacks` maps stacks to counts.
Series& AddSeries(Window& window, const Labels& labels, const std::map<std::string, uint64_t>& stacks);

// Some services and pods, CPU and allocation profiles, duty cycles, losses: all by chance.
Window MakeRandomWindow(std::mt19937& random, const std::string& agent, const std::string& boot,
                        uint64_t sequence, absl::Time start);

// Stacks, every field of their frames written out, with their count and value. Zero sums are left out.
using Content = std::map<std::string, std::pair<uint64_t, int64_t>>;
Content ContentOf(const StackTrie& trie, const std::vector<Sample>& samples);
// Only function names: "main;handle;sort".
std::map<std::string, uint64_t> CountsByStack(const Profile& profile);

// Keeps windows as they are and looks through all of them each time.
class NaiveStore {
 public:
  void Append(const Window& window) { windows_.push_back(&window); }
  MergedProfile Merge(const StoreSelection& selection) const;
  std::vector<TimeSeries> SelectSeries(const StoreSelection& selection, absl::Duration step,
                                       const std::vector<std::string>& group_by,
                                       absl::string_view only_stacks_with) const;
  std::vector<std::string> LabelValues(const std::string& name, TimeSpan span,
                                       const std::vector<Matcher>& matchers) const;
  std::vector<ProfileType> ProfileTypes(TimeSpan span) const;

 private:
  // Or of a type of which all count.
  bool IsNewest(const Window& window, const Series& series, TimeSpan span) const;

  std::vector<const Window*> windows_;
};

}  // namespace pilotlight::collector
