#include "exporters/json.h"

#include <cstdint>
#include <vector>

#include "exporters/json_dump.h"

namespace pilotlight {
namespace {

using Json = OrderedJson;

std::string Text(absl::string_view text) { return std::string(text); }

const char* KindName(FrameKind kind) {
  switch (kind) {
    case FrameKind::kGo:
      return "go";
    case FrameKind::kNative:
      return "native";
    case FrameKind::kKernel:
      return "kernel";
    case FrameKind::kSynthetic:
      return "synthetic";
    case FrameKind::kUnknown:
      break;
  }
  return "unknown";
}

template <typename Counted>
Json Numbers(const Counted& counted) {
  return {{"count", counted.count}, {"value", counted.value}};
}

Json Pair(const Interval& interval) { return Json::array({interval.lower, interval.upper}); }

template <typename TwoSides>
Json BothSides(const TwoSides& sides) {
  return {{"base", Numbers(sides.base)}, {"comparison", Numbers(sides.comparison)}};
}

Json Judged(const Difference& difference) {
  Json json = BothSides(difference);
  json["p_value"] = difference.p_value;
  json["significant"] = difference.significant();
  return json;
}

Json Head(const ProfileType& type) { return {{"type", type.ToString()}, {"unit", type.sample_unit}}; }

}  // namespace

std::string WriteFlameGraphJson(const FlameGraph& graph, const ProfileType& type) {
  Json json = Head(type);
  json["total"] = Numbers(graph.nodes[0].total);
  Json& nodes = json["nodes"] = Json::array();
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const FlameGraph::Node& node = graph.nodes[i];
    nodes.push_back({{"name", graph.names[node.name]},
                     {"parent", i == 0 ? Json() : Json(node.parent)},
                     {"kind", KindName(node.kind)},
                     {"self", Numbers(node.self)},
                     {"total", Numbers(node.total)}});
  }
  return DumpJson(json);
}

std::string WriteTopJson(const TopTable& table, const ProfileType& type) {
  Json json = Head(type);
  json["total"] = Numbers(table.total);
  json["functions"] = table.all_rows;
  Json& rows = json["rows"] = Json::array();
  for (const TopRow& row : table.rows) {
    rows.push_back({{"function", row.function},
                    {"file", row.file},
                    {"kind", KindName(row.kind)},
                    {"flat", Numbers(row.flat)},
                    {"cumulative", Numbers(row.cumulative)},
                    {"flat_share", Pair(row.flat_share)},
                    {"cumulative_share", Pair(row.cumulative_share)}});
  }
  return DumpJson(json);
}

std::string WriteDiffJson(const DiffTable& table, const DiffGraph& graph, const ProfileType& type) {
  Json json = Head(type);
  json["total"] = BothSides(table.total);
  json["functions"] = table.all_rows;
  json["significant_flat"] = table.significant_flat;
  json["significant_cumulative"] = table.significant_cumulative;
  Json& rows = json["rows"] = Json::array();
  for (const DiffRow& row : table.rows) {
    rows.push_back({{"function", row.function},
                    {"file", row.file},
                    {"flat", Judged(row.flat)},
                    {"cumulative", Judged(row.cumulative)}});
  }
  if (graph.nodes.empty()) return DumpJson(json);
  Json& nodes = json["nodes"] = Json::array();
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const DiffGraph::Node& node = graph.nodes[i];
    nodes.push_back({{"name", graph.names[node.name]},
                     {"parent", i == 0 ? Json() : Json(node.parent)},
                     {"kind", KindName(node.kind)},
                     {"self", BothSides(node.self)},
                     {"total", Judged(node.total)}});
  }
  return DumpJson(json);
}

std::string WritePeekJson(const PeekTable& table, const ProfileType& type) {
  const auto neighbours = [](const std::vector<PeekNeighbour>& all) {
    Json list = Json::array();
    for (const PeekNeighbour& neighbour : all) {
      list.push_back({{"function", neighbour.function},
                      {"count", neighbour.with.count},
                      {"value", neighbour.with.value}});
    }
    return list;
  };
  Json json = Head(type);
  json["total"] = Numbers(table.total);
  json["matches"] = table.all_functions;
  Json& functions = json["functions"] = Json::array();
  for (const PeekFunction& function : table.functions) {
    functions.push_back({{"function", function.function},
                         {"file", function.file},
                         {"flat", Numbers(function.flat)},
                         {"cumulative", Numbers(function.cumulative)},
                         {"callers", neighbours(function.callers)},
                         {"callees", neighbours(function.callees)}});
  }
  return DumpJson(json);
}

std::string WriteListJson(const Listing& listing, const ProfileType& type) {
  Json json = Head(type);
  json["total"] = Numbers(listing.total);
  json["matches"] = listing.all_functions;
  Json& functions = json["functions"] = Json::array();
  for (const ListedFunction& function : listing.functions) {
    Json lines = Json::array();
    for (const ListedLine& line : function.lines) {
      lines.push_back(
          {{"line", line.line}, {"flat", Numbers(line.flat)}, {"cumulative", Numbers(line.cumulative)}});
    }
    functions.push_back({{"function", function.function},
                         {"file", function.file},
                         {"start_line", function.start_line},
                         {"moved", function.moved},
                         {"flat", Numbers(function.flat)},
                         {"cumulative", Numbers(function.cumulative)},
                         {"lines", std::move(lines)}});
  }
  return DumpJson(json);
}

std::string WriteProfileJson(const Profile& profile) {
  const StackTrie& trie = profile.trie;
  Json json = Head(profile.type);
  json["total"] = Numbers(Totals(profile.samples));
  json["period"] = profile.period;
  json["start"] = absl::FormatTime(absl::RFC3339_full, profile.start, absl::UTCTimeZone());
  json["duration_seconds"] = absl::ToDoubleSeconds(profile.duration);
  json["labels"] = Json::object();
  for (const auto& [name, value] : profile.labels) json["labels"][name] = value;
  json["loss"] = {{"lost_samples", profile.loss.lost_samples},
                  {"truncated_stacks", profile.loss.truncated_stacks},
                  {"frames", profile.loss.frames},
                  {"unsymbolized_frames", profile.loss.unsymbolized_frames}};

  // Only the frames that a sample has, numbered as they appear.
  Json frames = Json::array();
  constexpr uint32_t kUnused = UINT32_MAX;
  std::vector<uint32_t> frame_index(trie.frame_count(), kUnused);
  Json stacks = Json::array();
  for (const Sample& sample : profile.samples) {
    Json indices = Json::array();
    for (NodeId node = sample.node; node != StackTrie::kRoot; node = trie.parent(node)) {
      uint32_t& index = frame_index[trie.frame_of(node)];
      if (index == kUnused) {
        index = static_cast<uint32_t>(frames.size());
        const FrameView frame = trie.view(trie.frame_of(node));
        frames.push_back({{"function", Text(frame.function)},
                          {"file", Text(frame.file)},
                          {"line", frame.line},
                          {"start_line", frame.start_line},
                          {"mapping", Text(frame.mapping)},
                          {"kind", KindName(frame.kind)},
                          {"inlined", frame.inlined},
                          {"symbolized", frame.symbolized}});
      }
      indices.push_back(index);
    }
    stacks.push_back({{"frames", std::move(indices)}, {"count", sample.count}, {"value", sample.value}});
  }
  json["frames"] = std::move(frames);
  json["stacks"] = std::move(stacks);
  return DumpJson(json);
}

}  // namespace pilotlight
