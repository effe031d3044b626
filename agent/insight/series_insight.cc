#include "agent/insight/series_insight.h"

#include <algorithm>
#include <cstddef>

#include "profile/statistics.h"

namespace pilotlight::agent {
namespace {

// What a node's stack is, from the root to it.
struct StackClass {
  bool has_go = false;
  GoClass go_class = GoClass::kUser;
  bool has_mcall = false;
  bool mcall_joined = false;
};

// Every node's, in one forward pass: a parent's number is smaller than its child's.
std::vector<StackClass> ClassifyStacks(const StackTrie& trie) {
  std::vector<StackClass> by_frame(trie.frame_count());
  for (FrameId id = 0; id < trie.frame_count(); ++id) {
    const FrameView frame = trie.view(id);
    if (frame.kind != FrameKind::kGo) continue;
    by_frame[id] = {.has_go = true,
                    .go_class = ClassifyGoFunction(frame.function),
                    .has_mcall = frame.function == "runtime.mcall"};
  }
  std::vector<StackClass> by_node(trie.node_count());
  for (NodeId node = StackTrie::kRoot + 1; node < trie.node_count(); ++node) {
    const StackClass& parent = by_node[trie.parent(node)];
    const StackClass& own = by_frame[trie.frame_of(node)];
    by_node[node] = {
        .has_go = parent.has_go || own.has_go,
        // Who called mcall says nothing of what the scheduler then does, and is not always known.
        .go_class = own.has_mcall ? own.go_class : std::min(parent.go_class, own.go_class),
        .has_mcall = parent.has_mcall || own.has_mcall,
        .mcall_joined = parent.mcall_joined || (own.has_mcall && parent.has_go)};
  }
  return by_node;
}

bool IsCpuTime(const ProfileType& type) {
  return type.sample_type == "cpu" && type.sample_unit == "nanoseconds";
}

}  // namespace

Ratio RatioOf(uint64_t hits, uint64_t total) {
  if (total == 0) return {};
  return {static_cast<double>(hits) / static_cast<double>(total), WilsonInterval(hits, total).lower};
}

SeriesInsight& SeriesInsight::operator+=(const SeriesInsight& other) {
  samples += other.samples;
  cpu_seconds += other.cpu_seconds;
  cpu_cores += other.cpu_cores;
  for (size_t i = 0; i < kGoClasses; ++i) {
    go_class_samples[i] += other.go_class_samples[i];
    go_class_seconds[i] += other.go_class_seconds[i];
  }
  go_samples += other.go_samples;
  mcall_joined_samples += other.mcall_joined_samples;
  mcall_samples += other.mcall_samples;
  frames += other.frames;
  symbolized_frames += other.symbolized_frames;
  complete_stacks += other.complete_stacks;
  return *this;
}

std::vector<SeriesInsight> DeriveInsight(const Window& window) {
  const std::vector<StackClass> stacks = ClassifyStacks(window.trie);
  std::vector<SeriesInsight> insights(window.series.size());
  for (size_t i = 0; i < window.series.size(); ++i) {
    const Series& series = window.series[i];
    if (!IsCpuTime(series.type)) continue;
    SeriesInsight& insight = insights[i];
    for (const Sample& sample : series.samples) {
      const double seconds = static_cast<double>(sample.value) * 1e-9;
      insight.samples += sample.count;
      insight.cpu_seconds += seconds;
      const StackClass& stack = stacks[sample.node];
      if (!stack.has_go) continue;
      const auto go_class = static_cast<size_t>(stack.go_class);
      insight.go_samples += sample.count;
      if (stack.has_mcall) insight.mcall_samples += sample.count;
      if (stack.mcall_joined) insight.mcall_joined_samples += sample.count;
      insight.go_class_samples[go_class] += sample.count;
      insight.go_class_seconds[go_class] += seconds;
    }
    const double watched = absl::ToDoubleSeconds(window.duration);
    if (watched > 0) insight.cpu_cores = insight.cpu_seconds / watched;
    // The counters come from outside with a named profile, so they may not fit together.
    insight.frames = series.loss.frames;
    insight.symbolized_frames = insight.frames - std::min(insight.frames, series.loss.unsymbolized_frames);
    insight.complete_stacks = insight.samples - std::min(insight.samples, series.loss.truncated_stacks);
  }
  return insights;
}

}  // namespace pilotlight::agent
