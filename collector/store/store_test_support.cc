#include "collector/store/store_test_support.h"

#include <algorithm>
#include <optional>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/check.h"

namespace pilotlight::collector {
namespace {

bool InSpan(const Window& window, const TimeSpan& span) {
  return window.start >= span.start && window.start < span.end;
}

double Estimate(const ProfileType& type, int64_t value, const Window& window) {
  if (IsInstantaneous(type)) return static_cast<double>(value);
  return static_cast<double>(value) * absl::FDivDuration(window.interval, window.duration);
}

size_t Pick(std::mt19937& random, size_t count) {
  return std::uniform_int_distribution<size_t>(0, count - 1)(random);
}

}  // namespace

NodeId AddStack(StackTrie& trie, absl::string_view stack) {
  NodeId node = StackTrie::kRoot;
  for (const absl::string_view function : absl::StrSplit(stack, ';', absl::SkipEmpty())) {
    node =
        trie.Child(node, trie.InternFrame(FrameView{.function = function,
                                                    .file = "main.go",
                                                    .mapping = "app",
                                                    .line = static_cast<uint32_t>(function.size()),
                                                    .start_line = static_cast<uint32_t>(function.size() / 2),
                                                    .kind = FrameKind::kGo,
                                                    .symbolized = true}));
  }
  return node;
}

Window MakeWindow(const std::string& agent, const std::string& boot, uint64_t sequence, absl::Time start) {
  Window window;
  window.agent = agent;
  window.boot = boot;
  window.sequence = sequence;
  window.start = start;
  window.duration = absl::Seconds(10);
  window.interval = absl::Seconds(60);
  window.source = "ebpf";
  return window;
}

Series& AddSeries(Window& window, const Labels& labels, const std::map<std::string, uint64_t>& stacks) {
  Series& series = window.series.emplace_back();
  series.labels = labels;
  series.period = kPeriodNs;
  for (const auto& [stack, count] : stacks) {
    series.samples.push_back(
        {AddStack(window.trie, stack), count, static_cast<int64_t>(count) * series.period});
  }
  MergeSamples(series.samples);
  return series;
}

Window MakeRandomWindow(std::mt19937& random, const std::string& agent, const std::string& boot,
                        uint64_t sequence, absl::Time start) {
  Window window = MakeWindow(agent, boot, sequence, start);
  window.duration = absl::Milliseconds(1000 + static_cast<int64_t>(Pick(random, 9000)));
  window.interval = window.duration * static_cast<int64_t>(1 + Pick(random, 6));
  for (size_t i = Pick(random, 6); i > 0; --i) {
    Labels labels = {{"service_name", absl::StrCat("service-", Pick(random, 5))},
                     {"pod", absl::StrCat("pod-", Pick(random, 3))}};
    if (Pick(random, 2) == 0) labels["namespace"] = absl::StrCat("namespace-", Pick(random, 2));
    const bool allocations = Pick(random, 4) == 0;
    std::map<std::string, uint64_t> stacks;
    for (size_t j = Pick(random, 30); j > 0; --j) {
      std::string stack = "main";
      for (size_t depth = Pick(random, 8); depth > 0; --depth) {
        absl::StrAppend(&stack, ";function-", Pick(random, 4));
      }
      stacks[stack] = 1 + Pick(random, 300);
    }
    Series& series = AddSeries(window, labels, stacks);
    if (Pick(random, 5) == 0) series.samples.push_back({StackTrie::kRoot, 7, 7 * kPeriodNs});
    if (allocations) {
      series.type = ProfileType{"memory", "alloc_space", "bytes", "space", "bytes"};
      series.period = 524288;
      for (Sample& sample : series.samples) {
        sample.value = static_cast<int64_t>(Pick(random, 1u << 30)) - (1 << 20);
      }
    }
    if (!allocations && Pick(random, 4) == 0) {
      series.type = ProfileType{"goroutine", "goroutine", "count", "goroutine", "count"};
      series.period = 1;
    }
    series.loss = {Pick(random, 3), Pick(random, 5), Pick(random, 1000), Pick(random, 100)};
  }
  return window;
}

Content ContentOf(const StackTrie& trie, const std::vector<Sample>& samples) {
  Content content;
  for (const Sample& sample : samples) {
    std::string stack;
    for (const FrameId id : trie.Stack(sample.node)) {
      const FrameView frame = trie.view(id);
      absl::StrAppend(&stack, frame.function, "|", frame.file, "|", frame.mapping, "|", frame.line, "|",
                      frame.start_line, "|", static_cast<int>(frame.kind), "|", frame.inlined, "|",
                      frame.symbolized, ";");
    }
    auto& [count, value] = content[stack];
    count += sample.count;
    value += sample.value;
  }
  std::erase_if(content, [](const auto& entry) { return entry.second == std::pair<uint64_t, int64_t>(); });
  return content;
}

std::map<std::string, uint64_t> CountsByStack(const Profile& profile) {
  std::map<std::string, uint64_t> counts;
  for (const Sample& sample : profile.samples) {
    std::vector<std::string> names;
    for (const FrameId id : profile.trie.Stack(sample.node)) {
      names.emplace_back(profile.trie.view(id).function);
    }
    counts[absl::StrJoin(names, ";")] += sample.count;
  }
  return counts;
}

bool NaiveStore::IsNewest(const Window& window, const Series& series, TimeSpan span) const {
  if (!IsInstantaneous(series.type)) return true;
  return std::ranges::none_of(windows_, [&](const Window* other) {
    return InSpan(*other, span) && other->start > window.start &&
           std::ranges::any_of(other->series, [&](const Series& one) {
             return one.type == series.type && one.labels == series.labels;
           });
  });
}

MergedProfile NaiveStore::Merge(const StoreSelection& selection) const {
  MergedProfile merged;
  merged.profile.type = selection.type;
  bool first = true;
  for (const Window* window : windows_) {
    if (!InSpan(*window, selection.span)) continue;
    std::set<Labels> label_sets;
    for (const Series& series : window->series) {
      if (series.type != selection.type || !AllMatch(selection.matchers, series.labels)) continue;
      if (!IsNewest(*window, series, selection.span)) continue;
      Profile profile = ToProfile(*window, series);
      label_sets.insert(series.labels);
      merged.coverage.estimated_value += Estimate(series.type, Totals(series.samples).value, *window);
      // MergeProfile() takes a profile without samples and duration for a new one.
      if (first) merged.profile.duration = absl::ZeroDuration();
      CHECK(MergeProfile(profile, merged.profile).ok());
      first = false;
    }
    merged.coverage.windows += label_sets.size();
    merged.coverage.watched += window->duration * static_cast<int64_t>(label_sets.size());
  }
  merged.profile.duration = merged.coverage.watched;
  return merged;
}

std::vector<TimeSeries> NaiveStore::SelectSeries(const StoreSelection& selection, absl::Duration step,
                                                 const std::vector<std::string>& group_by,
                                                 absl::string_view only_stacks_with) const {
  std::map<Labels, std::map<int64_t, SeriesPoint>> groups;
  for (const Window* window : windows_) {
    if (!InSpan(*window, selection.span)) continue;
    for (const Series& series : window->series) {
      if (series.type != selection.type || !AllMatch(selection.matchers, series.labels)) continue;
      Labels group;
      for (const std::string& name : group_by) {
        if (series.labels.contains(name)) group[name] = series.labels.at(name);
      }
      absl::Duration rest;
      const int64_t number = absl::IDivDuration(window->start - selection.span.start, step, &rest);
      const absl::Time step_start = selection.span.start + number * step;
      if (!IsNewest(*window, series, {step_start, std::min(step_start + step, selection.span.end)})) continue;
      SeriesPoint& point = groups[group][number];
      point.step = number;
      for (const auto& [stack, sums] : ContentOf(window->trie, series.samples)) {
        if (stack.find(std::string(only_stacks_with)) == std::string::npos) continue;
        point.count += sums.first;
        point.value += sums.second;
        point.estimated_value += Estimate(series.type, sums.second, *window);
      }
    }
  }
  std::vector<TimeSeries> result;
  for (const auto& [labels, points] : groups) {
    TimeSeries& series = result.emplace_back();
    series.labels = labels;
    for (const auto& [number, point] : points) series.points.push_back(point);
  }
  return result;
}

std::vector<std::string> NaiveStore::LabelValues(const std::string& name, TimeSpan span,
                                                 const std::vector<Matcher>& matchers) const {
  std::set<std::string> values;
  for (const Window* window : windows_) {
    if (!InSpan(*window, span)) continue;
    for (const Series& series : window->series) {
      if (AllMatch(matchers, series.labels) && series.labels.contains(name)) {
        values.insert(series.labels.at(name));
      }
    }
  }
  return {values.begin(), values.end()};
}

std::vector<ProfileType> NaiveStore::ProfileTypes(TimeSpan span) const {
  std::set<ProfileType> types;
  for (const Window* window : windows_) {
    if (!InSpan(*window, span)) continue;
    for (const Series& series : window->series) types.insert(series.type);
  }
  return {types.begin(), types.end()};
}

}  // namespace pilotlight::collector
