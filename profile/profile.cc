#include "profile/profile.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"

namespace pilotlight {

std::string ProfileType::ToString() const {
  return absl::StrJoin({name, sample_type, sample_unit, period_type, period_unit}, ":");
}

absl::StatusOr<ProfileType> ProfileType::Parse(absl::string_view text) {
  const std::vector<std::string> parts = absl::StrSplit(text, ':');
  if (parts.size() != 5 || parts[0].empty() || parts[1].empty() || parts[2].empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("profile type \"", text,
                     "\" is not <name>:<sample type>:<sample unit>:<period type>:<period unit>, such as ",
                     ProfileType{}.ToString()));
  }
  return ProfileType{parts[0], parts[1], parts[2], parts[3], parts[4]};
}

ProfileType OffCpuType() {
  return {.name = "off_cpu",
          .sample_type = "off_cpu",
          .sample_unit = "nanoseconds",
          .period_type = "off_cpu",
          .period_unit = "nanoseconds"};
}

bool IsInstantaneous(const ProfileType& type) {
  if (type.sample_type == "inuse_space" || type.sample_type == "inuse_objects") return true;
  if (type.sample_unit == "nanoseconds" || type.sample_unit == "bytes" || type.sample_unit == "events")
    return false;
  if (type.period_unit == "nanoseconds") return false;  // a clock has sampled it
  constexpr absl::string_view kEvents[] = {"samples", "alloc_objects", "contentions"};
  return std::ranges::find(kEvents, type.sample_type) == std::end(kEvents);
}

void MergeSamples(std::vector<Sample>& samples) {
  std::ranges::sort(samples, {}, &Sample::node);
  size_t kept = 0;
  for (size_t i = 0; i < samples.size(); ++i) {
    if (kept > 0 && samples[kept - 1].node == samples[i].node) {
      samples[kept - 1] += samples[i];
    } else {
      samples[kept++] = samples[i];
    }
  }
  samples.resize(kept);
}

LossCounters& LossCounters::operator+=(const LossCounters& other) {
  lost_samples += other.lost_samples;
  truncated_stacks += other.truncated_stacks;
  frames += other.frames;
  unsymbolized_frames += other.unsymbolized_frames;
  return *this;
}

ProfileTotals Totals(const std::vector<Sample>& samples) {
  ProfileTotals totals;
  for (const Sample& sample : samples) {
    totals.count += sample.count;
    totals.value += sample.value;
  }
  return totals;
}

absl::Status MergeHeading(const Profile& from, bool into_is_new, Profile& into) {
  if (into_is_new) {
    into.type = from.type;
    into.period = from.period;
    into.start = from.start;
    into.labels = from.labels;
  } else if (from.type != into.type) {
    return absl::InvalidArgumentError(absl::StrCat("profiles of different types cannot be merged: ",
                                                   from.type.ToString(), " and ", into.type.ToString()));
  }
  if (into.period != from.period) into.period = 0;
  into.start = std::min(into.start, from.start);
  into.duration += from.duration;
  std::erase_if(into.labels, [&from](const auto& label) {
    const auto other = from.labels.find(label.first);
    return other == from.labels.end() || other->second != label.second;
  });
  return absl::OkStatus();
}

absl::Status MergeProfile(const Profile& from, Profile& into) {
  const bool into_is_new = into.samples.empty() && into.duration == absl::ZeroDuration();
  RETURN_IF_ERROR(MergeHeading(from, into_is_new, into));
  TrieMapper mapper(from.trie, into.trie);
  for (const Sample& sample : from.samples) {
    into.samples.push_back({mapper.MapNode(sample.node), sample.count, sample.value});
  }
  MergeSamples(into.samples);
  into.loss += from.loss;
  return absl::OkStatus();
}

Profile ToProfile(const Window& window, const Series& series) {
  Profile profile;
  profile.type = series.type;
  profile.period = series.period;
  profile.start = window.start;
  profile.duration = window.duration;
  profile.labels = series.labels;
  profile.loss = series.loss;
  TrieMapper mapper(window.stacks(), profile.trie);
  for (const Sample& sample : series.samples) {
    profile.samples.push_back({mapper.MapNode(sample.node), sample.count, sample.value});
  }
  MergeSamples(profile.samples);
  return profile;
}

}  // namespace pilotlight
