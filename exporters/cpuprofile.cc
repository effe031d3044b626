#include "exporters/cpuprofile.h"

#include <cstdint>
#include <vector>

#include "exporters/json_dump.h"

namespace pilotlight {

std::string WriteCpuProfile(const FlameGraph& graph, const ProfileType& type) {
  const int64_t divisor = type.sample_unit == "nanoseconds" ? 1000 : 1;
  std::vector<OrderedJson> children(graph.nodes.size(), OrderedJson::array());
  for (size_t i = 1; i < graph.nodes.size(); ++i) children[graph.nodes[i].parent].push_back(i + 1);

  OrderedJson nodes = OrderedJson::array();
  OrderedJson samples = OrderedJson::array();
  OrderedJson deltas = OrderedJson::array();
  int64_t value = 0;
  int64_t written = 0;
  int64_t time = 0;  // of the last sample
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const FlameGraph::Node& node = graph.nodes[i];
    OrderedJson json;
    json["id"] = i + 1;
    // Viewers know their root by this name.
    json["callFrame"] = {{"functionName", i == 0 ? "(root)" : graph.names[node.name]},
                         {"scriptId", "0"},
                         {"url", ""},
                         {"lineNumber", -1},
                         {"columnNumber", -1}};
    json["hitCount"] = node.self.count;
    json["children"] = std::move(children[i]);
    nodes.push_back(std::move(json));
    if (node.self.value <= 0) continue;
    // A sample lasts until the next one. Times are rounded, not lengths, so that errors do not add up.
    samples.push_back(i + 1);
    deltas.push_back(written - time);
    time = written;
    value += node.self.value;
    written = value / divisor;
  }
  OrderedJson json;
  json["nodes"] = std::move(nodes);
  json["startTime"] = 0;
  json["endTime"] = written;
  json["samples"] = std::move(samples);
  json["timeDeltas"] = std::move(deltas);
  return DumpJson(json);
}

}  // namespace pilotlight
