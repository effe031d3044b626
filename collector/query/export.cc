#include "collector/query/export.h"

#include "absl/strings/str_cat.h"
#include "collector/query/query_engine.h"
#include "exporters/cpuprofile.h"
#include "exporters/dot.h"
#include "exporters/folded.h"
#include "exporters/format.h"
#include "exporters/json.h"
#include "exporters/pprof.h"
#include "exporters/speedscope.h"
#include "exporters/svg.h"
#include "profile/flame_graph.h"

namespace pilotlight::collector {
namespace {

SvgOptions SvgTexts(const Profile& profile) {
  SvgOptions options;
  options.unit = profile.type.sample_unit;
  options.title = profile.type.ToString();
  const auto service = profile.labels.find(std::string(kServiceLabel));
  if (service != profile.labels.end()) options.title = absl::StrCat(service->second, ": ", options.title);
  options.subtitle =
      absl::StrCat(FormatTimeSpan(profile.duration), " watched, the first window at ",
                   absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", profile.start, absl::UTCTimeZone()));
  return options;
}

}  // namespace

std::string WriteExportFile(const Profile& profile, ExportFormat format) {
  switch (format) {
    case ExportFormat::kPprof:
      return WritePprof(profile);
    case ExportFormat::kFolded:
      return WriteFolded(profile);
    case ExportFormat::kSvg:
      return WriteSvg(BuildFlameGraph(profile, kDefaultMaxNodes), SvgTexts(profile));
    case ExportFormat::kJson:
      return WriteFlameGraphJson(BuildFlameGraph(profile, kDefaultMaxNodes), profile.type);
    case ExportFormat::kSpeedscope:
      return WriteSpeedscope(profile);
    case ExportFormat::kCpuProfile:
      return WriteCpuProfile(BuildFlameGraph(profile), profile.type);
    case ExportFormat::kDot:
      return WriteDot(profile);
  }
  return "";
}

absl::string_view ContentType(ExportFormat format) {
  switch (format) {
    case ExportFormat::kPprof:
      return "application/octet-stream";
    case ExportFormat::kFolded:
      return "text/plain; charset=utf-8";
    case ExportFormat::kSvg:
      return "image/svg+xml";
    case ExportFormat::kJson:
    case ExportFormat::kSpeedscope:
    case ExportFormat::kCpuProfile:
      return "application/json";
    case ExportFormat::kDot:
      return "text/vnd.graphviz";
  }
  return "application/octet-stream";
}

}  // namespace pilotlight::collector
