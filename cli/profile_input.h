// Whole profiles: those in files, which commands read instead of asking a collector, or push to it; and those
// of a collector.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/collector_client.h"
#include "cli/query_flags.h"
#include "exporters/labelled_profile.h"
#include "profile/profile.h"

namespace pilotlight::cli {

// InvalidArgument when standard input, "-", is named twice.
absl::Status CheckPaths(const std::vector<std::string>& paths);

// Reads and merges files of any format that exporters/profile_file.h reads, "-" once for standard input, and
// applies --type, --focus and --ignore. A file with several types yields the one that --type names, by its
// full name or its sample type ("alloc_space"), or else its default one.
// InvalidArgument: a flag is wrong. Every other error names the file.
absl::StatusOr<LabelledProfile> ReadLabelledProfiles(const std::vector<std::string>& paths,
                                                     const QueryFlags& flags);
// The same without labels of samples. Frames are counted anew.
absl::StatusOr<Profile> ReadProfiles(const std::vector<std::string>& paths, const QueryFlags& flags);

// The merged profile, with the lines of its frames. Errors as of CollectorClient.
absl::StatusOr<Profile> FetchProfile(CollectorClient& client, const Selection& selection);

// Sets `loss.frames` and `loss.unsymbolized_frames` from the frames themselves; those that a profiler made do
// not count.
void CountFrames(Profile& profile);

// "a.pb.gz", "a.pb.gz and b.folded", "a.pb.gz and 3 more files".
std::string NameFiles(const std::vector<std::string>& paths);

}  // namespace pilotlight::cli
