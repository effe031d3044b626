// What can be read as the text of `perf script` can be written as pprof and as folded stacks, with no sample
// lost.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/check.h"
#include "exporters/folded.h"
#include "exporters/perf_script.h"
#include "exporters/pprof.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::StatusOr<std::vector<pilotlight::Profile>> profiles = pilotlight::ReadPerfScript(
      {reinterpret_cast<const char*>(data), size}, {.max_depth = 16, .max_name_bytes = 64, .max_events = 4});
  if (!profiles.ok()) return 0;
  for (const pilotlight::Profile& profile : *profiles) {
    CHECK(pilotlight::ProfileType::Parse(profile.type.ToString()).ok());
    const pilotlight::ProfileTotals total = pilotlight::Totals(profile.samples);
    const auto pprof = pilotlight::ReadPprof(pilotlight::WritePprof(profile));
    CHECK(pprof.ok() && pprof->front().type.sample_unit == profile.type.sample_unit);
    CHECK(pilotlight::Totals(pprof->front().samples).value == total.value);
    const auto folded =
        pilotlight::ReadFolded(pilotlight::WriteFolded(profile, pilotlight::FoldedNumber::kCount));
    CHECK(folded.ok() && pilotlight::Totals(folded->samples).count == total.count);
  }
  return 0;
}
