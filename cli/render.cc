#include "cli/render.h"

#include "base/check.h"
#include "cli/top_view.h"
#include "exporters/folded.h"
#include "exporters/json.h"
#include "exporters/pprof.h"
#include "exporters/svg.h"

namespace pilotlight::cli {

std::string Render(const Profile& profile, ProfileFormat format, size_t max_nodes,
                   const std::string& subject) {
  if (format == ProfileFormat::kFolded) return WriteFolded(profile);
  if (format == ProfileFormat::kPprof) return WritePprof(profile);
  return RenderFlameGraph(BuildFlameGraph(profile, max_nodes), profile.type, format, subject);
}

std::string RenderFlameGraph(const FlameGraph& graph, const ProfileType& type, ProfileFormat format,
                             const std::string& subject) {
  CHECK(format == ProfileFormat::kSvg || format == ProfileFormat::kJson);
  if (format == ProfileFormat::kSvg) {
    SvgOptions options;
    options.title = TypeText(type);
    options.subtitle = subject;
    options.unit = type.sample_unit;
    return WriteSvg(graph, options);
  }
  return WriteFlameGraphJson(graph, type);
}

}  // namespace pilotlight::cli
