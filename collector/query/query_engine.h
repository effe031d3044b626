// Answers the questions of proto/pilotlight/v1/query.proto from a store, for every API above it.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "collector/query/caller.h"
#include "collector/query/query_gate.h"
#include "collector/query/query_metrics.h"
#include "collector/query/selection.h"
#include "collector/store/profile_stores.h"
#include "exporters/labelled_profile.h"
#include "profile/diff.h"
#include "profile/flame_graph.h"
#include "profile/peek.h"
#include "profile/top.h"

namespace pilotlight::collector {

inline constexpr size_t kDefaultMaxNodes = 8192;
inline constexpr size_t kDefaultTopRows = 50;
inline constexpr size_t kDefaultPeekFunctions = 10;
inline constexpr size_t kMaxLabelSets = 100;
// More steps than pixels help nobody and cost memory.
inline constexpr int64_t kMaxSteps = 11'000;

// How good an answer is; see Quality in query.proto.
struct AnswerQuality {
  Coverage coverage;  // estimated_value is of the samples that focus and ignore left
  ProfileTotals totals;
  LossCounters loss;
};

struct ProfileAnswer {
  Profile profile;
  AnswerQuality quality;
};

struct FlameGraphAnswer {
  ProfileType type;
  FlameGraph graph;
  AnswerQuality quality;
};

struct TopAnswer {
  ProfileType type;
  TopTable table;
  AnswerQuality quality;
};

struct DiffAnswer {
  ProfileType type;
  DiffTable table;
  DiffGraph graph;  // without a node when it was not asked for
  AnswerQuality base_quality;
  AnswerQuality comparison_quality;
};

struct PeekAnswer {
  ProfileType type;
  PeekTable table;
  AnswerQuality quality;
};

struct SeriesAnswer {
  ProfileType type;
  TimeSpan span;  // step 0 begins with it
  absl::Duration step;
  std::vector<TimeSeries> series;  // the largest first
};

struct QueryOptions {
  size_t max_concurrent = 20;                   // merges and series at once
  size_t max_concurrent_of_tenant = 10;         // of each, but the anonymous one
  absl::Duration patience = absl::Seconds(30);  // how long one more waits for its turn
  // Of one question; the waiting counts. A diff reads twice, and may read so much each time.
  absl::Duration timeout = absl::Minutes(2);
  uint64_t max_bytes = uint64_t{4} << 30;
};

// Thread-safe. Errors: InvalidArgument for a question that makes no sense, Cancelled when it was abandoned,
// DeadlineExceeded when it takes too long, ResourceExhausted when there are too many at once or it reads too
// much, else the store's. A tenant that has stored nothing is answered as by an empty store.
class QueryEngine {
 public:
  // All must outlive it; without metrics nothing is counted.
  QueryEngine(ProfileStores& stores, const Clock& clock, const QueryOptions& options = {},
              QueryMetrics* metrics = nullptr)
      : stores_(stores),
        clock_(clock),
        options_(options),
        metrics_(metrics),
        gate_(options.max_concurrent, options.max_concurrent_of_tenant, options.patience) {}

  // The merged profile after focus and ignore, as files show it.
  absl::StatusOr<ProfileAnswer> Merge(const SelectionText& text, const Caller& caller = {});
  // The same with the labels `group_by` on its samples. Reads the profile of each set of their values apart.
  // InvalidArgument also for more than kMaxLabelSets.
  absl::StatusOr<LabelledProfile> MergeLabelled(const SelectionText& text,
                                                const std::vector<std::string>& group_by,
                                                const Caller& caller = {});
  // `max_nodes` 0 means kDefaultMaxNodes.
  absl::StatusOr<FlameGraphAnswer> MergeFlameGraph(const SelectionText& text, size_t max_nodes,
                                                   const Caller& caller = {});
  // `limit` 0 means kDefaultTopRows.
  absl::StatusOr<TopAnswer> Top(const SelectionText& text, TopOrder order, size_t limit,
                                const Caller& caller = {});
  // `limit` as above; `max_nodes` 0 leaves the graph out. InvalidArgument for different profile types.
  absl::StatusOr<DiffAnswer> Diff(const SelectionText& base, const SelectionText& comparison, TopOrder order,
                                  size_t limit, size_t max_nodes, const Caller& caller = {});
  // See BuildPeek(). `limit` 0 means kDefaultPeekFunctions.
  absl::StatusOr<PeekAnswer> Peek(const SelectionText& text, const std::string& function, size_t limit,
                                  const Caller& caller = {});
  // Step 0 means the span divided by 60, at least 1 s.
  absl::StatusOr<SeriesAnswer> SelectSeries(const SelectionText& text, absl::Duration step,
                                            const std::vector<std::string>& group_by,
                                            const Caller& caller = {});

  // Of these, only selector and span are looked at.
  absl::StatusOr<std::vector<std::string>> LabelNames(const SelectionText& text, const Caller& caller = {});
  absl::StatusOr<std::vector<std::string>> LabelValues(const std::string& name, const SelectionText& text,
                                                       const Caller& caller = {});
  // Only the span is looked at.
  absl::StatusOr<std::vector<ProfileType>> ProfileTypes(const SelectionText& text, const Caller& caller = {});

  absl::Time Now() const { return clock_.Now(); }

 private:
  ReadLimits LimitsOf(const Caller& caller) const;
  absl::Status Enter(const ReadLimits& limits, const std::string& tenant);
  absl::StatusOr<ProfileAnswer> MergeWithin(const ReadLimits& limits, const SelectionText& text,
                                            const std::string& tenant);
  // Returns `status`, of reading the store, unchanged.
  absl::Status Counted(const absl::Status& status);

  ProfileStores& stores_;
  const Clock& clock_;
  const QueryOptions options_;
  QueryMetrics* const metrics_;
  QueryGate gate_;
};

}  // namespace pilotlight::collector
