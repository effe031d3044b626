// A flame graph as one SVG file: to be read as it is, also on paper and where no script runs (each bar has a
// tooltip with its name and numbers); a browser adds zoom by click, search by regular expression ('/', with
// the share that matches), and Esc to go back. Nothing is loaded from elsewhere.
//
// A bar's width is its share of the total value; the share is followed by its 95 % interval, which comes from
// the number of samples. Siblings are in the order of their names, "other" last, so that graphs can be
// compared. A function's colour depends on its kind and name only.
#pragma once

#include <string>

#include "profile/flame_graph.h"

namespace pilotlight {

enum class SvgLayout {
  kIcicle,  // the root on top, as `go tool pprof -http` and Grafana draw it
  kFlame,   // the root at the bottom
};

struct SvgOptions {
  std::string title = "Flame graph";
  std::string subtitle;  // service, span of time, …
  std::string unit = "nanoseconds";
  SvgLayout layout = SvgLayout::kIcicle;
  int width = 1200;            // pixels; a browser with scripts uses the width of its window
  double min_bar_width = 0.1;  // pixels; what is narrower is not drawn, but counted under the title
};

// Well-formed XML 1.0 for any names. Equal graphs give equal text.
std::string WriteSvg(const FlameGraph& graph, const SvgOptions& options = {});

}  // namespace pilotlight
