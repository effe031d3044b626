// Short ways to write profiles in tests.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "profile/profile.h"

namespace pilotlight {

// The node of a folded stack "main;serve;encode", the root first.
inline NodeId AddStack(StackTrie& trie, absl::string_view folded) {
  NodeId node = StackTrie::kRoot;
  for (const absl::string_view function : absl::StrSplit(folded, ';')) {
    node = trie.Child(
        node, trie.InternFrame(FrameView{.function = function, .kind = FrameKind::kGo, .symbolized = true}));
  }
  return node;
}

// Each count becomes count × `period` of value.
inline std::vector<Sample> AddSamples(StackTrie& trie, const std::map<std::string, uint64_t>& counts,
                                      int64_t period) {
  std::vector<Sample> samples;
  for (const auto& [folded, count] : counts) {
    samples.push_back({AddStack(trie, folded), count, static_cast<int64_t>(count) * period});
  }
  MergeSamples(samples);
  return samples;
}

inline Profile MakeProfile(const std::map<std::string, uint64_t>& counts, int64_t period = 1) {
  Profile profile;
  profile.period = period;
  profile.duration = absl::Seconds(10);
  profile.samples = AddSamples(profile.trie, counts, period);
  return profile;
}

// The inverse of AddSamples: folded stack → count. Equal stacks that differ in file or line add up.
inline std::map<std::string, uint64_t> FoldedCounts(const StackTrie& trie,
                                                    const std::vector<Sample>& samples) {
  std::map<std::string, uint64_t> counts;
  for (const Sample& sample : samples) {
    std::vector<std::string> names;
    for (const FrameId frame : trie.Stack(sample.node)) names.emplace_back(trie.view(frame).function);
    counts[absl::StrJoin(names, ";")] += sample.count;
  }
  return counts;
}

}  // namespace pilotlight
