#include "exporters/svg.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "exporters/format.h"
#include "exporters/frame_name.h"
#include "exporters/svg_assets.h"
#include "exporters/utf8.h"
#include "profile/statistics.h"

namespace pilotlight {
namespace {

constexpr int kMargin = 10;
constexpr int kHeadHeight = 92;
constexpr int kRowHeight = 18;
constexpr int kBarHeight = 18;
// Of a character in 12 px monospaced type (0.602 em in DejaVu Sans Mono), as in the script.
constexpr double kColumnWidth = 7.23;
constexpr int kMinLabelColumns = 3;
constexpr int kShades = 6;

// A group of functions with one hue.
struct Family {
  char letter;  // of the style's class
  absl::string_view name;
  double hue;
  double saturation;
};
constexpr std::array<Family, 6> kFamilies = {{
    {'g', "Go", 172, 0.42},
    {'r', "Go runtime", 215, 0.55},
    {'n', "native", 32, 0.82},
    {'k', "kernel", 350, 0.62},
    {'u', "unknown language", 48, 0.72},
    {'s', "made by the profiler", 240, 0.05},
}};

size_t FamilyOf(FrameKind kind, absl::string_view name) {
  switch (kind) {
    case FrameKind::kGo:
      return IsGoRuntimeName(name) ? 1 : 0;
    case FrameKind::kNative:
      return 2;
    case FrameKind::kKernel:
      return 3;
    case FrameKind::kSynthetic:
      return 5;
    case FrameKind::kUnknown:
      break;
  }
  return 4;
}

// FNV-1a, so that a name has the same shade in every build and on every machine.
size_t ShadeOf(absl::string_view name) {
  uint32_t hash = 2166136261;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619;
  return (hash ^ (hash >> 16)) % kShades;
}

// hue in degrees, the others from 0 to 1; "#rrggbb" (CSS Color Module Level 3, section 4.2.4).
std::string HslToHex(double hue, double saturation, double lightness) {
  const auto channel = [&](double n) {
    const double k = std::fmod(n + hue / 30, 12);
    const double a = saturation * std::min(lightness, 1 - lightness);
    const double value = lightness - a * std::max(-1.0, std::min({k - 3, 9 - k, 1.0}));
    return static_cast<int>(std::lround(value * 255));
  };
  return absl::StrFormat("#%02x%02x%02x", channel(0), channel(8), channel(4));
}

// Neighbours differ a little in hue and lightness; all are light enough for dark text.
std::string ColourOf(const Family& family, size_t shade) {
  const double step = static_cast<double>(shade) / (kShades - 1);
  return HslToHex(family.hue - 9 + 18 * step, family.saturation, 0.80 - 0.13 * step);
}

std::string Escape(absl::string_view text) {
  std::string escaped;
  for (const char c : ToDisplayText(text)) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      case '\'':
        escaped += "&#39;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

class SvgWriter {
 public:
  SvgWriter(const FlameGraph& graph, const SvgOptions& options)
      : graph_(graph),
        options_(options),
        width_(std::max(options.width, 2 * kMargin + 1)),
        total_(graph.nodes[0].total) {}

  std::string Write() {
    PlaceBars();
    const std::string colours = Colours();
    const int rows = static_cast<int>(rows_.size());
    const int height = kHeadHeight + rows * kRowHeight + kMargin;
    std::string svg = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\"";
    absl::StrAppendFormat(&svg, " width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\">\n<title>%s</title>\n",
                          width_, height, width_, height, Escape(options_.title));
    absl::StrAppend(&svg, "<style>", kSvgStyle, colours, "</style>\n",
                    "<rect class=\"back\" width=\"100%\" height=\"100%\"/>\n", Head());
    absl::StrAppend(&svg, "<svg class=\"bars\" x=\"", kMargin, "\" y=\"", kHeadHeight, "\" width=\"",
                    width_ - 2 * kMargin, "\" height=\"", rows * kRowHeight, "\" data-samples=\"",
                    total_.count, "\" data-layout=\"",
                    options_.layout == SvgLayout::kFlame ? "flame" : "icicle", "\">\n");
    if (options_.layout == SvgLayout::kFlame) std::reverse(rows_.begin(), rows_.end());
    for (int row = 0; row < rows; ++row) {
      absl::StrAppend(&svg, "<g transform=\"translate(0,", row * kRowHeight, ")\">\n");
      for (const Bar& bar : rows_[static_cast<size_t>(row)]) AppendBar(bar, svg);
      svg += "</g>\n";
    }
    absl::StrAppend(&svg, "</svg>\n<script><![CDATA[", kSvgScript, "]]></script>\n</svg>\n");
    return svg;
  }

 private:
  // From `first` on for `value`, in the units of the total value.
  struct Bar {
    uint32_t node = 0;
    int64_t first = 0;
    int64_t value = 0;
  };

  // Fills `rows_`, from the root on, and counts what is too narrow.
  void PlaceBars() {
    if (total_.value <= 0) return;
    std::vector<std::vector<uint32_t>> children(graph_.nodes.size());
    for (uint32_t i = 1; i < graph_.nodes.size(); ++i) children[graph_.nodes[i].parent].push_back(i);
    std::vector<Bar> row = {{.node = 0, .first = 0, .value = total_.value}};
    std::vector<uint32_t> too_narrow;
    while (!row.empty()) {
      std::vector<Bar> next;
      for (const Bar& bar : row) {
        std::vector<uint32_t>& nodes = children[bar.node];
        std::sort(nodes.begin(), nodes.end(), [this](uint32_t a, uint32_t b) { return Rank(a) < Rank(b); });
        int64_t first = bar.first;
        for (const uint32_t node : nodes) {
          // Differences have negative values, beside which others may be larger than their parent.
          const int64_t value = std::min(graph_.nodes[node].total.value, bar.first + bar.value - first);
          if (value <= 0) continue;
          if (Pixels(value) >= options_.min_bar_width) {
            next.push_back({.node = node, .first = first, .value = value});
          } else {
            too_narrow.push_back(node);
          }
          first += value;
        }
      }
      rows_.push_back(std::move(row));
      row = std::move(next);
    }
    for (; !too_narrow.empty(); ++too_narrow_) {
      const uint32_t node = too_narrow.back();
      too_narrow.pop_back();
      too_narrow.insert(too_narrow.end(), children[node].begin(), children[node].end());
    }
  }

  std::pair<bool, absl::string_view> Rank(uint32_t node) const {
    return {graph_.IsOther(node), graph_.names[graph_.nodes[node].name]};
  }

  double Share(int64_t value) const { return static_cast<double>(value) / static_cast<double>(total_.value); }
  double Pixels(int64_t value) const { return Share(value) * (width_ - 2 * kMargin); }

  // Only of the families and shades in use.
  std::string Colours() {
    for (const std::vector<Bar>& row : rows_) {
      for (const Bar& bar : row) {
        const absl::string_view name = NameOf(bar.node);
        used_[FamilyIndex(bar.node)][ShadeOf(name)] = true;
      }
    }
    std::string colours;
    for (size_t family = 0; family < kFamilies.size(); ++family) {
      for (size_t shade = 0; shade < kShades; ++shade) {
        if (!used_[family][shade]) continue;
        absl::StrAppend(&colours, ".", std::string(1, kFamilies[family].letter), shade,
                        "{fill:", ColourOf(kFamilies[family], shade), "}");
      }
    }
    return colours;
  }

  absl::string_view NameOf(uint32_t node) const { return graph_.names[graph_.nodes[node].name]; }
  size_t FamilyIndex(uint32_t node) const {
    return node == 0 ? 5 : FamilyOf(graph_.nodes[node].kind, NameOf(node));
  }

  std::string Head() const {
    std::string summary = absl::StrCat(options_.subtitle, options_.subtitle.empty() ? "" : " · ",
                                       FormatValue(total_.value, options_.unit));
    if (options_.unit != "count") absl::StrAppend(&summary, " in ", Samples(total_.count));
    if (too_narrow_ > 0) {
      absl::StrAppend(&summary, " · ", FormatCount(static_cast<int64_t>(too_narrow_)),
                      too_narrow_ == 1 ? " bar" : " bars", " under ", options_.min_bar_width,
                      " px not drawn");
    }
    const int columns = static_cast<int>((width_ - 2 * kMargin) / kColumnWidth);
    std::string head = absl::StrCat(
        "<g class=\"head\">\n<text class=\"title\" x=\"10\" y=\"27\">",
        Escape(FitToColumns(ToDisplayText(options_.title), columns * 12 / 17 - 30)),
        "</text>\n<text x=\"10\" y=\"47\">", Escape(FitToColumns(ToDisplayText(summary), columns)),
        "</text>\n", Legend(), "<text class=\"muted detail\" x=\"10\" y=\"83\">",
        rows_.empty() ? "There are no samples."
                      : "Hover over a bar for its numbers; in brackets the 95 % interval of a share.",
        "</text>\n</g>\n");
    return head;
  }

  std::string Legend() const {
    std::string legend = "<g class=\"legend\">\n";
    double x = kMargin;
    for (size_t family = 0; family < kFamilies.size(); ++family) {
      const bool used =
          std::any_of(used_[family].begin(), used_[family].end(), [](bool shade) { return shade; });
      const absl::string_view name = kFamilies[family].name;
      // The root is no reason to explain its colour.
      if (!used || (family == 5 && !HasSynthetic())) continue;
      absl::StrAppendFormat(&legend,
                            "<rect x=\"%.0f\" y=\"55\" width=\"11\" height=\"11\" rx=\"2\" fill=\"%s\"/>"
                            "<text x=\"%.0f\" y=\"65\">%s</text>\n",
                            x, ColourOf(kFamilies[family], kShades / 2), x + 16, name);
      x += 16 + static_cast<double>(name.size() + 2) * kColumnWidth;
    }
    return legend + "</g>\n";
  }

  bool HasSynthetic() const {
    return std::any_of(graph_.nodes.begin() + 1, graph_.nodes.end(),
                       [](const FlameGraph::Node& node) { return node.kind == FrameKind::kSynthetic; });
  }

  static std::string Samples(uint64_t count) {
    return absl::StrCat(FormatCount(static_cast<int64_t>(count)), count == 1 ? " sample" : " samples");
  }

  // The last line of a tooltip.
  std::string Numbers(const FlameGraph::Node& node) const {
    std::string text = absl::StrCat(FormatValue(node.total.value, options_.unit), "   ");
    const double share = Share(node.total.value);
    if (total_.count > 0) {
      const uint64_t count = std::min(node.total.count, total_.count);
      absl::StrAppend(&text, FormatShare(share, WilsonInterval(count, total_.count)));
    } else {
      absl::StrAppend(&text, FormatPercent(share));
    }
    if (options_.unit != "count") absl::StrAppend(&text, "   ", Samples(node.total.count));
    if (node.self.value > 0 && node.self.value != node.total.value) {
      absl::StrAppend(&text, "   self ", FormatValue(node.self.value, options_.unit));
    }
    return text;
  }

  void AppendBar(const Bar& bar, std::string& svg) const {
    const absl::string_view name = NameOf(bar.node);
    const std::string display = ToDisplayText(name);
    absl::StrAppendFormat(&svg, "<svg class=\"%c%d\" x=\"%.4f%%\" width=\"%.4f%%\"><title>%s\n%s</title>",
                          kFamilies[FamilyIndex(bar.node)].letter, ShadeOf(name), Share(bar.first) * 100,
                          Share(bar.value) * 100, Escape(display), Escape(Numbers(graph_.nodes[bar.node])));
    absl::StrAppend(&svg, "<rect width=\"100%\" height=\"", kBarHeight, "\" rx=\"2\"/>");
    const int columns = static_cast<int>((Pixels(bar.value) - 6) / kColumnWidth);
    const std::string label = columns < kMinLabelColumns ? "" : FitToColumns(display, columns);
    if (!label.empty()) absl::StrAppend(&svg, "<text x=\"4\" y=\"13\">", Escape(label), "</text>");
    svg += "</svg>\n";
  }

  const FlameGraph& graph_;
  const SvgOptions& options_;
  const int width_;
  const Sample total_;
  std::vector<std::vector<Bar>> rows_;
  size_t too_narrow_ = 0;
  std::array<std::array<bool, kShades>, kFamilies.size()> used_ = {};
};

}  // namespace

std::string WriteSvg(const FlameGraph& graph, const SvgOptions& options) {
  return SvgWriter(graph, options).Write();
}

}  // namespace pilotlight
