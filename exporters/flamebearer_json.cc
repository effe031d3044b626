#include "exporters/flamebearer_json.h"

#include "exporters/json_dump.h"

namespace pilotlight {
namespace {

using Json = OrderedJson;

// Who draws it divides by `sampleRate` what it takes for seconds.
Json Metadata(const ProfileType& type, const char* format) {
  constexpr int kNanoseconds = 1'000'000'000;
  constexpr int kUsual = 100;
  const bool is_cpu = type.sample_type == "cpu";
  const bool is_count = type.sample_unit == "count";
  return {{"format", format},
          {"spyName", ""},
          {"sampleRate", is_cpu ? kNanoseconds : kUsual},
          {"units", is_cpu     ? "samples"
                    : is_count ? "objects"
                               : type.sample_unit},
          {"name", type.sample_type}};
}

Json Graph(const Flamebearer& graph) {
  // Who draws it takes the first level for granted.
  const Json levels = graph.levels.empty() ? Json::array({Json::array({0, 0, 0, 0})}) : Json(graph.levels);
  return {{"names", graph.names}, {"levels", levels}, {"numTicks", graph.total}, {"maxSelf", graph.max_self}};
}

Json Timeline(const FlamebearerTimeline& timeline) {
  return {{"startTime", timeline.start_unix_s},
          {"samples", timeline.values},
          {"durationDelta", timeline.step_s},
          {"watermarks", nullptr}};
}

}  // namespace

std::string WriteFlamebearerJson(const Flamebearer& graph, const ProfileType& type,
                                 const FlamebearerTimeline& timeline,
                                 const std::map<std::string, FlamebearerTimeline>& groups) {
  Json json = {{"version", 1},
               {"flamebearer", Graph(graph)},
               {"metadata", Metadata(type, "single")},
               {"timeline", Timeline(timeline)},
               {"groups", nullptr}};
  if (!groups.empty()) json["groups"] = Json::object();
  for (const auto& [value, part] : groups) json["groups"][value] = Timeline(part);
  return DumpJson(json);
}

std::string WriteFlamebearerDiffJson(const FlamebearerDiff& diff, const ProfileType& type) {
  return DumpJson({{"version", 1},
                   {"flamebearer", Graph(diff.both)},
                   {"metadata", Metadata(type, "double")},
                   {"leftTicks", diff.left_total},
                   {"rightTicks", diff.right_total}});
}

}  // namespace pilotlight
