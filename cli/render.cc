#include "cli/render.h"

#include "base/check.h"
#include "cli/top_view.h"
#include "exporters/cpuprofile.h"
#include "exporters/dot.h"
#include "exporters/folded.h"
#include "exporters/json.h"
#include "exporters/pprof.h"
#include "exporters/speedscope.h"

namespace pilotlight::cli {

std::string Render(const Profile& profile, ProfileFormat format, size_t max_nodes, const Picture& picture) {
  if (format == ProfileFormat::kFolded) return WriteFolded(profile);
  if (format == ProfileFormat::kPprof) return WritePprof(profile);
  if (format == ProfileFormat::kSpeedscope) return WriteSpeedscope(profile);
  if (format == ProfileFormat::kDot) return WriteDot(profile);
  if (format == ProfileFormat::kCpuProfile) {
    return WriteCpuProfile(BuildFlameGraph(profile, max_nodes), profile.type);
  }
  return RenderFlameGraph(BuildFlameGraph(profile, max_nodes), profile.type, format, picture);
}

std::string RenderFlameGraph(const FlameGraph& graph, const ProfileType& type, ProfileFormat format,
                             const Picture& picture) {
  CHECK(format == ProfileFormat::kSvg || format == ProfileFormat::kJson);
  if (format == ProfileFormat::kSvg) {
    SvgOptions options;
    options.title = picture.title.empty() ? TypeText(type) : picture.title;
    options.subtitle = picture.subject;
    options.layout = picture.layout;
    options.unit = type.sample_unit;
    return WriteSvg(graph, options);
  }
  return WriteFlameGraphJson(graph, type);
}

}  // namespace pilotlight::cli
