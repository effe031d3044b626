#include "collector/query/query_metrics.h"

namespace pilotlight::collector {

QueryMetrics::QueryMetrics(prometheus::Registry& registry)
    : queries_(prometheus::BuildCounter()
                   .Name("pilotlight_queries_total")
                   .Help("Questions answered, over gRPC and HTTP, by outcome.")
                   .Register(registry)),
      seconds_(prometheus::BuildHistogram()
                   .Name("pilotlight_query_duration_seconds")
                   .Help("Time to answer a question.")
                   .Register(registry)) {
  prometheus::Family<prometheus::Counter>& unanswered =
      prometheus::BuildCounter()
          .Name("pilotlight_queries_unanswered_total")
          .Help("Readings of the store for a question that were refused or ended early, by reason.")
          .Register(registry);
  const auto add = [&](UnansweredReason reason, const char* name) {
    unanswered_[static_cast<size_t>(reason)] = &unanswered.Add({{"reason", name}});
  };
  add(UnansweredReason::kAbandoned, "abandoned");
  add(UnansweredReason::kTimeout, "timeout");
  add(UnansweredReason::kMaxBytes, "max_bytes");
  add(UnansweredReason::kMaxConcurrency, "max_concurrency");
}

void QueryMetrics::CountUnanswered(UnansweredReason reason) {
  unanswered_[static_cast<size_t>(reason)]->Increment();
}

void QueryMetrics::Observe(absl::string_view method, const absl::Status& status,
                           std::chrono::steady_clock::duration time) {
  queries_.Add({{"method", std::string(method)}, {"code", absl::StatusCodeToString(status.code())}})
      .Increment();
  seconds_
      .Add({{"method", std::string(method)}},
           prometheus::Histogram::BucketBoundaries{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1,
                                                   2.5, 5, 10, 30})
      .Observe(std::chrono::duration<double>(time).count());
}

}  // namespace pilotlight::collector
