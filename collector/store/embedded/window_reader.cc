#include "collector/store/embedded/window_reader.h"

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <utility>

#include "base/status_macros.h"
#include "collector/store/embedded/node_sums.h"

namespace pilotlight::collector {
namespace {

double Estimate(const ProfileType& type, int64_t value, const WindowRecord& window) {
  if (window.duration_ns <= 0 || IsInstantaneous(type)) return static_cast<double>(value);
  return static_cast<double>(value) * static_cast<double>(window.interval_ns) /
         static_cast<double>(window.duration_ns);
}

void KeepShared(const Labels& labels, std::optional<Labels>& shared) {
  if (!shared) {
    shared = labels;
    return;
  }
  std::erase_if(*shared, [&labels](const auto& label) {
    const auto other = labels.find(label.first);
    return other == labels.end() || other->second != label.second;
  });
}

// Decodes all series of a window, or none.
bool DecodeAll(const std::vector<const SeriesInRecord*>& series, std::vector<Sample>& samples) {
  samples.clear();
  return std::ranges::all_of(series, [&](const SeriesInRecord* one) { return DecodeSamples(*one, samples); });
}

std::vector<std::string> ValuesOf(const Labels& labels, const std::vector<std::string>& names) {
  std::vector<std::string> values;
  for (const std::string& name : names) {
    const auto label = labels.find(name);
    values.push_back(label == labels.end() ? std::string() : label->second);
  }
  return values;
}

// A label set's value in one step, of an instantaneous type.
struct NewestPoint {
  uint64_t start_ns = 0;
  SeriesPoint point;
};

void Add(const SeriesPoint& from, SeriesPoint& to) {
  to.count += from.count;
  to.value += from.value;
  to.estimated_value += from.estimated_value;
}

// Points of one group by the number of their step.
struct Group {
  Labels labels;
  std::map<int64_t, SeriesPoint> points;
};

}  // namespace

WindowReader::Range WindowReader::RangeOf(TimeSpan span) {
  const auto clamp = [](absl::Time time) {
    return static_cast<uint64_t>(
        std::clamp<int64_t>(absl::ToUnixNanos(time), 0, std::numeric_limits<int64_t>::max()));
  };
  return {clamp(span.start), clamp(span.end)};
}

std::vector<BlockKey> WindowReader::FindBlocks(const Range& range,
                                               const std::vector<Matcher>& matchers) const {
  std::vector<BlockKey> keys;
  if (range.start_ns >= range.end_ns) return keys;
  for (const Catalogue::NamedBlock& block :
       catalogue_.BlocksOfDays(DayOf(range.start_ns), DayOf(range.end_ns - 1))) {
    const bool can_match = std::ranges::all_of(matchers, [&block](const Matcher& matcher) {
      return matcher.name() != kServiceLabel || matcher.MatchesValue(block.service);
    });
    if (can_match) keys.push_back(block.key);
  }
  return keys;
}

void WindowReader::NoteSize(Block& block) {
  size_t bytes = 0;
  {
    const MutexLock lock(block.mutex);
    bytes = block.byte_size();
  }
  cache_.SetSize(block.key, bytes);
}

WindowReader::ChosenBlock WindowReader::ChooseSeries(rocksdb::DB& rocks, const BlockKey& key,
                                                     const Choose& choose) {
  ChosenBlock chosen;
  chosen.block = cache_.Get(key);
  {
    Block& block = *chosen.block;
    const MutexLock lock(block.mutex);
    block.LoadSeries(rocks, counters_);
    chosen.chosen.resize(block.series.size());
    for (uint32_t id = 0; id < block.series.size(); ++id) {
      const std::optional<SeriesIdentity>& identity = block.series.identity(id);
      if (!identity || !choose(*identity)) continue;
      chosen.ids.push_back(id);
      chosen.chosen[id] = true;
    }
  }
  NoteSize(*chosen.block);
  return chosen;
}

void WindowReader::ForEachWindow(RecordScan& scan, const ChosenBlock& chosen, const Range& range,
                                 const Visit& visit, const bool* stop) {
  const BlockKey& key = chosen.block->key;
  WindowRecord window;
  std::vector<const SeriesInRecord*> series;
  for (scan.Seek(key, RecordKind::kWindow, FirstWindowKey(key, range.start_ns));
       scan.Valid() && (stop == nullptr || !*stop); scan.Next()) {
    const auto window_key = ParseWindowKey(scan.suffix());
    if (window_key && window_key->start_unix_ns >= range.end_ns) return;
    bool good = window_key.has_value() && ParseWindowRecord(scan.value(), window);
    if (good) {
      series.clear();
      for (const SeriesInRecord& one : window.series) {
        if (one.id >= chosen.chosen.size()) {
          good = false;  // its labels were lost
        } else if (chosen.chosen[one.id]) {
          series.push_back(&one);
        }
      }
      if (!series.empty()) good &= visit(window_key->start_unix_ns, window, series);
    }
    if (!good) ++counters_.corrupt_records;
  }
}

std::map<Labels, uint64_t> WindowReader::NewestStarts(rocksdb::DB& rocks, RecordScan& scan,
                                                      const std::vector<BlockKey>& keys, const Range& range,
                                                      const Choose& choose) {
  std::map<Labels, uint64_t> newest;
  for (const BlockKey& key : keys) {
    const ChosenBlock chosen = ChooseSeries(rocks, key, choose);
    if (chosen.ids.empty()) continue;
    std::vector<uint64_t> last(chosen.chosen.size());
    ForEachWindow(
        scan, chosen, range,
        [&](uint64_t start_ns, const WindowRecord&, const std::vector<const SeriesInRecord*>& series) {
          for (const SeriesInRecord* one : series) last[one->id] = std::max(last[one->id], start_ns);
          return true;
        });
    const MutexLock lock(chosen.block->mutex);
    for (const uint32_t id : chosen.ids) {
      uint64_t& start = newest[chosen.block->series.identity(id)->labels];
      start = std::max(start, last[id]);
    }
  }
  return newest;
}

absl::StatusOr<MergedProfile> WindowReader::Merge(const StoreSelection& selection) {
  const Range range = RangeOf(selection.span);
  MergedProfile merged;
  Profile& profile = merged.profile;
  profile.type = selection.type;
  NodeSums merged_sums;
  std::optional<Labels> shared;
  std::optional<int64_t> period;
  uint64_t first_start = std::numeric_limits<uint64_t>::max();
  uint64_t last_end = 0;
  const Choose choose = [&](const SeriesIdentity& identity) {
    return identity.type == selection.type && AllMatch(selection.matchers, identity.labels);
  };

  // The snapshot is older than the series and names read below, so they cover all that it has.
  const Database::Use use(database_);
  RETURN_IF_ERROR(use.status());
  RecordScan scan(use.rocks(), counters_);
  NodeSums sums;
  std::vector<Sample> samples;
  std::vector<const SeriesInRecord*> newest_series;
  const std::vector<BlockKey> keys = FindBlocks(range, selection.matchers);
  const bool newest_only = IsInstantaneous(selection.type);
  std::map<Labels, uint64_t> newest;
  if (newest_only) newest = NewestStarts(use.rocks(), scan, keys, range, choose);
  for (const BlockKey& key : keys) {
    const ChosenBlock chosen = ChooseSeries(use.rocks(), key, choose);
    if (chosen.ids.empty()) continue;
    std::vector<uint64_t> newest_of(chosen.chosen.size());
    if (newest_only) {
      const MutexLock lock(chosen.block->mutex);
      for (const uint32_t id : chosen.ids) newest_of[id] = newest[chosen.block->series.identity(id)->labels];
    }
    std::vector<bool> seen(chosen.chosen.size());
    sums.Clear();
    ForEachWindow(
        scan, chosen, range,
        [&](uint64_t start_ns, const WindowRecord& window, const std::vector<const SeriesInRecord*>& all) {
          if (newest_only) {
            newest_series = all;
            std::erase_if(newest_series,
                          [&](const SeriesInRecord* one) { return newest_of[one->id] != start_ns; });
            if (newest_series.empty()) return true;
          }
          const std::vector<const SeriesInRecord*>& series = newest_only ? newest_series : all;
          if (!DecodeAll(series, samples)) return false;
          sums.Add(samples);
          first_start = std::min(first_start, start_ns);
          last_end = std::max(last_end, start_ns + static_cast<uint64_t>(window.interval_ns));
          for (const SeriesInRecord* one : series) {
            seen[one->id] = true;
            if (period.value_or(one->period) != one->period) period = 0;
            if (!period) period = one->period;
            profile.loss += one->loss;
            ++merged.coverage.windows;
            merged.coverage.watched += absl::Nanoseconds(window.duration_ns);
            merged.coverage.estimated_value += Estimate(selection.type, one->total.value, window);
          }
          return true;
        });
    std::vector<NodeId> mapped;
    {
      Block& block = *chosen.block;
      const MutexLock lock(block.mutex);
      if (sums.size() > 0) {
        block.LoadDictionary(use.rocks(), counters_);
        mapped = MapNodes(block.dictionary, sums, profile.trie);
      }
      for (const uint32_t id : chosen.ids) {
        if (seen[id]) KeepShared(block.series.identity(id)->labels, shared);
      }
    }
    NoteSize(*chosen.block);
    for (NodeId node = 0; node < sums.size(); ++node) {
      if (sums.empty_at(node)) continue;
      const Sample sum = sums.at(node);
      merged_sums.Add(mapped[node], sum.count, sum.value);
    }
  }
  profile.samples = merged_sums.ToSamples();
  profile.duration = merged.coverage.watched;
  profile.period = period.value_or(0);
  if (shared) {
    profile.labels = *std::move(shared);
    profile.start = absl::FromUnixNanos(static_cast<int64_t>(first_start));
    merged.coverage.first_start = profile.start;
    merged.coverage.last_end = absl::FromUnixNanos(static_cast<int64_t>(last_end));
  }
  return merged;
}

absl::StatusOr<std::vector<TimeSeries>> WindowReader::SelectSeries(
    const StoreSelection& selection, absl::Duration step, const std::vector<std::string>& group_by,
    const std::function<void(const StackTrie&, std::vector<Sample>&)>& select_samples) {
  if (step <= absl::ZeroDuration()) return absl::InvalidArgumentError("the step must be positive");
  const Range range = RangeOf(selection.span);
  const Choose choose = [&](const SeriesIdentity& identity) {
    return identity.type == selection.type && AllMatch(selection.matchers, identity.labels);
  };
  const bool newest_only = IsInstantaneous(selection.type);
  std::map<std::vector<std::string>, Group> groups;
  std::map<Labels, std::map<int64_t, NewestPoint>> newest;  // by label set and step

  const Database::Use use(database_);
  RETURN_IF_ERROR(use.status());
  RecordScan scan(use.rocks(), counters_);
  std::vector<Sample> samples;
  for (const BlockKey& key : FindBlocks(range, selection.matchers)) {
    const ChosenBlock chosen = ChooseSeries(use.rocks(), key, choose);
    if (chosen.ids.empty()) continue;

    std::vector<Group*> group_of(chosen.chosen.size());
    std::vector<std::map<int64_t, NewestPoint>*> newest_of(chosen.chosen.size());
    {
      const MutexLock lock(chosen.block->mutex);
      for (const uint32_t id : chosen.ids) {
        const Labels& labels = chosen.block->series.identity(id)->labels;
        const std::vector<std::string> values = ValuesOf(labels, group_by);
        Group& group = groups[values];
        for (size_t i = 0; i < values.size(); ++i) {
          if (!values[i].empty()) group.labels[group_by[i]] = values[i];
        }
        group_of[id] = &group;
        if (newest_only) newest_of[id] = &newest[labels];
      }
    }

    // Which nodes the caller wants; all of them when it does not care.
    std::vector<bool> wanted;
    if (select_samples) {
      NodeSums sums;
      ForEachWindow(scan, chosen, range,
                    [&](uint64_t, const WindowRecord&, const std::vector<const SeriesInRecord*>& series) {
                      const bool good = DecodeAll(series, samples);
                      for (Sample& sample : samples) sample.count = 1;  // sums to zero must not hide a node
                      if (good) sums.Add(samples);
                      return good;
                    });
      wanted.resize(sums.size());
      StackTrie trie;
      std::vector<NodeId> mapped;
      {
        const MutexLock lock(chosen.block->mutex);
        chosen.block->LoadDictionary(use.rocks(), counters_);
        mapped = MapNodes(chosen.block->dictionary, sums, trie);
      }
      NoteSize(*chosen.block);
      std::vector<Sample> candidates;
      for (NodeId node = 0; node < sums.size(); ++node) {
        if (!sums.empty_at(node)) candidates.push_back({mapped[node], 1, 1});
      }
      MergeSamples(candidates);
      select_samples(trie, candidates);
      std::vector<bool> kept(trie.node_count());
      for (const Sample& sample : candidates) kept[sample.node] = true;
      for (NodeId node = 0; node < sums.size(); ++node) wanted[node] = kept[mapped[node]];
    }

    ForEachWindow(
        scan, chosen, range,
        [&](uint64_t start_ns, const WindowRecord& window, const std::vector<const SeriesInRecord*>& series) {
          const absl::Time start = absl::FromUnixNanos(static_cast<int64_t>(start_ns));
          absl::Duration in_step;
          const int64_t number = absl::IDivDuration(start - selection.span.start, step, &in_step);
          for (const SeriesInRecord* one : series) {
            ProfileTotals total = one->total;
            if (select_samples) {
              samples.clear();
              if (!DecodeSamples(*one, samples)) return false;
              std::erase_if(samples, [&](const Sample& sample) {
                return sample.node >= wanted.size() || !wanted[sample.node];
              });
              total = Totals(samples);
            }
            const SeriesPoint point = {.count = total.count,
                                       .value = total.value,
                                       .estimated_value = Estimate(selection.type, total.value, window)};
            if (!newest_only) {
              Add(point, group_of[one->id]->points[number]);
              continue;
            }
            NewestPoint& known = (*newest_of[one->id])[number];
            if (start_ns > known.start_ns) known = {start_ns, {}};
            if (start_ns == known.start_ns) Add(point, known.point);
          }
          return true;
        });
  }

  for (const auto& [labels, points] : newest) {
    Group& group = groups[ValuesOf(labels, group_by)];
    for (const auto& [number, known] : points) Add(known.point, group.points[number]);
  }

  std::vector<TimeSeries> result;
  for (auto& [values, group] : groups) {
    if (group.points.empty()) continue;
    TimeSeries& series = result.emplace_back();
    series.labels = std::move(group.labels);
    for (auto& [number, point] : group.points) {
      point.start = selection.span.start + number * step;
      series.points.push_back(point);
    }
  }
  return result;
}

absl::Status WindowReader::ForEachSeries(TimeSpan span, const std::vector<Matcher>& matchers,
                                         const std::function<void(const SeriesIdentity&)>& visit) {
  const Range range = RangeOf(span);
  const Choose choose = [&](const SeriesIdentity& identity) { return AllMatch(matchers, identity.labels); };
  const Database::Use use(database_);
  RETURN_IF_ERROR(use.status());
  RecordScan scan(use.rocks(), counters_);
  for (const BlockKey& key : FindBlocks(range, matchers)) {
    const ChosenBlock chosen = ChooseSeries(use.rocks(), key, choose);
    const uint64_t day_start = uint64_t{key.day} * kNanosecondsOfDay;
    const bool whole_day = range.start_ns <= day_start && range.end_ns >= day_start + kNanosecondsOfDay;
    std::vector<bool> seen(chosen.chosen.size());
    if (!whole_day) {
      size_t missing = chosen.ids.size();
      bool stop = missing == 0;
      ForEachWindow(
          scan, chosen, range,
          [&](uint64_t, const WindowRecord&, const std::vector<const SeriesInRecord*>& series) {
            for (const SeriesInRecord* one : series) {
              if (!seen[one->id]) --missing;
              seen[one->id] = true;
            }
            stop = missing == 0;
            return true;
          },
          &stop);
    }
    const MutexLock lock(chosen.block->mutex);
    for (const uint32_t id : chosen.ids) {
      if (whole_day || seen[id]) visit(*chosen.block->series.identity(id));
    }
  }
  return absl::OkStatus();
}

}  // namespace pilotlight::collector
