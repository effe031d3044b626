#include "collector/store/embedded/store_reader.h"

#include <algorithm>
#include <iterator>
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

// Whether the question takes all label sets of a block of `service` together. Those of an aggregate's may be
// of several services.
bool TakesTogether(uint32_t service, const std::vector<Matcher>& matchers,
                   const std::vector<std::string>& group_by) {
  const auto same_in_all = [service](const std::string& name) {
    return name == kServiceLabel && !IsAggregateId(service);
  };
  return std::ranges::all_of(matchers, same_in_all, &Matcher::name) &&
         std::ranges::all_of(group_by, same_in_all);
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

  void Add(uint64_t window_start_ns, const SeriesPoint& from) {
    if (window_start_ns > start_ns) *this = {window_start_ns, {}};
    if (window_start_ns == start_ns) point += from;
  }
};

// One group's points, which mostly come in order of time.
struct Group {
  SeriesPoint& At(int64_t step) {
    if (points.empty() || points.back().step < step) return points.emplace_back(SeriesPoint{.step = step});
    if (last >= points.size() || points[last].step != step) {
      const auto found = std::ranges::lower_bound(points, step, {}, &SeriesPoint::step);
      last = static_cast<size_t>(found - points.begin());
      if (found->step != step) points.insert(found, SeriesPoint{.step = step});
    }
    return points[last];
  }

  void Add(const Group& other) {
    std::vector<SeriesPoint> both;
    both.reserve(points.size() + other.points.size());
    std::ranges::merge(points, other.points, std::back_inserter(both), {}, &SeriesPoint::step,
                       &SeriesPoint::step);
    size_t kept = 0;
    for (const SeriesPoint& point : both) {
      if (kept > 0 && both[kept - 1].step == point.step) {
        both[kept - 1] += point;
      } else {
        both[kept++] = point;
      }
    }
    both.resize(kept);
    points = std::move(both);
  }

  std::vector<SeriesPoint> points;  // sorted
  size_t last = 0;                  // where the last one was found
};

// The points of the blocks that one thread has read.
struct PartialSeries {
  std::map<std::vector<std::string>, Group> groups;         // by the values of the labels grouped by
  std::map<Labels, std::map<int64_t, NewestPoint>> newest;  // by label set and step

  void Add(PartialSeries&& from) {
    for (auto& [values, group] : from.groups) {
      const auto [entry, is_new] = groups.try_emplace(values, std::move(group));
      if (!is_new) entry->second.Add(group);
    }
    for (auto& [labels, points] : from.newest) {
      std::map<int64_t, NewestPoint>& into = newest[labels];
      for (const auto& [step, point] : points) into[step].Add(point.start_ns, point.point);
    }
  }
};

// Answers one question for series, block by block.
class SeriesBuilder {
 public:
  using SelectSamples = std::function<void(const StackTrie&, std::vector<Sample>&)>;

  // The references must outlive it. `origin_ns` is where step 0 begins: nothing may start before it.
  SeriesBuilder(const StoreSelection& selection, const std::vector<std::string>& group_by,
                const SelectSamples& select_samples, uint64_t origin_ns, uint64_t step_ns)
      : newest_only_(IsInstantaneous(selection.type)),
        group_by_(group_by),
        select_samples_(select_samples),
        origin_ns_(origin_ns),
        step_ns_(step_ns) {}

  // `scan` and `partial` are the thread's own.
  void AddBlock(BlockScan& scan, const BlockScan::ChosenBlock& chosen, const std::vector<Piece>& pieces,
                PartialSeries& partial) const;
  std::vector<TimeSeries> Finish(PartialSeries&& all) const;

 private:
  // In plain numbers, as there may be hundreds of thousands.
  int64_t StepOf(uint64_t start_ns) const { return static_cast<int64_t>((start_ns - origin_ns_) / step_ns_); }

  const bool newest_only_;
  const std::vector<std::string>& group_by_;
  const SelectSamples& select_samples_;
  const uint64_t origin_ns_;
  const uint64_t step_ns_;
};

void SeriesBuilder::AddBlock(BlockScan& scan, const BlockScan::ChosenBlock& chosen,
                             const std::vector<Piece>& pieces, PartialSeries& partial) const {
  std::vector<Group*> group_of(chosen.chosen.size());
  std::vector<std::map<int64_t, NewestPoint>*> newest_of(chosen.chosen.size());
  {
    const MutexLock lock(chosen.block->mutex);
    for (const uint32_t id : chosen.ids) {
      const Labels& labels = chosen.block->series.identity(id)->labels;
      group_of[id] = &partial.groups[ValuesOf(labels, group_by_)];
      if (newest_only_) newest_of[id] = &partial.newest[labels];
    }
  }
  const auto add = [&](uint32_t id, int64_t step, uint64_t window_start_ns, const SeriesPoint& point) {
    if (newest_only_) {
      (*newest_of[id])[step].Add(window_start_ns, point);
    } else {
      group_of[id]->At(step) += point;
    }
  };

  // Which stacks the caller wants; all of them when it does not care.
  std::vector<bool> wanted;
  if (select_samples_) wanted = SelectStacks(scan, chosen, pieces, select_samples_);

  scan.ForEachTotals(chosen, pieces, [&](uint32_t id, const WindowTotals& window) {
    add(id, StepOf(window.start_ns), window.start_ns,
        {.count = window.total.count,
         .value = window.total.value,
         .estimated_value = newest_only_ ? static_cast<double>(window.total.value) : window.estimated_value});
  });
  std::vector<Sample> samples;
  scan.ForEachRecord(
      chosen, pieces, [&](uint64_t start_ns, const std::vector<const SeriesInRecord*>& series) {
        const int64_t step = StepOf(start_ns);
        for (const SeriesInRecord* one : series) {
          SeriesPoint point = {.count = one->total.count,
                               .value = one->total.value,
                               .estimated_value = newest_only_ ? static_cast<double>(one->total.value)
                                                               : one->span.estimated_value};
          if (select_samples_) {
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
          add(one->id, step, one->span.first_start_ns, point);
        }
        return true;
      });
}

std::vector<TimeSeries> SeriesBuilder::Finish(PartialSeries&& all) const {
  for (const auto& [labels, points] : all.newest) {
    Group& group = all.groups[ValuesOf(labels, group_by_)];
    for (const auto& [step, known] : points) group.At(step) += known.point;
  }
  std::vector<TimeSeries> result;
  for (auto& [values, group] : all.groups) {
    if (group.points.empty()) continue;
    TimeSeries& series = result.emplace_back();
    for (size_t i = 0; i < values.size(); ++i) {
      if (!values[i].empty()) series.labels[group_by_[i]] = values[i];
    }
    series.points = std::move(group.points);
  }
  return result;
}

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
  CoverRules aggregate_rules = rules;
  aggregate_rules.totals_only = false;  // of windows it has none
  std::vector<Piece> sums;
  std::vector<Piece> rest;
  for (const Piece& piece : CoverRange(range, aggregate_rules, has_sum)) {
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
  std::string key = MergeCache::KeyOf(selection);
  if (std::optional<MergedProfile> known = merges_.Find(key)) return *std::move(known);
  const bool is_asked_again = merges_.IsAskedAgain(key);
  MergeCache::Answer answer(merges_, std::move(key), RangeOf(selection.span));
  const uint64_t corrupt_records = counters_.corrupt_records;
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
  RETURN_IF_ERROR(scan.status());
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
      BlockScan::ChosenBlock chosen = scans[worker]->Choose(planned.key, choose);
      chosen.together = !newest_only && TakesTogether(planned.key.service, selection.matchers, {});
      if (!chosen.ids.empty()) merger.AddBlock(*scans[worker], chosen, planned.pieces, scratch[worker]);
    });
  };
  add_blocks(0, first_service);
  add_blocks(first_service, plan.size());
  RETURN_IF_ERROR(budget.status());
  for (const auto& one : scans) RETURN_IF_ERROR(one->status());
  MergedProfile merged = merger.Take();
  // What could not be read now may be readable the next time.
  if (is_asked_again && counters_.corrupt_records == corrupt_records) answer.Keep(merged);
  return merged;
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
  // The plan holds nothing before the span's start.
  const SeriesBuilder builder(selection, group_by, select_samples, RangeOf(selection.span).start_ns,
                              options.step_ns);

  ReadBudget budget(limits, counters_);
  const BlockScan scan(database_, cache_, counters_, &budget);
  RETURN_IF_ERROR(scan.status());
  const size_t workers = WorkersFor(plan.size());
  std::vector<std::unique_ptr<BlockScan>> scans;
  for (size_t i = 0; i < workers; ++i) scans.push_back(std::make_unique<BlockScan>(scan));
  std::vector<PartialSeries> partials(workers);
  RunParallel(plan.size(), workers, [&](size_t worker, size_t i) {
    BlockScan::ChosenBlock chosen = scans[worker]->Choose(plan[i].key, choose);
    // The estimate of selected samples is worked out for each label set.
    chosen.together =
        !newest_only && !select_samples && TakesTogether(plan[i].key.service, selection.matchers, group_by);
    if (!chosen.ids.empty()) builder.AddBlock(*scans[worker], chosen, plan[i].pieces, partials[worker]);
  });
  RETURN_IF_ERROR(budget.status());
  for (const auto& one : scans) RETURN_IF_ERROR(one->status());
  for (size_t i = 1; i < workers; ++i) partials[0].Add(std::move(partials[i]));
  return builder.Finish(std::move(partials[0]));
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
  RETURN_IF_ERROR(budget.status());
  return scan.status();
}

}  // namespace pilotlight::collector
