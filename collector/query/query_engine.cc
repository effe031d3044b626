#include "collector/query/query_engine.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"

namespace pilotlight::collector {
namespace {

// A label that may be asked for under its short name.
std::string CanonicalLabel(const std::string& name) {
  return name == "service" ? std::string(kServiceLabel) : name;
}

std::vector<std::string> CanonicalLabels(const std::vector<std::string>& names) {
  std::vector<std::string> labels;
  labels.reserve(names.size());
  for (const std::string& name : names) labels.push_back(CanonicalLabel(name));
  return labels;
}

absl::Duration DefaultStep(const TimeSpan& span) {
  constexpr int64_t kSteps = 60;
  // Whole seconds, so that steps fall on times that people can read.
  return std::max(absl::Seconds(1), absl::Ceil((span.end - span.start) / kSteps, absl::Seconds(1)));
}

void SortLargestFirst(std::vector<TimeSeries>& all) {
  std::vector<std::pair<int64_t, size_t>> order;
  for (size_t i = 0; i < all.size(); ++i) {
    int64_t value = 0;
    for (const SeriesPoint& point : all[i].points) value += point.value;
    order.emplace_back(value, i);
  }
  std::ranges::stable_sort(order, std::greater<>(), &std::pair<int64_t, size_t>::first);
  std::vector<TimeSeries> sorted;
  sorted.reserve(all.size());
  for (const auto& [value, i] : order) sorted.push_back(std::move(all[i]));
  all = std::move(sorted);
}

}  // namespace

ReadLimits QueryEngine::LimitsOf(const Caller& caller) const {
  return {.is_abandoned = caller.is_abandoned,
          .clock = &clock_,
          .asked = clock_.Now(),
          .timeout = options_.timeout,
          .max_bytes = options_.max_bytes};
}

absl::Status QueryEngine::Counted(const absl::Status& status) {
  if (metrics_ == nullptr) return status;
  if (absl::IsCancelled(status)) metrics_->CountUnanswered(UnansweredReason::kAbandoned);
  if (absl::IsDeadlineExceeded(status)) metrics_->CountUnanswered(UnansweredReason::kTimeout);
  if (absl::IsResourceExhausted(status)) metrics_->CountUnanswered(UnansweredReason::kMaxBytes);
  return status;
}

absl::Status QueryEngine::Enter(const ReadLimits& limits, const std::string& tenant) {
  absl::Status status = gate_.Enter(limits, tenant);
  if (!absl::IsResourceExhausted(status)) return Counted(status);
  if (metrics_ != nullptr) metrics_->CountUnanswered(UnansweredReason::kMaxConcurrency);
  return status;
}

absl::StatusOr<ProfileAnswer> QueryEngine::Merge(const SelectionText& text, const Caller& caller) {
  return MergeWithin(LimitsOf(caller), text, caller.tenant);
}

absl::StatusOr<ProfileAnswer> QueryEngine::MergeWithin(const ReadLimits& limits, const SelectionText& text,
                                                       const std::string& tenant) {
  ASSIGN_OR_RETURN(const Selection selection, ParseSelection(text, Now()));
  RETURN_IF_ERROR(Enter(limits, tenant));
  const QueryPlace place(gate_, tenant);
  absl::StatusOr<MergedProfile> read = MergedProfile();
  if (ProfileStore* const store = stores_.Find(tenant)) read = store->Merge(selection.store, limits);
  RETURN_IF_ERROR(Counted(read.status()));
  MergedProfile& merged = *read;

  ProfileAnswer answer;
  answer.quality.coverage = merged.coverage;
  if (!selection.filter.keeps_everything()) {
    const ProfileTotals before = Totals(merged.profile.samples);
    selection.filter.Apply(merged.profile.trie, merged.profile.samples);
    // The store scales whole windows. Of a part of their stacks the estimate is the same part, exactly so
    // when all windows have the same duty cycle.
    const ProfileTotals after = Totals(merged.profile.samples);
    answer.quality.coverage.estimated_value *=
        before.value == 0 ? 0 : static_cast<double>(after.value) / static_cast<double>(before.value);
  }
  answer.profile = std::move(merged.profile);
  selection.frame_filter.Apply(answer.profile.trie, {&answer.profile.samples});
  answer.quality.totals = Totals(answer.profile.samples);
  answer.quality.loss = answer.profile.loss;
  // Also when no window matched.
  answer.profile.type = selection.store.type;
  return answer;
}

absl::StatusOr<LabelledProfile> QueryEngine::MergeLabelled(const SelectionText& text,
                                                           const std::vector<std::string>& group_by,
                                                           const Caller& caller) {
  ASSIGN_OR_RETURN(const Selection selection, ParseSelection(text, Now()));
  const std::vector<std::string> names = CanonicalLabels(group_by);
  const ReadLimits limits = LimitsOf(caller);
  RETURN_IF_ERROR(Enter(limits, caller.tenant));
  const QueryPlace place(gate_, caller.tenant);
  LabelledProfile labelled;
  labelled.profile.type = selection.store.type;
  ProfileStore* const store = stores_.Find(caller.tenant);
  if (store == nullptr) return labelled;
  const TimeSpan& span = selection.store.span;
  const absl::StatusOr<std::vector<TimeSeries>> sets =
      store->SelectSeries(selection.store, span.end - span.start, names, nullptr, limits);
  RETURN_IF_ERROR(Counted(sets.status()));
  if (sets->size() > kMaxLabelSets) {
    return absl::InvalidArgumentError(
        absl::StrCat("there are ", sets->size(), " sets of values of ", absl::StrJoin(names, ", "),
                     ", the limit is ", kMaxLabelSets, "; take fewer labels or a narrower selector"));
  }
  absl::Duration watched;
  for (const TimeSeries& set : *sets) {
    StoreSelection of_set = selection.store;
    for (const std::string& name : names) {
      const auto label = set.labels.find(name);
      ASSIGN_OR_RETURN(Matcher matcher, Matcher::Create(Matcher::Kind::kEqual, name,
                                                        label == set.labels.end() ? "" : label->second));
      of_set.matchers.push_back(std::move(matcher));
    }
    absl::StatusOr<MergedProfile> merged = store->Merge(of_set, limits);
    RETURN_IF_ERROR(Counted(merged.status()));
    LabelledProfile one;
    one.profile = std::move(merged->profile);
    selection.filter.Apply(one.profile.trie, one.profile.samples);
    selection.frame_filter.Apply(one.profile.trie, {&one.profile.samples});
    // Of the sets of one window each has its whole duration.
    watched = std::max(watched, one.profile.duration);
    one.parts.push_back({.labels = set.labels,
                         .samples = std::exchange(one.profile.samples, {}),
                         .loss = std::exchange(one.profile.loss, {})});
    RETURN_IF_ERROR(::pilotlight::MergeLabelled(one, labelled));
  }
  labelled.profile.duration = watched;
  return labelled;
}

absl::StatusOr<FlameGraphAnswer> QueryEngine::MergeFlameGraph(const SelectionText& text, size_t max_nodes,
                                                              const Caller& caller) {
  ASSIGN_OR_RETURN(const ProfileAnswer merged, Merge(text, caller));
  return FlameGraphAnswer{merged.profile.type,
                          BuildFlameGraph(merged.profile, max_nodes == 0 ? kDefaultMaxNodes : max_nodes),
                          merged.quality};
}

absl::StatusOr<TopAnswer> QueryEngine::Top(const SelectionText& text, TopOrder order, size_t limit,
                                           const Caller& caller) {
  ASSIGN_OR_RETURN(const ProfileAnswer merged, Merge(text, caller));
  return TopAnswer{merged.profile.type, BuildTop(merged.profile, order, limit == 0 ? kDefaultTopRows : limit),
                   merged.quality};
}

absl::StatusOr<DiffAnswer> QueryEngine::Diff(const SelectionText& base, const SelectionText& comparison,
                                             TopOrder order, size_t limit, size_t max_nodes,
                                             const Caller& caller) {
  // One after the other: who holds a place and waits for a second one may wait for ever.
  const ReadLimits limits = LimitsOf(caller);
  ASSIGN_OR_RETURN(const ProfileAnswer before, MergeWithin(limits, base, caller.tenant));
  ASSIGN_OR_RETURN(const ProfileAnswer after, MergeWithin(limits, comparison, caller.tenant));
  if (before.profile.type != after.profile.type) {
    return absl::InvalidArgumentError(
        absl::StrCat("base and comparison are of different types: ", before.profile.type.ToString(), " and ",
                     after.profile.type.ToString()));
  }
  DiffAnswer answer;
  answer.type = after.profile.type;
  answer.base_quality = before.quality;
  answer.comparison_quality = after.quality;
  ASSIGN_OR_RETURN(answer.table,
                   BuildDiff(before.profile, after.profile, order, limit == 0 ? kDefaultTopRows : limit));
  if (max_nodes > 0) {
    ASSIGN_OR_RETURN(answer.graph, BuildDiffGraph(before.profile, after.profile, max_nodes));
  }
  return answer;
}

absl::StatusOr<PeekAnswer> QueryEngine::Peek(const SelectionText& text, const std::string& function,
                                             size_t limit, const Caller& caller) {
  ASSIGN_OR_RETURN(const ProfileAnswer merged, Merge(text, caller));
  PeekAnswer answer{merged.profile.type, {}, merged.quality};
  ASSIGN_OR_RETURN(answer.table,
                   BuildPeek(merged.profile, function, limit == 0 ? kDefaultPeekFunctions : limit));
  return answer;
}

absl::StatusOr<SeriesAnswer> QueryEngine::SelectSeries(const SelectionText& text, absl::Duration step,
                                                       const std::vector<std::string>& group_by,
                                                       const Caller& caller) {
  ASSIGN_OR_RETURN(const Selection selection, ParseSelection(text, Now()));
  const TimeSpan& span = selection.store.span;
  if (step == absl::ZeroDuration()) step = DefaultStep(span);
  if (step < absl::ZeroDuration()) return absl::InvalidArgumentError("the step is negative");
  if ((span.end - span.start) / step >= kMaxSteps) {
    return absl::InvalidArgumentError(absl::StrCat("a step of ", absl::FormatDuration(step),
                                                   " makes more than ", kMaxSteps,
                                                   " points of this span; take a longer step"));
  }
  const std::vector<std::string> labels = CanonicalLabels(group_by);
  const ReadLimits limits = LimitsOf(caller);
  RETURN_IF_ERROR(Enter(limits, caller.tenant));
  const QueryPlace place(gate_, caller.tenant);

  std::function<void(const StackTrie&, std::vector<Sample>&)> select_samples;
  if (!selection.filter.keeps_everything()) {
    select_samples = [&selection](const StackTrie& trie, std::vector<Sample>& samples) {
      selection.filter.Apply(trie, samples);
    };
  }
  absl::StatusOr<std::vector<TimeSeries>> series = std::vector<TimeSeries>();
  if (ProfileStore* const store = stores_.Find(caller.tenant)) {
    series = store->SelectSeries(selection.store, step, labels, select_samples, limits);
  }
  RETURN_IF_ERROR(Counted(series.status()));
  SeriesAnswer answer{selection.store.type, span, step, *std::move(series)};
  SortLargestFirst(answer.series);
  return answer;
}

absl::StatusOr<std::vector<std::string>> QueryEngine::LabelNames(const SelectionText& text,
                                                                 const Caller& caller) {
  ASSIGN_OR_RETURN(const Selection selection, ParseSelection(text, Now()));
  ProfileStore* const store = stores_.Find(caller.tenant);
  if (store == nullptr) return std::vector<std::string>();
  auto names = store->LabelNames(selection.store.span, selection.store.matchers, LimitsOf(caller));
  RETURN_IF_ERROR(Counted(names.status()));
  return names;
}

absl::StatusOr<std::vector<std::string>> QueryEngine::LabelValues(const std::string& name,
                                                                  const SelectionText& text,
                                                                  const Caller& caller) {
  if (name.empty()) return absl::InvalidArgumentError("the name of a label is needed");
  ASSIGN_OR_RETURN(const Selection selection, ParseSelection(text, Now()));
  ProfileStore* const store = stores_.Find(caller.tenant);
  if (store == nullptr) return std::vector<std::string>();
  auto values = store->LabelValues(CanonicalLabel(name), selection.store.span, selection.store.matchers,
                                   LimitsOf(caller));
  RETURN_IF_ERROR(Counted(values.status()));
  return values;
}

absl::StatusOr<std::vector<ProfileType>> QueryEngine::ProfileTypes(const SelectionText& text,
                                                                   const Caller& caller) {
  ASSIGN_OR_RETURN(const TimeSpan span, ResolveSpan(text.start, text.end, Now()));
  ProfileStore* const store = stores_.Find(caller.tenant);
  if (store == nullptr) return std::vector<ProfileType>();
  auto types = store->ProfileTypes(span, LimitsOf(caller));
  RETURN_IF_ERROR(Counted(types.status()));
  return types;
}

}  // namespace pilotlight::collector
