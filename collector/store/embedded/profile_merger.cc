#include "collector/store/embedded/profile_merger.h"

#include <algorithm>
#include <utility>

namespace pilotlight::collector {
namespace {

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

void KeepShared(int64_t period, std::optional<int64_t>& shared) {
  if (shared.value_or(period) != period) {
    shared = 0;
  } else {
    shared = period;
  }
}

}  // namespace

void ProfileMerger::AddBlock(BlockScan& scan, const BlockScan::ChosenBlock& chosen,
                             const std::vector<Piece>& pieces, StackSums& scratch) {
  const bool newest_only = IsInstantaneous(selection_.type);
  std::vector<uint64_t> newest_of(chosen.chosen.size());
  if (newest_only) {
    const MutexLock lock(chosen.block->mutex);
    for (const uint32_t id : chosen.ids) {
      newest_of[id] = newest_.at(chosen.block->series.identity(id)->labels);
    }
  }
  std::vector<bool> seen(chosen.chosen.size());
  std::vector<Sample> samples;
  StackSums& sums = scratch;
  sums.Clear();
  SeriesSpan span;
  LossCounters loss;
  std::optional<int64_t> period;
  scan.ForEachRecord(chosen, pieces, [&](uint64_t, const std::vector<const SeriesInRecord*>& series) {
    const auto counts = [&](const SeriesInRecord* one) {
      return !newest_only || newest_of[one->id] == one->span.first_start_ns;
    };
    samples.clear();
    for (const SeriesInRecord* one : series) {
      if (counts(one) && !DecodeSamples(*one, samples)) return false;
    }
    sums.Add(samples);
    for (const SeriesInRecord* one : series) {
      if (!counts(one)) continue;
      seen[one->id] = true;
      for (const uint32_t id : one->further_ids) seen[id] = true;
      KeepShared(one->period, period);
      loss += one->loss;
      SeriesSpan span_of_one = one->span;
      if (newest_only) span_of_one.estimated_value = static_cast<double>(one->total.value);
      span += span_of_one;
    }
    return true;
  });
  if (span.windows == 0) return;

  const std::vector<uint32_t> stacks = sums.Stacks();
  const MutexLock lock(mutex_);
  Block& block = *chosen.block;
  const std::vector<NodeId> mapped = merger_.Map(scan, block, stacks);
  for (size_t i = 0; i < stacks.size(); ++i) {
    const Sample sum = sums.at(stacks[i]);
    sums_.Add(mapped[i], sum.count, sum.value);
  }
  {
    const MutexLock block_lock(block.mutex);
    for (const uint32_t id : chosen.ids) {
      if (seen[id]) KeepShared(block.series.identity(id)->labels, shared_labels_);
    }
  }
  span_ += span;
  loss_ += loss;
  KeepShared(*period, period_);
}

MergedProfile ProfileMerger::Take() {
  const MutexLock lock(mutex_);
  MergedProfile merged;
  Profile& profile = merged.profile;
  profile.type = selection_.type;
  profile.samples = sums_.ToSamples();
  profile.trie = std::move(trie_);
  profile.loss = loss_;
  profile.period = period_.value_or(0);
  Coverage& coverage = merged.coverage;
  coverage.windows = span_.windows;
  coverage.watched = absl::Nanoseconds(span_.watched_ns);
  coverage.estimated_value = span_.estimated_value;
  profile.duration = coverage.watched;
  if (shared_labels_) {
    profile.labels = *std::move(shared_labels_);
    profile.start = absl::FromUnixNanos(static_cast<int64_t>(span_.first_start_ns));
    coverage.first_start = profile.start;
    coverage.last_end = absl::FromUnixNanos(static_cast<int64_t>(span_.last_end_ns));
  }
  return merged;
}

}  // namespace pilotlight::collector
