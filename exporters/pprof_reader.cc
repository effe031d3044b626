#include <cstdint>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/gzip.h"
#include "base/status_macros.h"
#include "exporters/pprof.h"
#include "exporters/pprof_converter.h"
#include "exporters/pprof_tables.h"

namespace pilotlight {
namespace {

// What people get instead of a profile when they ask for the wrong thing. Empty when nothing is recognised.
absl::string_view KnownMistake(absl::string_view bytes) {
  if (bytes.empty()) return "it is empty";
  if (absl::StartsWith(bytes, "go 1.")) return "it is an execution trace: use `go tool trace`";
  if (absl::StartsWith(bytes, "PERFILE2")) return "it is a perf.data file: convert it with `perf script`";
  if (absl::StartsWith(bytes, "<")) return "it is an HTML or XML page";
  if (absl::StartsWith(bytes, "heap profile:") || absl::StartsWith(bytes, "goroutine profile:") ||
      absl::StartsWith(bytes, "--- ")) {
    return "it is the text form: fetch it without ?debug=1";
  }
  return "";
}

}  // namespace

absl::StatusOr<std::vector<Profile>> ReadPprof(absl::string_view bytes, const PprofLimits& limits) {
  std::string decompressed;
  if (IsGzip(bytes)) {
    ASSIGN_OR_RETURN(decompressed, Gunzip(bytes, limits.max_bytes));
    bytes = decompressed;
  }
  if (const absl::string_view mistake = KnownMistake(bytes); !mistake.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("not a pprof profile: ", mistake));
  }
  ASSIGN_OR_RETURN(const pprof::Tables tables, pprof::ParseTables(bytes, limits));
  pprof::Usage usage;
  pprof::Converter converter(tables, tables.heading, limits, usage);
  std::vector<uint32_t> locations;
  RETURN_IF_ERROR(pprof::VisitSamples(bytes, [&](const perftools::profiles::Sample& sample) -> absl::Status {
    locations.clear();
    for (const uint64_t id : sample.location_id()) {
      const auto found = tables.location_of_id.find(id);
      if (found == tables.location_of_id.end()) {
        return absl::InvalidArgumentError(absl::StrCat("the profile has no location ", id));
      }
      locations.push_back(found->second);
    }
    return converter.Add(locations, sample.value());
  }));
  return converter.Finish();
}

}  // namespace pilotlight
