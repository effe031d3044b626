// Profiles of OpenTelemetry's protocol (proto/opentelemetry/…/profiles.proto), as
// ExportProfilesServiceRequest.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "exporters/labelled_profile.h"
#include "exporters/pprof.h"
#include "profile/profile.h"

namespace pilotlight {

// The schemas that are read, for messages.
inline constexpr absl::string_view kOtlpSchemas =
    "v1development as of opentelemetry-proto 1.10 to 1.11, and as of 1.9";

// The request metadata that tells the schema, and what it is for the current one.
inline constexpr char kOtlpVersionHeader[] = "otlp-profiles-development-version";
inline constexpr absl::string_view kOtlpCurrentVersion = "1";

// What one process, container or host sent.
struct OtlpResource {
  std::map<std::string, std::string> attributes;  // "service.name"; texts, numbers and booleans
  // InvalidArgument says what is wrong with one, OutOfRange which limit it exceeds.
  std::vector<absl::StatusOr<LabelledProfile>> profiles;
};

// All profiles of `request`, also those without samples. They are read as the pprof columns that they would
// be (exporters/pprof.h); values that are no counts get one beside them: the events with a timestamp, else as
// pprof has it. samples/count with a period of cpu/nanoseconds are read as cpu/nanoseconds, unless their
// scope has those, too. Attributes of samples whose values are texts are labels as those of pprof's samples
// are, but for process.*, thread.* and telemetry.*; PprofLimits::max_label_sets is of the request. Attributes
// of profiles are not read, nor are timestamps but counted. `version` is the value of kOtlpVersionHeader, or
// empty: only senders of late have one, and without it the bytes tell the schema (exporters/otlp_schema.h).
// `limits` holds for all profiles together. InvalidArgument when the bytes or the dictionary are damaged, or
// it is another schema; OutOfRange says which limit they exceed.
absl::StatusOr<std::vector<OtlpResource>> ReadOtlp(absl::string_view request, absl::string_view version = "",
                                                   const PprofLimits& limits = {});

}  // namespace pilotlight
