#include "collector/api/pyroscope_render.h"

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "collector/api/http_selection.h"
#include "collector/query/export.h"
#include "exporters/flamebearer_json.h"
#include "profile/flame_graph.h"

namespace pilotlight::collector {
namespace {

HttpResponse Json(std::string body) {
  HttpResponse response;
  response.content_type = "application/json";
  response.body = std::move(body);
  return response;
}

absl::StatusOr<size_t> MaxNodesOf(const HttpRequest& request) {
  constexpr size_t kMostNodes = size_t{1} << 20;
  const std::string text = request.Parameter("maxNodes", request.Parameter("max-nodes", "0"));
  size_t nodes = 0;
  if (!absl::SimpleAtoi(text, &nodes)) {
    return absl::InvalidArgumentError(absl::StrCat("maxNodes=", text, " is no number of nodes"));
  }
  return nodes == 0 ? kDefaultMaxNodes : std::min(nodes, kMostNodes);
}

// Some 1,500 points, as many as a screen is wide.
absl::Duration TimelineStep(const TimeSpan& span) {
  constexpr int kPoints = 1500;
  constexpr absl::Duration kLeast = absl::Seconds(15);
  return std::max(kLeast, absl::Ceil((span.end - span.start) / kPoints, absl::Seconds(1)));
}

FlamebearerTimeline EmptyTimeline(const SeriesAnswer& answer) {
  FlamebearerTimeline timeline{.start_unix_s = absl::ToUnixSeconds(answer.span.start),
                               .step_s = absl::ToInt64Seconds(answer.step)};
  timeline.values.resize((answer.span.end - answer.span.start + answer.step - absl::Nanoseconds(1)) /
                         answer.step);
  return timeline;
}

void Add(const TimeSeries& series, FlamebearerTimeline& timeline) {
  for (const SeriesPoint& point : series.points) timeline.values[point.step] += point.value;
}

}  // namespace

absl::StatusOr<HttpResponse> Render(QueryEngine& engine, const HttpRequest& request, const Caller& caller) {
  const absl::Time now = engine.Now();
  ASSIGN_OR_RETURN(
      SelectionText text,
      ReadSelection(request, now, {"maxNodes", "max-nodes", "groupBy", "aggregation", "format"}));
  ASSIGN_OR_RETURN(const TimeSpan span, ResolveSpan(text.start, text.end, now));
  text.start = span.start;
  text.end = span.end;
  ASSIGN_OR_RETURN(const size_t max_nodes, MaxNodesOf(request));
  const std::string format = request.Parameter("format", "json");
  if (format != "json" && format != "dot") {
    return absl::InvalidArgumentError(absl::StrCat("format=", format, " is neither json nor dot"));
  }
  if (request.Parameter("aggregation", "sum") != "sum") {
    return absl::InvalidArgumentError("there is aggregation=sum alone");
  }
  ASSIGN_OR_RETURN(const ProfileAnswer answer, engine.Merge(text, caller));
  if (format == "dot") {
    HttpResponse response;
    response.content_type = std::string(ContentType(ExportFormat::kDot));
    response.body = WriteExportFile(answer.profile, ExportFormat::kDot);
    return response;
  }
  std::vector<std::string> group_by;
  if (const std::string label = request.Parameter("groupBy"); !label.empty()) group_by.push_back(label);
  ASSIGN_OR_RETURN(const SeriesAnswer series,
                   engine.SelectSeries(text, TimelineStep(span), group_by, caller));
  FlamebearerTimeline timeline = EmptyTimeline(series);
  std::map<std::string, FlamebearerTimeline> groups;
  for (const TimeSeries& one : series.series) {
    Add(one, timeline);
    if (group_by.empty()) continue;
    const auto value = one.labels.find(group_by[0]);
    Add(one, groups.try_emplace(value == one.labels.end() ? "" : value->second, EmptyTimeline(series))
                 .first->second);
  }
  return Json(WriteFlamebearerJson(EncodeFlamebearer(BuildFlameGraph(answer.profile, max_nodes)),
                                   answer.profile.type, timeline, groups));
}

absl::StatusOr<HttpResponse> RenderDiff(QueryEngine& engine, const HttpRequest& request,
                                        const Caller& caller) {
  constexpr std::array<const char*, 9> kParameters = {"leftQuery",  "leftFrom",  "leftUntil",
                                                      "rightQuery", "rightFrom", "rightUntil",
                                                      "maxNodes",   "max-nodes", "format"};
  for (const auto& [name, value] : request.query) {
    if (std::ranges::find(kParameters, name) == kParameters.end()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "the parameter \"", name, "\" is not known here; there are ", absl::StrJoin(kParameters, ", ")));
    }
  }
  ProfileType type;
  const auto whole_graph = [&](const std::string& side) -> absl::StatusOr<FlameGraph> {
    HttpRequest of_side;
    for (const char* name : {"Query", "From", "Until"}) {
      const std::string value = request.Parameter(side + name);
      if (!value.empty()) of_side.query.emplace(absl::AsciiStrToLower(name), value);
    }
    ASSIGN_OR_RETURN(const SelectionText text, ReadSelection(of_side, engine.Now()));
    ASSIGN_OR_RETURN(const ProfileAnswer answer, engine.Merge(text, caller));
    type = answer.profile.type;
    return BuildFlameGraph(answer.profile);
  };
  ASSIGN_OR_RETURN(const size_t max_nodes, MaxNodesOf(request));
  ASSIGN_OR_RETURN(const FlameGraph left, whole_graph("left"));
  ASSIGN_OR_RETURN(const FlameGraph right, whole_graph("right"));
  return Json(WriteFlamebearerDiffJson(EncodeFlamebearerDiff(left, right, max_nodes), type));
}

}  // namespace pilotlight::collector
