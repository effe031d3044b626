#include "agent/metrics/target_metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <array>
#include <iterator>
#include <utility>

#include "agent/metrics/owned_metric.h"

namespace pilotlight::agent {
namespace {

using prometheus::BuildCounter;
using prometheus::BuildGauge;
using prometheus::BuildHistogram;
using prometheus::Counter;
using prometheus::Family;
using prometheus::Gauge;
using prometheus::Histogram;

// The label of the profile, and of the metric.
constexpr struct {
  const char* profile_label;
  const char* metric_label;
} kLabels[] = {
    {"service_name", "service"}, {"namespace", "namespace"}, {"pod", "pod"}, {"container", "container"}};

struct GoRatio {
  GoClass go_class;
  const char* name;  // a second gauge ends in "_lower"
  const char* what;
};
constexpr GoRatio kGoRatios[] = {
    {GoClass::kMcall, "pilotlight_go_mcall_ratio", "with runtime.mcall in the stack"},
    {GoClass::kGc, "pilotlight_go_gc_cpu_ratio", "spent on garbage collection"},
    {GoClass::kLock, "pilotlight_go_lock_ratio", "spent on taking and releasing locks, without the waiting"},
    {GoClass::kSyscall, "pilotlight_go_syscall_ratio", "spent in system calls"},
};
// Seconds: those that the BPF program counts by.
const Histogram::BucketBoundaries& PauseBuckets() {
  static const auto& buckets = *new Histogram::BucketBoundaries([] {
    Histogram::BucketBoundaries seconds;
    for (const uint64_t ns : PL_PAUSE_BOUNDS) seconds.push_back(static_cast<double>(ns) * 1e-9);
    return seconds;
  }());
  return buckets;
}

constexpr size_t kGoRatioCount = std::size(kGoRatios);

std::map<std::string, std::string> TargetKey(const Labels& labels) {
  std::map<std::string, std::string> key;
  for (const auto& [profile_label, metric_label] : kLabels) {
    const auto found = labels.find(profile_label);
    if (found != labels.end() && !found->second.empty()) key[metric_label] = found->second;
  }
  return key;
}

prometheus::Labels With(const std::map<std::string, std::string>& key, const char* name,
                        absl::string_view value) {
  prometheus::Labels labels(key.begin(), key.end());
  labels[name] = std::string(value);
  return labels;
}

}  // namespace

struct TargetMetrics::Families {
  explicit Families(prometheus::Registry& registry);

  Family<Counter>& samples;
  Family<Counter>& seconds;
  Family<Counter>& go_samples;
  Family<Counter>& go_seconds;
  Family<Counter>& mcall_samples;
  Family<Counter>& frames;
  Family<Counter>& stacks;
  Family<Histogram>& gc_pauses;
  Family<Histogram>& stops;
  Family<Counter>& missed_gc_pauses;
  Family<Gauge>& cores;
  Family<Gauge>& symbolized_ratio;
  Family<Gauge>& complete_ratio;
  std::array<Family<Gauge>*, kGoRatioCount> go_ratio = {};
  std::array<Family<Gauge>*, kGoRatioCount> go_ratio_lower = {};
  Gauge& targets;
  Counter& overflow_samples;
};

TargetMetrics::Families::Families(prometheus::Registry& registry)
    : samples(BuildCounter()
                  .Name("pilotlight_cpu_samples_total")
                  .Help("CPU samples of the target.")
                  .Register(registry)),
      seconds(BuildCounter()
                  .Name("pilotlight_cpu_seconds_total")
                  .Help("CPU time of the target while it was watched: samples times the period.")
                  .Register(registry)),
      go_samples(BuildCounter()
                     .Name("pilotlight_go_cpu_samples_total")
                     .Help("CPU samples with Go code in the stack, by what they were spent on.")
                     .Register(registry)),
      go_seconds(BuildCounter()
                     .Name("pilotlight_go_cpu_seconds_total")
                     .Help("CPU time with Go code in the stack while watched, by what it was spent on.")
                     .Register(registry)),
      mcall_samples(BuildCounter()
                        .Name("pilotlight_go_mcall_samples_total")
                        .Help("CPU samples with runtime.mcall in the stack, by whether they show its caller.")
                        .Register(registry)),
      frames(BuildCounter()
                 .Name("pilotlight_frames_total")
                 .Help("Frames of the sampled stacks, by whether they have a function's name.")
                 .Register(registry)),
      stacks(BuildCounter()
                 .Name("pilotlight_stacks_total")
                 .Help("Sampled stacks, by whether they reach the outermost caller.")
                 .Register(registry)),
      gc_pauses(
          BuildHistogram()
              .Name("pilotlight_go_gc_pause_seconds")
              .Help("How long each garbage collection stopped the target, both stops of a cycle together.")
              .Register(registry)),
      stops(BuildHistogram()
                .Name("pilotlight_go_gc_stop_the_world_seconds")
                .Help("How long each stop of the target for garbage collection took, by phase: stopping, and "
                      "stopped.")
                .Register(registry)),
      missed_gc_pauses(
          BuildCounter()
              .Name("pilotlight_go_gc_pauses_missed_total")
              .Help("Garbage collections whose pauses could not be read: more than 255 since the "
                    "last window.")
              .Register(registry)),
      cores(BuildGauge()
                .Name("pilotlight_cpu_cores")
                .Help("Cores that the target kept busy in the last window.")
                .Register(registry)),
      symbolized_ratio(BuildGauge()
                           .Name("pilotlight_symbolized_ratio")
                           .Help("Share of the frames of the last window that have a function's name.")
                           .Register(registry)),
      complete_ratio(BuildGauge()
                         .Name("pilotlight_complete_stacks_ratio")
                         .Help("Share of the samples of the last window whose stack is whole.")
                         .Register(registry)),
      targets(BuildGauge()
                  .Name("pilotlight_metric_targets")
                  .Help("Targets that have metrics now.")
                  .Register(registry)
                  .Add({})),
      overflow_samples(BuildCounter()
                           .Name("pilotlight_metric_overflow_samples_total")
                           .Help("CPU samples of targets without metrics, as there were too many targets.")
                           .Register(registry)
                           .Add({})) {
  for (size_t i = 0; i < kGoRatioCount; ++i) {
    const GoRatio& ratio = kGoRatios[i];
    const std::string help = std::string("Share of the last window's Go CPU samples ") + ratio.what;
    go_ratio[i] = &BuildGauge().Name(ratio.name).Help(help + ".").Register(registry);
    go_ratio_lower[i] = &BuildGauge()
                             .Name(std::string(ratio.name) + "_lower")
                             .Help(help + "; lower bound of its 95 % interval.")
                             .Register(registry);
  }
}

struct TargetMetrics::Target {
  Target(const Families& families, const Key& target_key, std::string source_name);

  void Set(const Families& families, const Key& key, const SeriesInsight& insight);
  void AddGcPauses(const Families& families, const Key& key, const GcPauses& pauses);
  void AddStops(const Families& families, const Key& key, const pl_stop_the_world& stops);
  // No sample in the last window: nothing can be said of shares.
  void SetIdle();

  const std::string source;
  int idle_windows = 0;
  bool seen = true;  // in the window in hand

  OwnedMetric<Counter> samples;
  OwnedMetric<Counter> seconds;
  OwnedMetric<Counter> symbolized_frames;
  OwnedMetric<Counter> unsymbolized_frames;
  OwnedMetric<Counter> complete_stacks;
  OwnedMetric<Counter> incomplete_stacks;
  OwnedMetric<Gauge> cores;
  OwnedMetric<Gauge> symbolized_ratio;
  OwnedMetric<Gauge> complete_ratio;
  // Only of targets that have run Go code.
  std::array<OwnedMetric<Counter>, kGoClasses> go_samples;
  std::array<OwnedMetric<Counter>, kGoClasses> go_seconds;
  OwnedMetric<Counter> joined_mcall_samples;
  OwnedMetric<Counter> rootless_mcall_samples;
  OwnedMetric<Histogram> gc_pauses;
  OwnedMetric<Counter> missed_gc_pauses;
  OwnedMetric<Histogram> stopping;
  OwnedMetric<Histogram> stopped;
  std::array<OwnedMetric<Gauge>, kGoRatioCount> go_ratio;
  std::array<OwnedMetric<Gauge>, kGoRatioCount> go_ratio_lower;

 private:
  void SetGo(const Families& families, const Key& key, const SeriesInsight& insight);
};

TargetMetrics::Target::Target(const Families& families, const Key& target_key, std::string source_name)
    : source(std::move(source_name)) {
  const prometheus::Labels labels(target_key.begin(), target_key.end());
  samples.Add(families.samples, labels);
  seconds.Add(families.seconds, labels);
  symbolized_frames.Add(families.frames, With(target_key, "symbolized", "true"));
  unsymbolized_frames.Add(families.frames, With(target_key, "symbolized", "false"));
  complete_stacks.Add(families.stacks, With(target_key, "complete", "true"));
  incomplete_stacks.Add(families.stacks, With(target_key, "complete", "false"));
  cores.Add(families.cores, labels);
}

void TargetMetrics::Target::Set(const Families& families, const Key& key, const SeriesInsight& insight) {
  const prometheus::Labels labels(key.begin(), key.end());
  samples->Increment(static_cast<double>(insight.samples));
  seconds->Increment(insight.cpu_seconds);
  symbolized_frames->Increment(static_cast<double>(insight.symbolized_frames));
  unsymbolized_frames->Increment(static_cast<double>(insight.frames - insight.symbolized_frames));
  complete_stacks->Increment(static_cast<double>(insight.complete_stacks));
  incomplete_stacks->Increment(static_cast<double>(insight.samples - insight.complete_stacks));
  cores->Set(insight.cpu_cores);
  if (insight.frames > 0) {
    symbolized_ratio.Add(families.symbolized_ratio, labels);
    symbolized_ratio->Set(RatioOf(insight.symbolized_frames, insight.frames).value);
  } else {
    symbolized_ratio.Remove();
  }
  complete_ratio.Add(families.complete_ratio, labels);
  complete_ratio->Set(RatioOf(insight.complete_stacks, insight.samples).value);
  if (insight.go_samples > 0) {
    SetGo(families, key, insight);
  } else {
    for (size_t i = 0; i < kGoRatioCount; ++i) {
      go_ratio[i].Remove();
      go_ratio_lower[i].Remove();
    }
  }
}

void TargetMetrics::Target::SetGo(const Families& families, const Key& key, const SeriesInsight& insight) {
  for (size_t i = 0; i < kGoClasses; ++i) {
    const prometheus::Labels labels = With(key, "class", GoClassName(static_cast<GoClass>(i)));
    go_samples[i].Add(families.go_samples, labels);
    go_samples[i]->Increment(static_cast<double>(insight.go_class_samples[i]));
    go_seconds[i].Add(families.go_seconds, labels);
    go_seconds[i]->Increment(insight.go_class_seconds[i]);
  }
  joined_mcall_samples.Add(families.mcall_samples, With(key, "joined", "true"));
  joined_mcall_samples->Increment(static_cast<double>(insight.mcall_joined_samples));
  rootless_mcall_samples.Add(families.mcall_samples, With(key, "joined", "false"));
  rootless_mcall_samples->Increment(
      static_cast<double>(insight.mcall_samples - insight.mcall_joined_samples));
  const prometheus::Labels labels(key.begin(), key.end());
  for (size_t i = 0; i < kGoRatioCount; ++i) {
    const Ratio ratio = insight.go_ratio(kGoRatios[i].go_class);
    go_ratio[i].Add(*families.go_ratio[i], labels);
    go_ratio[i]->Set(ratio.value);
    go_ratio_lower[i].Add(*families.go_ratio_lower[i], labels);
    go_ratio_lower[i]->Set(ratio.lower);
  }
}

void TargetMetrics::Target::AddGcPauses(const Families& families, const Key& key, const GcPauses& pauses) {
  const prometheus::Labels labels(key.begin(), key.end());
  gc_pauses.Add(families.gc_pauses, labels, PauseBuckets());
  for (const uint64_t pause : pauses.pauses_ns) gc_pauses->Observe(static_cast<double>(pause) * 1e-9);
  missed_gc_pauses.Add(families.missed_gc_pauses, labels);
  missed_gc_pauses->Increment(static_cast<double>(pauses.missed));
}

void TargetMetrics::Target::AddStops(const Families& families, const Key& key,
                                     const pl_stop_the_world& stops) {
  const auto add = [&](OwnedMetric<Histogram>& metric, const char* phase, const pl_pauses& pauses) {
    metric.Add(families.stops, With(key, "phase", phase), PauseBuckets());
    metric->ObserveMultiple({std::begin(pauses.counts), std::end(pauses.counts)},
                            static_cast<double>(pauses.ns) * 1e-9);
  };
  add(stopping, "stopping", stops.stopping);
  add(stopped, "stopped", stops.stopped);
}

void TargetMetrics::Target::SetIdle() {
  cores->Set(0);
  symbolized_ratio.Remove();
  complete_ratio.Remove();
  for (size_t i = 0; i < kGoRatioCount; ++i) {
    go_ratio[i].Remove();
    go_ratio_lower[i].Remove();
  }
}

TargetMetrics::TargetMetrics(const TargetMetricsOptions& options, prometheus::Registry& registry)
    : options_(options), families_(std::make_unique<Families>(registry)) {}

TargetMetrics::~TargetMetrics() = default;

void TargetMetrics::Update(const Window& window, const std::vector<SeriesInsight>& insights) {
  std::map<Key, SeriesInsight> by_target;
  for (size_t i = 0; i < insights.size(); ++i) {
    if (insights[i].samples > 0) by_target[TargetKey(window.series[i].labels)] += insights[i];
  }
  for (auto& [key, target] : targets_) target->seen = false;
  for (const auto& [key, insight] : by_target) {
    auto found = targets_.find(key);
    if (found == targets_.end()) {
      if (targets_.size() >= options_.max_targets) {
        families_->overflow_samples.Increment(static_cast<double>(insight.samples));
        continue;
      }
      found = targets_.emplace(key, std::make_unique<Target>(*families_, key, window.source)).first;
    }
    Target& target = *found->second;
    if (target.source != window.source) continue;
    target.seen = true;
    target.idle_windows = 0;
    target.Set(*families_, key, insight);
  }
  for (auto it = targets_.begin(); it != targets_.end();) {
    Target& target = *it->second;
    if (target.seen || target.source != window.source) {
      ++it;
    } else if (++target.idle_windows >= options_.windows_until_gone) {
      it = targets_.erase(it);
    } else {
      target.SetIdle();
      ++it;
    }
  }
  families_->targets.Set(static_cast<double>(targets_.size()));
}

void TargetMetrics::AddStops(const Labels& labels, const pl_stop_the_world& stops) {
  const Key key = TargetKey(labels);
  const auto found = targets_.find(key);
  if (found != targets_.end()) found->second->AddStops(*families_, key, stops);
}

void TargetMetrics::AddGcPauses(const Labels& labels, const GcPauses& pauses) {
  const Key key = TargetKey(labels);
  const auto found = targets_.find(key);
  if (found != targets_.end()) found->second->AddGcPauses(*families_, key, pauses);
}

}  // namespace pilotlight::agent
