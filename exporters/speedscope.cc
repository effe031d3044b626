#include "exporters/speedscope.h"

#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "exporters/json_dump.h"

namespace pilotlight {
namespace {

// Speedscope knows few units, and shows numbers of others plainly.
const char* UnitOf(const ProfileType& type) {
  if (type.sample_unit == "nanoseconds") return "nanoseconds";
  if (type.sample_unit == "bytes") return "bytes";
  return "none";
}

OrderedJson ToJson(const FrameView& frame) {
  OrderedJson json;
  json["name"] = frame.function.empty() ? "[unknown]" : std::string(frame.function);
  if (!frame.file.empty()) json["file"] = std::string(frame.file);
  if (frame.line != 0) json["line"] = frame.line;
  return json;
}

}  // namespace

std::string WriteSpeedscope(const Profile& profile) {
  const StackTrie& trie = profile.trie;
  OrderedJson frames = OrderedJson::array();
  absl::flat_hash_map<FrameId, size_t> frame_index;
  OrderedJson samples = OrderedJson::array();
  OrderedJson weights = OrderedJson::array();
  int64_t total = 0;
  for (const Sample& sample : profile.samples) {
    if (sample.value <= 0) continue;
    OrderedJson stack = OrderedJson::array();
    for (const FrameId frame : trie.Stack(sample.node)) {
      const auto [entry, is_new] = frame_index.try_emplace(frame, frames.size());
      if (is_new) frames.push_back(ToJson(trie.view(frame)));
      stack.push_back(entry->second);
    }
    samples.push_back(std::move(stack));
    weights.push_back(sample.value);
    total += sample.value;
  }
  OrderedJson json;
  json["$schema"] = "https://www.speedscope.app/file-format-schema.json";
  json["exporter"] = "pilotlight";
  json["shared"]["frames"] = std::move(frames);
  OrderedJson& one = json["profiles"][0];
  one["type"] = "sampled";
  one["name"] = profile.type.ToString();
  one["unit"] = UnitOf(profile.type);
  one["startValue"] = 0;
  one["endValue"] = total;
  one["samples"] = std::move(samples);
  one["weights"] = std::move(weights);
  return DumpJson(json);
}

}  // namespace pilotlight
