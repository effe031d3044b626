#include "collector/query/query_engine.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace pilotlight::collector {
namespace {

absl::Status CheckNotAbandoned(const IsAbandoned& is_abandoned) {
  if (is_abandoned && is_abandoned()) return absl::CancelledError("nobody waits for the answer any more");
  return absl::OkStatus();
}

// A label that may be asked for under its short name.
std::string CanonicalLabel(const std::string& name) {
  return name == "service" ? std::string(kServiceLabel) : name;
}

absl::Duration DefaultStep(const TimeSpan& span) {
  constexpr int64_t kSteps = 60;
  // Whole seconds, so that steps fall on times that people can read.
  return std::max(absl::Seconds(1), absl::Ceil((span.end - span.start) / kSteps, absl::Seconds(1)));
}

int64_t TotalValue(const TimeSeries& series) {
  int64_t value = 0;
  for (const SeriesPoint& point : series.points) value += point.value;
  return value;
}

}  // namespace

absl::StatusOr<ProfileAnswer> QueryEngine::Merge(const SelectionText& text, const IsAbandoned& is_abandoned) {
  ASSIGN_OR_RETURN(const Selection selection, ParseSelection(text, Now()));
  RETURN_IF_ERROR(gate_.Enter(is_abandoned));
  const QueryPlace place(gate_);
  RETURN_IF_ERROR(CheckNotAbandoned(is_abandoned));
  ASSIGN_OR_RETURN(MergedProfile merged, store_.Merge(selection.store));
  RETURN_IF_ERROR(CheckNotAbandoned(is_abandoned));

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
  answer.quality.totals = Totals(answer.profile.samples);
  answer.quality.loss = answer.profile.loss;
  // Also when no window matched.
  answer.profile.type = selection.store.type;
  return answer;
}

absl::StatusOr<FlameGraphAnswer> QueryEngine::MergeFlameGraph(const SelectionText& text, size_t max_nodes,
                                                              const IsAbandoned& is_abandoned) {
  ASSIGN_OR_RETURN(const ProfileAnswer merged, Merge(text, is_abandoned));
  return FlameGraphAnswer{merged.profile.type,
                          BuildFlameGraph(merged.profile, max_nodes == 0 ? kDefaultMaxNodes : max_nodes),
                          merged.quality};
}

absl::StatusOr<TopAnswer> QueryEngine::Top(const SelectionText& text, TopOrder order, size_t limit,
                                           const IsAbandoned& is_abandoned) {
  ASSIGN_OR_RETURN(const ProfileAnswer merged, Merge(text, is_abandoned));
  return TopAnswer{merged.profile.type, BuildTop(merged.profile, order, limit == 0 ? kDefaultTopRows : limit),
                   merged.quality};
}

absl::StatusOr<DiffAnswer> QueryEngine::Diff(const SelectionText& base, const SelectionText& comparison,
                                             TopOrder order, size_t limit, size_t max_nodes,
                                             const IsAbandoned& is_abandoned) {
  // One after the other: who holds a place and waits for a second one may wait for ever.
  ASSIGN_OR_RETURN(const ProfileAnswer before, Merge(base, is_abandoned));
  ASSIGN_OR_RETURN(const ProfileAnswer after, Merge(comparison, is_abandoned));
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
                                             size_t limit, const IsAbandoned& is_abandoned) {
  ASSIGN_OR_RETURN(const ProfileAnswer merged, Merge(text, is_abandoned));
  PeekAnswer answer{merged.profile.type, {}, merged.quality};
  ASSIGN_OR_RETURN(answer.table,
                   BuildPeek(merged.profile, function, limit == 0 ? kDefaultPeekFunctions : limit));
  return answer;
}

absl::StatusOr<SeriesAnswer> QueryEngine::SelectSeries(const SelectionText& text, absl::Duration step,
                                                       const std::vector<std::string>& group_by,
                                                       const IsAbandoned& is_abandoned) {
  ASSIGN_OR_RETURN(const Selection selection, ParseSelection(text, Now()));
  const TimeSpan& span = selection.store.span;
  if (step == absl::ZeroDuration()) step = DefaultStep(span);
  if (step < absl::ZeroDuration()) return absl::InvalidArgumentError("the step is negative");
  if ((span.end - span.start) / step >= kMaxSteps) {
    return absl::InvalidArgumentError(absl::StrCat("a step of ", absl::FormatDuration(step),
                                                   " makes more than ", kMaxSteps,
                                                   " points of this span; take a longer step"));
  }
  std::vector<std::string> labels;
  labels.reserve(group_by.size());
  for (const std::string& name : group_by) labels.push_back(CanonicalLabel(name));
  RETURN_IF_ERROR(gate_.Enter(is_abandoned));
  const QueryPlace place(gate_);
  RETURN_IF_ERROR(CheckNotAbandoned(is_abandoned));

  std::function<void(const StackTrie&, std::vector<Sample>&)> select_samples;
  if (!selection.filter.keeps_everything()) {
    select_samples = [&selection](const StackTrie& trie, std::vector<Sample>& samples) {
      selection.filter.Apply(trie, samples);
    };
  }
  SeriesAnswer answer{selection.store.type, step, {}};
  ASSIGN_OR_RETURN(answer.series, store_.SelectSeries(selection.store, step, labels, select_samples));
  std::ranges::stable_sort(answer.series, std::greater<>(), TotalValue);
  return answer;
}

absl::StatusOr<std::vector<std::string>> QueryEngine::LabelNames(const SelectionText& text) {
  ASSIGN_OR_RETURN(const Selection selection, ParseSelection(text, Now()));
  return store_.LabelNames(selection.store.span, selection.store.matchers);
}

absl::StatusOr<std::vector<std::string>> QueryEngine::LabelValues(const std::string& name,
                                                                  const SelectionText& text) {
  if (name.empty()) return absl::InvalidArgumentError("the name of a label is needed");
  ASSIGN_OR_RETURN(const Selection selection, ParseSelection(text, Now()));
  return store_.LabelValues(CanonicalLabel(name), selection.store.span, selection.store.matchers);
}

absl::StatusOr<std::vector<ProfileType>> QueryEngine::ProfileTypes(const SelectionText& text) {
  ASSIGN_OR_RETURN(const TimeSpan span, ResolveSpan(text.start, text.end, Now()));
  return store_.ProfileTypes(span);
}

}  // namespace pilotlight::collector
