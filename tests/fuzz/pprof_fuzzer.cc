// What can be read as pprof can be written, in every format, and read again with the same totals.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/check.h"
#include "exporters/folded.h"
#include "exporters/json.h"
#include "exporters/pprof.h"
#include "exporters/svg.h"
#include "profile/flame_graph.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using pilotlight::Profile;
  pilotlight::PprofLimits limits;
  limits.max_bytes = 1 << 20;
  limits.max_nodes = 100'000;
  limits.max_frames = 1'000'000;
  const absl::StatusOr<std::vector<Profile>> profiles =
      pilotlight::ReadPprof({reinterpret_cast<const char*>(data), size}, limits);
  const absl::StatusOr<std::vector<pilotlight::LabelledProfile>> labelled =
      pilotlight::ReadLabelledPprof({reinterpret_cast<const char*>(data), size}, limits);
  CHECK(profiles.ok() || !labelled.ok());
  if (!profiles.ok()) return 0;
  CHECK(!profiles->empty());
  for (size_t i = 0; labelled.ok() && i < profiles->size(); ++i) {
    const uint64_t count = pilotlight::Totals((*profiles)[i].samples).count;
    CHECK(pilotlight::Totals((*labelled)[i]).count == count);
    const absl::StatusOr<std::vector<pilotlight::LabelledProfile>> again =
        pilotlight::ReadLabelledPprof(pilotlight::WritePprof((*labelled)[i]));
    CHECK(again.ok());
    CHECK(pilotlight::Totals((*again)[0]).count == count);
    CHECK((*again)[0].parts.size() == (*labelled)[i].parts.size());
  }
  for (const Profile& profile : *profiles) {
    const pilotlight::ProfileTotals totals = pilotlight::Totals(profile.samples);
    const absl::StatusOr<std::vector<Profile>> again = pilotlight::ReadPprof(pilotlight::WritePprof(profile));
    CHECK(again.ok());
    CHECK(again->size() == 1);
    CHECK((*again)[0].type == profile.type);
    const pilotlight::ProfileTotals again_totals = pilotlight::Totals((*again)[0].samples);
    CHECK(again_totals.value == totals.value);
    CHECK(again_totals.count == totals.count);
    CHECK(pilotlight::ReadFolded(pilotlight::WriteFolded(profile)).ok());
    pilotlight::WriteSvg(pilotlight::BuildFlameGraph(profile));
    pilotlight::WriteProfileJson(profile);
  }
  return 0;
}
