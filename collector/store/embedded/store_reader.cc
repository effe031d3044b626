#include "collector/store/embedded/store_reader.h"

#include <algorithm>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "base/status_macros.h"
#include "collector/store/embedded/parallel.h"
#include "collector/store/embedded/profile_merger.h"
#include "collector/store/embedded/read_budget.h"
#include "collector/store/embedded/stack_merger.h"
#include "collector/store/embedded/stack_sums.h"

namespace pilotlight::collector {
namespace {

TimeRange RangeOf(TimeSpan span) {
  const auto clamp = [](absl::Time time) {
    return static_cast<uint64_t>(
        std::clamp<int64_t>(absl::ToUnixNanos(time), 0, std::numeric_limits<int64_t>::max()));
  };
  return {clamp(span.start), clamp(span.end)};
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

// By number of the stack: which of those in the pieces `select_samples` keeps.
std::vector<bool> SelectStacks(BlockScan& scan, const BlockScan::ChosenBlock& chosen,
                               const std::vector<Piece>& pieces,
                               const std::function<void(const StackTrie&, std::vector<Sample>&)>& select) {
  StackSums sums;
  std::vector<Sample> samples;
  scan.ForEachRecord(chosen, pieces, [&](uint64_t, const std::vector<const SeriesInRecord*>& series) {
    const bool good = DecodeAll(series, samples);
    for (Sample& sample : samples) sample.count = 1;  // sums to zero must not hide a stack
    if (good) sums.Add(samples);
    return good;
  });
  const std::vector<uint32_t> stacks = sums.Stacks();
  StackTrie trie;
  const std::vector<NodeId> mapped = StackMerger(trie).Map(scan, *chosen.block, stacks);
  std::vector<Sample> candidates;
  candidates.reserve(mapped.size());
  for (const NodeId node : mapped) candidates.push_back({node, 1, 1});
  MergeSamples(candidates);
  select(trie, candidates);
  std::vector<bool> kept(trie.node_count());
  for (const Sample& sample : candidates) kept[sample.node] = true;
  std::vector<bool> wanted(sums.size());
  for (size_t i = 0; i < stacks.size(); ++i) wanted[stacks[i]] = kept[mapped[i]];
  return wanted;
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

// One group's points, which mostly come in order of time.
struct Group {
  struct Step {
    int64_t number;
    SeriesPoint point;
  };

  SeriesPoint& At(int64_t number) {
    if (steps.empty() || steps.back().number < number) return steps.emplace_back(Step{number, {}}).point;
    if (last >= steps.size() || steps[last].number != number) {
      const auto found = std::ranges::lower_bound(steps, number, {}, &Step::number);
      last = static_cast<size_t>(found - steps.begin());
      if (found->number != number) steps.insert(found, Step{number, {}});
    }
    return steps[last].point;
  }

  Labels labels;
  std::vector<Step> steps;  // sorted
  size_t last = 0;          // where the last one was found
};

}  // namespace

void StoreReader::AddParts(const std::vector<Piece>& pieces, uint32_t service,
                           std::vector<PlannedBlock>& plan) const {
  for (const BlockPieces& block : SplitByBlock(pieces, service)) {
    for (const BlockKey& part : catalogue_.Parts(block.first_part)) plan.push_back({part, block.pieces});
  }
}

void StoreReader::PlanServices(const TimeRange& range, const std::vector<uint32_t>& services,
                               const CoverRules& rules, std::vector<PlannedBlock>& plan) const {
  // Most spans are long closed, which the earliest open one tells without a look into the table.
  const std::array<uint64_t, 4> earliest = open_spans_.EarliestStarts();
  for (const uint32_t service : services) {
    const auto has_sum = [&](Level level, uint64_t start_ns) {
      return start_ns < earliest[static_cast<size_t>(level)] ||
             !open_spans_.Contains({level, start_ns, service});
    };
    AddParts(CoverRange(range, rules, has_sum), service, plan);
  }
}

std::vector<StoreReader::PlannedBlock> StoreReader::Plan(const TimeSpan& span,
                                                         const std::vector<Matcher>& matchers,
                                                         const PlanOptions& options) const {
  TimeRange range = RangeOf(span);
  CoverRules rules = {
      .step_ns = options.step_ns, .step_origin_ns = range.start_ns, .totals_only = options.totals_only};
  for (size_t level = 0; level < rules.horizons_ns.size(); ++level) {
    rules.horizons_ns[level] = catalogue_.horizon_ns(static_cast<Level>(level));
  }
  range.start_ns = std::max(range.start_ns, catalogue_.first_ns());
  range.end_ns = std::min(range.end_ns, catalogue_.end_ns());
  const std::vector<uint32_t> services = catalogue_.Services([&matchers](const std::string& service) {
    return std::ranges::all_of(matchers, [&service](const Matcher& matcher) {
      return matcher.name() != kServiceLabel || matcher.MatchesValue(service);
    });
  });
  std::vector<PlannedBlock> plan;
  const std::optional<Aggregate> aggregate =
      options.group_by ? aggregates_.Find(matchers, *options.group_by) : std::nullopt;
  if (!aggregate) {
    PlanServices(range, services, rules, plan);
    return plan;
  }
  const auto has_sum = [&](Level level, uint64_t start_ns) {
    return start_ns >= aggregate->since_ns && !open_spans_.Contains({level, start_ns, kAllAggregates});
  };
  std::vector<Piece> sums;
  std::vector<Piece> rest;
  for (const Piece& piece : CoverRange(range, rules, has_sum)) {
    // The aggregate has no windows of its own, and no sums of what it was not kept for.
    const bool is_kept = LevelOf(piece.kind) != Level::kWindow && piece.range.start_ns >= aggregate->since_ns;
    (is_kept ? sums : rest).push_back(piece);
  }
  AddParts(sums, aggregate->id, plan);
  for (const Piece& piece : rest) PlanServices(piece.range, services, rules, plan);
  return plan;
}

std::map<Labels, uint64_t> StoreReader::NewestStarts(BlockScan& scan, const std::vector<PlannedBlock>& plan,
                                                     const Choose& choose) {
  std::map<Labels, uint64_t> newest;
  for (const PlannedBlock& planned : plan) {
    const BlockScan::ChosenBlock chosen = scan.Choose(planned.key, choose);
    if (chosen.ids.empty()) continue;
    std::vector<uint64_t> last(chosen.chosen.size());
    scan.ForEachRecord(chosen, planned.pieces,
                       [&](uint64_t, const std::vector<const SeriesInRecord*>& series) {
                         for (const SeriesInRecord* one : series) {
                           last[one->id] = std::max(last[one->id], one->span.first_start_ns);
                         }
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

absl::StatusOr<MergedProfile> StoreReader::Merge(const StoreSelection& selection, const ReadLimits& limits) {
  const Choose choose = [&](const SeriesIdentity& identity) {
    return identity.type == selection.type && AllMatch(selection.matchers, identity.labels);
  };
  const bool newest_only = IsInstantaneous(selection.type);
  PlanOptions options;
  if (!newest_only) options.group_by.emplace();
  const std::vector<PlannedBlock> plan = Plan(selection.span, selection.matchers, options);

  ReadBudget budget(limits, counters_);
  BlockScan scan(database_, cache_, counters_, &budget);
  RETURN_IF_ERROR(scan.status());
  std::map<Labels, uint64_t> newest;
  if (newest_only) newest = NewestStarts(scan, plan, choose);
  RETURN_IF_ERROR(budget.status());
  ProfileMerger merger(selection, newest);
  const size_t workers = WorkersFor(plan.size());
  std::vector<std::unique_ptr<BlockScan>> scans;
  for (size_t i = 0; i < workers; ++i) scans.push_back(std::make_unique<BlockScan>(scan));
  std::vector<StackSums> scratch(workers);
  // Once the aggregates' names are known, those of the services are hardly needed.
  const auto first_service = static_cast<size_t>(
      std::ranges::find_if(plan, [](const PlannedBlock& one) { return !IsAggregateId(one.key.service); }) -
      plan.begin());
  const auto add_blocks = [&](size_t first, size_t last) {
    RunParallel(last - first, workers, [&](size_t worker, size_t i) {
      const PlannedBlock& planned = plan[first + i];
      const BlockScan::ChosenBlock chosen = scans[worker]->Choose(planned.key, choose);
      if (!chosen.ids.empty()) merger.AddBlock(*scans[worker], chosen, planned.pieces, scratch[worker]);
    });
  };
  add_blocks(0, first_service);
  add_blocks(first_service, plan.size());
  RETURN_IF_ERROR(budget.status());
  return merger.Take();
}

absl::StatusOr<std::vector<TimeSeries>> StoreReader::SelectSeries(
    const StoreSelection& selection, absl::Duration step, const std::vector<std::string>& group_by,
    const std::function<void(const StackTrie&, std::vector<Sample>&)>& select_samples,
    const ReadLimits& limits) {
  if (step <= absl::ZeroDuration()) return absl::InvalidArgumentError("the step must be positive");
  const Choose choose = [&](const SeriesIdentity& identity) {
    return identity.type == selection.type && AllMatch(selection.matchers, identity.labels);
  };
  const bool newest_only = IsInstantaneous(selection.type);
  PlanOptions options;
  options.step_ns = static_cast<uint64_t>(absl::ToInt64Nanoseconds(step));
  options.totals_only = !select_samples;
  if (!newest_only) options.group_by = group_by;
  const std::vector<PlannedBlock> plan = Plan(selection.span, selection.matchers, options);
  // In plain numbers, as there may be hundreds of thousands. The plan holds nothing before the span's start.
  const auto origin_ns = static_cast<int64_t>(RangeOf(selection.span).start_ns);
  const auto step_ns = static_cast<int64_t>(options.step_ns);
  const auto step_of = [origin_ns, step_ns](uint64_t start_ns) {
    return (static_cast<int64_t>(start_ns) - origin_ns) / step_ns;
  };
  std::map<std::vector<std::string>, Group> groups;
  std::map<Labels, std::map<int64_t, NewestPoint>> newest;  // by label set and step

  ReadBudget budget(limits, counters_);
  BlockScan scan(database_, cache_, counters_, &budget);
  RETURN_IF_ERROR(scan.status());
  std::vector<Sample> samples;
  for (const PlannedBlock& planned : plan) {
    const BlockScan::ChosenBlock chosen = scan.Choose(planned.key, choose);
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
    const auto add = [&](uint32_t id, int64_t number, uint64_t window_start_ns, const SeriesPoint& point) {
      if (!newest_only) return Add(point, group_of[id]->At(number));
      NewestPoint& known = (*newest_of[id])[number];
      if (window_start_ns > known.start_ns) known = {window_start_ns, {}};
      if (window_start_ns == known.start_ns) Add(point, known.point);
    };

    // Which stacks the caller wants; all of them when it does not care.
    std::vector<bool> wanted;
    if (select_samples) wanted = SelectStacks(scan, chosen, planned.pieces, select_samples);

    scan.ForEachTotals(chosen, planned.pieces, [&](uint32_t id, const WindowTotals& window) {
      add(id, step_of(window.start_ns), window.start_ns,
          {.count = window.total.count,
           .value = window.total.value,
           .estimated_value =
               newest_only ? static_cast<double>(window.total.value) : window.estimated_value});
    });
    scan.ForEachRecord(
        chosen, planned.pieces, [&](uint64_t start_ns, const std::vector<const SeriesInRecord*>& series) {
          const int64_t number = step_of(start_ns);
          for (const SeriesInRecord* one : series) {
            SeriesPoint point = {.count = one->total.count,
                                 .value = one->total.value,
                                 .estimated_value = newest_only ? static_cast<double>(one->total.value)
                                                                : one->span.estimated_value};
            if (select_samples) {
              samples.clear();
              if (!DecodeSamples(*one, samples)) return false;
              std::erase_if(samples, [&](const Sample& sample) {
                return sample.node >= wanted.size() || !wanted[sample.node];
              });
              const ProfileTotals total = Totals(samples);
              // The same part of the record's estimate, exactly so when all its windows have one duty cycle.
              point.estimated_value *= one->total.value == 0 ? 0
                                                             : static_cast<double>(total.value) /
                                                                   static_cast<double>(one->total.value);
              point.count = total.count;
              point.value = total.value;
            }
            add(one->id, number, one->span.first_start_ns, point);
          }
          return true;
        });
  }
  RETURN_IF_ERROR(budget.status());

  for (const auto& [labels, points] : newest) {
    Group& group = groups[ValuesOf(labels, group_by)];
    for (const auto& [number, known] : points) Add(known.point, group.At(number));
  }

  std::vector<TimeSeries> result;
  for (auto& [values, group] : groups) {
    if (group.steps.empty()) continue;
    TimeSeries& series = result.emplace_back();
    series.labels = std::move(group.labels);
    series.points.reserve(group.steps.size());
    for (auto& [number, point] : group.steps) {
      point.start = absl::FromUnixNanos(origin_ns) + number * step;
      series.points.push_back(point);
    }
  }
  return result;
}

absl::Status StoreReader::ForEachSeries(TimeSpan span, const std::vector<Matcher>& matchers,
                                        const ReadLimits& limits,
                                        const std::function<void(const SeriesIdentity&)>& visit) {
  const Choose choose = [&](const SeriesIdentity& identity) { return AllMatch(matchers, identity.labels); };
  PlanOptions options;
  options.totals_only = true;
  const std::vector<PlannedBlock> plan = Plan(span, matchers, options);
  ReadBudget budget(limits, counters_);
  BlockScan scan(database_, cache_, counters_, &budget);
  RETURN_IF_ERROR(scan.status());
  for (const PlannedBlock& planned : plan) {
    const BlockScan::ChosenBlock chosen = scan.Choose(planned.key, choose);
    size_t missing = chosen.ids.size();
    if (missing == 0) continue;
    std::vector<bool> seen(chosen.chosen.size());
    bool stop = false;
    const auto note = [&](uint32_t id) {
      if (!seen[id]) --missing;
      seen[id] = true;
    };
    scan.ForEachTotals(chosen, planned.pieces, [&](uint32_t id, const WindowTotals&) { note(id); });
    stop = missing == 0;
    scan.ForEachRecord(
        chosen, planned.pieces,
        [&](uint64_t, const std::vector<const SeriesInRecord*>& series) {
          for (const SeriesInRecord* one : series) note(one->id);
          stop = missing == 0;
          return true;
        },
        &stop);
    const MutexLock lock(chosen.block->mutex);
    for (const uint32_t id : chosen.ids) {
      if (seen[id]) visit(*chosen.block->series.identity(id));
    }
  }
  return budget.status();
}

}  // namespace pilotlight::collector
