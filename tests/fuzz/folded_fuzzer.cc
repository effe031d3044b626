// What can be read as folded stacks is written in one way, which reads as the same stacks.
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "exporters/folded.h"
#include "exporters/pprof.h"
#include "exporters/svg.h"
#include "profile/flame_graph.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::StatusOr<pilotlight::Profile> profile = pilotlight::ReadFolded(
      {reinterpret_cast<const char*>(data), size}, {.max_depth = 64, .max_name_bytes = 64});
  if (!profile.ok()) return 0;
  const std::string written = pilotlight::WriteFolded(*profile);
  const absl::StatusOr<pilotlight::Profile> again = pilotlight::ReadFolded(written);
  CHECK(again.ok());
  CHECK(pilotlight::WriteFolded(*again) == written);
  CHECK(pilotlight::ReadPprof(pilotlight::WritePprof(*profile)).ok());
  pilotlight::WriteSvg(pilotlight::BuildFlameGraph(*profile), {.unit = "count"});
  return 0;
}
