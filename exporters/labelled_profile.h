// A profile whose samples have labels of their own, as those of pprof may.
#pragma once

#include <vector>

#include "absl/status/status.h"
#include "profile/profile.h"

namespace pilotlight {

struct LabelledSamples {
  Labels labels;
  std::vector<Sample> samples;
  LossCounters loss;
};

struct LabelledProfile {
  Profile profile;                     // but for samples and loss
  std::vector<LabelledSamples> parts;  // by different labels
};

// Adds `from` to `into` as MergeProfile() does: samples with the same labels and stack add up.
// InvalidArgument when the types differ. `into` without parts takes type, period and labels over.
absl::Status MergeLabelled(const LabelledProfile& from, LabelledProfile& into);

ProfileTotals Totals(const LabelledProfile& labelled);

// The parts of each added up, and the other way round: as one part without labels, or none when it has no
// samples.
Profile AddUpParts(LabelledProfile labelled);
std::vector<Profile> AddUpParts(std::vector<LabelledProfile> labelled);
std::vector<LabelledProfile> WithoutLabels(std::vector<Profile> profiles);

}  // namespace pilotlight
