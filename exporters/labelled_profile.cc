#include "exporters/labelled_profile.h"

#include <algorithm>
#include <utility>

#include "base/status_macros.h"

namespace pilotlight {
namespace {

LabelledProfile AsOnePart(Profile profile) {
  LabelledProfile labelled;
  LabelledSamples part;
  part.samples = std::exchange(profile.samples, {});
  part.loss = std::exchange(profile.loss, {});
  if (!part.samples.empty()) labelled.parts.push_back(std::move(part));
  labelled.profile = std::move(profile);
  return labelled;
}

}  // namespace

absl::Status MergeLabelled(const LabelledProfile& from, LabelledProfile& into) {
  RETURN_IF_ERROR(MergeHeading(from.profile, /*into_is_new=*/into.parts.empty(), into.profile));
  TrieMapper mapper(from.profile.trie, into.profile.trie);
  for (const LabelledSamples& part : from.parts) {
    auto to = std::ranges::find(into.parts, part.labels, &LabelledSamples::labels);
    if (to == into.parts.end())
      to = into.parts.insert(to, {.labels = part.labels, .samples = {}, .loss = {}});
    for (const Sample& sample : part.samples) {
      to->samples.push_back({mapper.MapNode(sample.node), sample.count, sample.value});
    }
    MergeSamples(to->samples);
    to->loss += part.loss;
  }
  return absl::OkStatus();
}

ProfileTotals Totals(const LabelledProfile& labelled) {
  ProfileTotals totals;
  for (const LabelledSamples& part : labelled.parts) {
    const ProfileTotals of_part = Totals(part.samples);
    totals.count += of_part.count;
    totals.value += of_part.value;
  }
  return totals;
}

Profile AddUpParts(LabelledProfile labelled) {
  Profile& whole = labelled.profile;
  for (LabelledSamples& part : labelled.parts) {
    whole.loss += part.loss;
    if (whole.samples.empty()) {
      whole.samples = std::move(part.samples);
    } else {
      whole.samples.insert(whole.samples.end(), part.samples.begin(), part.samples.end());
    }
  }
  if (labelled.parts.size() > 1) MergeSamples(whole.samples);
  return std::move(whole);
}

std::vector<Profile> AddUpParts(std::vector<LabelledProfile> labelled) {
  std::vector<Profile> profiles;
  profiles.reserve(labelled.size());
  for (LabelledProfile& one : labelled) profiles.push_back(AddUpParts(std::move(one)));
  return profiles;
}

std::vector<LabelledProfile> WithoutLabels(std::vector<Profile> profiles) {
  std::vector<LabelledProfile> labelled;
  labelled.reserve(profiles.size());
  for (Profile& profile : profiles) labelled.push_back(AsOnePart(std::move(profile)));
  return labelled;
}

}  // namespace pilotlight
