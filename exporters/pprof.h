// The pprof format (proto/pprof/profile.proto), gzipped, as `go tool pprof`, Go programs and others use it.
//
// A profile of ours has a count and a value for each stack; pprof has one column for each sample type:
//   samples/count and cpu/nanoseconds              process_cpu:cpu:nanoseconds:cpu:nanoseconds
//   alloc_objects/count and alloc_space/bytes      memory:alloc_space:bytes:space:bytes
//   inuse_objects/count and inuse_space/bytes      memory:inuse_space:bytes:space:bytes
//   contentions/count and delay/nanoseconds        mutex:delay:… or block:delay:nanoseconds:contentions:count
//   samples/count and something not counted        that type, with the samples as its count; sample/count too
//   cpu/count                                      process_cpu:samples:count:cpu:nanoseconds
//   goroutine/count                                goroutine:goroutine:count:goroutine:count
//   any other column                               one profile, of that type
// The format does not tell mutex from block profiles: one whose leaves mostly unlock something is "mutex".
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "exporters/labelled_profile.h"
#include "profile/profile.h"

namespace perftools::profiles {
class Profile;
}

namespace pilotlight {

struct PprofLimits {
  size_t max_bytes = size_t{256} << 20;  // after decompression
  size_t max_message_bytes = 1 << 20;    // of one sample, location, function, mapping
  size_t max_samples = 4'000'000;        // each of these four: of the whole file
  size_t max_strings = 4'000'000;
  size_t max_locations = 4'000'000;
  size_t max_nodes = 8'000'000;     // different stacks, callers included, over all profiles
  size_t max_frames = 512'000'000;  // of all samples together, over all profiles
  size_t max_depth = 1024;          // deeper stacks lose their outermost callers, which is counted
  size_t max_name_bytes = 16384;    // longer names are cut
  size_t max_sample_types = 32;
  // Of the samples of one file, and of one sample; those of more are of {overflow="true"}.
  size_t max_label_sets = 1000;
  size_t max_labels = 16;
  size_t max_label_name_bytes = 128;    // longer ones are cut
  size_t max_label_value_bytes = 2048;  // longer ones are cut
};

// The profiles in `bytes` (gzipped or not): at least one, the one that `go tool pprof` shows by default
// first. One without samples is there, too. Names become valid UTF-8; labels of samples are not read.
// InvalidArgument says what is wrong with the bytes, OutOfRange which limit they exceed.
absl::StatusOr<std::vector<Profile>> ReadPprof(absl::string_view bytes, const PprofLimits& limits = {});

// The same with the labels of samples whose values are texts, by ToLabelName(). Numbers, and those that name
// one request (profile_id, span_id, trace_id), are left out.
absl::StatusOr<std::vector<LabelledProfile>> ReadLabelledPprof(absl::string_view bytes,
                                                               const PprofLimits& limits = {});

// One gzipped file with the columns of the table above; the profile's labels become comments, "name=value".
// Equal profiles give equal bytes.
std::string WritePprof(const Profile& profile);
// And with the labels of samples.
std::string WritePprof(const LabelledProfile& labelled);
// The same before serialising. `out` must be empty.
void ToPprof(const Profile& profile, perftools::profiles::Profile& out);

}  // namespace pilotlight
