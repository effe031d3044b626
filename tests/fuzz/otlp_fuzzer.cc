// What can be read as OTLP profiles, of either schema, can be written as pprof and read again with the same
// totals.
#include <google/protobuf/stubs/logging.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/check.h"
#include "exporters/otlp.h"
#include "exporters/pprof.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace pilotlight;  // NOLINT(google-build-using-namespace)
  static const bool kIsQuiet = google::protobuf::SetLogHandler(nullptr) != nullptr;
  static_cast<void>(kIsQuiet);
  PprofLimits limits;
  limits.max_nodes = 100'000;
  limits.max_frames = 1'000'000;
  for (const absl::string_view version : {absl::string_view(), kOtlpCurrentVersion}) {
    const absl::StatusOr<std::vector<OtlpResource>> resources =
        ReadOtlp({reinterpret_cast<const char*>(data), size}, version, limits);
    if (!resources.ok()) continue;
    for (const OtlpResource& resource : *resources) {
      for (const absl::StatusOr<LabelledProfile>& made : resource.profiles) {
        if (!made.ok()) continue;
        const ProfileTotals totals = Totals(*made);
        CHECK(totals.value >= 0);
        const absl::StatusOr<std::vector<Profile>> again = ReadPprof(WritePprof(*made));
        CHECK(again.ok());
        CHECK(again->size() == 1);
        CHECK((*again)[0].type == made->profile.type);
        CHECK(Totals((*again)[0].samples).value == totals.value);
        CHECK(Totals((*again)[0].samples).count == totals.count);
      }
    }
  }
  return 0;
}
