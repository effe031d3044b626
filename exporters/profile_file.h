// A profile file of any format that we read.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "exporters/labelled_profile.h"
#include "profile/profile.h"

namespace pilotlight {

enum class ProfileFileFormat { kAuto, kPprof, kFolded, kPerfScript };

// pprof, folded stacks or the text of `perf script`, each gzipped or not; with kAuto the bytes tell which.
// At least one profile: of several, as in a heap profile, the one that is shown by default first.
absl::StatusOr<std::vector<Profile>> ParseProfileFile(absl::string_view bytes,
                                                      ProfileFileFormat format = ProfileFileFormat::kAuto);

// With the labels of samples, which only pprof has.
absl::StatusOr<std::vector<LabelledProfile>> ParseLabelledProfileFile(
    absl::string_view bytes, ProfileFileFormat format = ProfileFileFormat::kAuto);

// The same of a file, "-" for the standard input. Errors start with the path.
absl::StatusOr<std::vector<LabelledProfile>> ReadLabelledProfileFile(
    const std::string& path, ProfileFileFormat format = ProfileFileFormat::kAuto);
absl::StatusOr<std::vector<Profile>> ReadProfileFile(const std::string& path,
                                                     ProfileFileFormat format = ProfileFileFormat::kAuto);

}  // namespace pilotlight
