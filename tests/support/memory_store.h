// A ProfileStore in memory, for tests of what stands above a store: plain, slow, obviously right.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "base/tenant_name.h"
#include "collector/store/profile_stores.h"

namespace pilotlight::collector {

class MemoryStore : public ProfileStore {
 public:
  absl::StatusOr<AppendOutcome> Append(const Window& window) override {
    const MutexLock lock(mutex_);
    if (!failure_.ok()) return failure_;
    uint64_t& last = last_sequences_[absl::StrCat(window.agent, "/", window.boot)];
    if (window.sequence <= last) return AppendOutcome::kAlreadyThere;
    last = window.sequence;
    for (const Series& series : window.series) {
      parts_.push_back({window.start, window.duration, window.interval, ToProfile(window, series)});
    }
    return AppendOutcome::kStored;
  }

  absl::StatusOr<MergedProfile> Merge(const StoreSelection& selection, const ReadLimits& limits) override {
    RETURN_IF_ERROR(CheckInTime(limits));
    const MutexLock lock(mutex_);
    MergedProfile merged;
    merged.profile.type = selection.type;
    for (const Part& part : parts_) {
      if (!Selected(part, selection) || !IsNewest(part, selection.span, selection)) continue;
      RETURN_IF_ERROR(MergeProfile(part.profile, merged.profile));
      ++merged.coverage.windows;
      merged.coverage.watched += part.duration;
      merged.coverage.estimated_value += Estimated(part, part.profile.samples);
    }
    return merged;
  }

  absl::StatusOr<std::vector<TimeSeries>> SelectSeries(
      const StoreSelection& selection, absl::Duration step, const std::vector<std::string>& group_by,
      const std::function<void(const StackTrie&, std::vector<Sample>&)>& select_samples,
      const ReadLimits& limits) override {
    RETURN_IF_ERROR(CheckInTime(limits));
    const MutexLock lock(mutex_);
    std::map<Labels, std::map<int64_t, SeriesPoint>> groups;
    for (const Part& part : parts_) {
      if (!Selected(part, selection)) continue;
      Labels group;
      for (const std::string& name : group_by) {
        const auto label = part.profile.labels.find(name);
        if (label != part.profile.labels.end()) group.insert(*label);
      }
      std::vector<Sample> samples = part.profile.samples;
      if (select_samples) select_samples(part.profile.trie, samples);
      const int64_t number = (part.start - selection.span.start) / step;
      const absl::Time step_start = selection.span.start + number * step;
      if (!IsNewest(part, {step_start, step_start + step}, selection)) continue;
      SeriesPoint& point = groups[group][number];
      point.step = number;
      point.count += Totals(samples).count;
      point.value += Totals(samples).value;
      point.estimated_value += Estimated(part, samples);
    }
    std::vector<TimeSeries> all;
    for (const auto& [labels, points] : groups) {
      all.push_back({labels, {}});
      for (const auto& point : points) all.back().points.push_back(point.second);
    }
    return all;
  }

  absl::StatusOr<std::vector<std::string>> LabelNames(TimeSpan span, const std::vector<Matcher>& matchers,
                                                      const ReadLimits& /*limits*/) override {
    std::set<std::string> names;
    ForEachLabel(span, matchers,
                 [&names](const std::string& name, const std::string&) { names.insert(name); });
    return std::vector<std::string>(names.begin(), names.end());
  }

  absl::StatusOr<std::vector<std::string>> LabelValues(const std::string& name, TimeSpan span,
                                                       const std::vector<Matcher>& matchers,
                                                       const ReadLimits& /*limits*/) override {
    std::set<std::string> values;
    ForEachLabel(span, matchers, [&](const std::string& label, const std::string& value) {
      if (label == name) values.insert(value);
    });
    return std::vector<std::string>(values.begin(), values.end());
  }

  absl::StatusOr<std::vector<ProfileType>> ProfileTypes(TimeSpan span,
                                                        const ReadLimits& /*limits*/) override {
    const MutexLock lock(mutex_);
    std::set<ProfileType> types;
    for (const Part& part : parts_) {
      if (Within(part, span)) types.insert(part.profile.type);
    }
    return std::vector<ProfileType>(types.begin(), types.end());
  }

  absl::Status FillLevelsWhile(absl::FunctionRef<bool()>) override { return absl::OkStatus(); }
  absl::Status DropBefore(const LevelTimes& before) override {
    const MutexLock lock(mutex_);
    std::erase_if(parts_, [&before](const Part& part) { return part.start < before.windows; });
    return absl::OkStatus();
  }

  absl::Status DropToSize(uint64_t /*max_bytes*/) override { return absl::OkStatus(); }

  // What every Append() says from now on, unless OK.
  void SetFailure(absl::Status failure) {
    const MutexLock lock(mutex_);
    failure_ = std::move(failure);
  }
  size_t series_count() {
    const MutexLock lock(mutex_);
    return parts_.size();
  }

 private:
  // One series of one window.
  struct Part {
    absl::Time start;
    absl::Duration duration;
    absl::Duration interval;
    Profile profile;
  };

  static bool Within(const Part& part, const TimeSpan& span) {
    return part.start >= span.start && part.start < span.end;
  }
  static bool Selected(const Part& part, const StoreSelection& selection) {
    return Within(part, selection.span) && part.profile.type == selection.type &&
           AllMatch(selection.matchers, part.profile.labels);
  }
  // Or of a type of which all count.
  bool IsNewest(const Part& part, TimeSpan span, const StoreSelection& selection) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (!IsInstantaneous(part.profile.type)) return true;
    return std::ranges::none_of(parts_, [&](const Part& other) {
      return Selected(other, selection) && Within(other, span) && other.start > part.start &&
             other.profile.labels == part.profile.labels;
    });
  }
  static double Estimated(const Part& part, const std::vector<Sample>& samples) {
    if (IsInstantaneous(part.profile.type)) return static_cast<double>(Totals(samples).value);
    return static_cast<double>(Totals(samples).value) * absl::FDivDuration(part.interval, part.duration);
  }
  void ForEachLabel(const TimeSpan& span, const std::vector<Matcher>& matchers,
                    const std::function<void(const std::string&, const std::string&)>& visit) {
    const MutexLock lock(mutex_);
    for (const Part& part : parts_) {
      if (!Within(part, span) || !AllMatch(matchers, part.profile.labels)) continue;
      for (const auto& [name, value] : part.profile.labels) visit(name, value);
    }
  }

  Mutex mutex_;
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, uint64_t> last_sequences_ ABSL_GUARDED_BY(mutex_);
  std::vector<Part> parts_ ABSL_GUARDED_BY(mutex_);
};

// Of all tenants.
class MemoryStores final : public ProfileStores {
 public:
  MemoryStore& anonymous() { return *Make(std::string(kAnonymousTenant)); }

  ProfileStore* Find(const std::string& tenant) override {
    const MutexLock lock(mutex_);
    const auto found = stores_.find(tenant);
    return found == stores_.end() ? nullptr : found->second.get();
  }
  absl::StatusOr<ProfileStore*> FindOrMake(const std::string& tenant) override {
    return static_cast<ProfileStore*>(Make(tenant));
  }
  std::vector<std::pair<std::string, ProfileStore*>> All() override {
    const MutexLock lock(mutex_);
    std::vector<std::pair<std::string, ProfileStore*>> all;
    for (const auto& [tenant, store] : stores_) all.emplace_back(tenant, store.get());
    return all;
  }
  absl::StatusOr<std::string> Snapshot() override {
    return absl::UnimplementedError("memory has no snapshots");
  }

 private:
  MemoryStore* Make(const std::string& tenant) {
    const MutexLock lock(mutex_);
    std::unique_ptr<MemoryStore>& store = stores_[tenant];
    if (store == nullptr) store = std::make_unique<MemoryStore>();
    return store.get();
  }

  Mutex mutex_;
  std::map<std::string, std::unique_ptr<MemoryStore>> stores_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace pilotlight::collector
