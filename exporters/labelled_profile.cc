#include "exporters/labelled_profile.h"

#include <utility>

namespace pilotlight {
namespace {

Profile AddUp(LabelledProfile labelled) {
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

ProfileTotals Totals(const LabelledProfile& labelled) {
  ProfileTotals totals;
  for (const LabelledSamples& part : labelled.parts) {
    const ProfileTotals of_part = Totals(part.samples);
    totals.count += of_part.count;
    totals.value += of_part.value;
  }
  return totals;
}

std::vector<Profile> AddUpParts(std::vector<LabelledProfile> labelled) {
  std::vector<Profile> profiles;
  profiles.reserve(labelled.size());
  for (LabelledProfile& one : labelled) profiles.push_back(AddUp(std::move(one)));
  return profiles;
}

std::vector<LabelledProfile> WithoutLabels(std::vector<Profile> profiles) {
  std::vector<LabelledProfile> labelled;
  labelled.reserve(profiles.size());
  for (Profile& profile : profiles) labelled.push_back(AsOnePart(std::move(profile)));
  return labelled;
}

}  // namespace pilotlight
