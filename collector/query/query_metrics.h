// How many questions, how long, with what success.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <array>
#include <chrono>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace pilotlight::collector {

// Why a question that made sense was not answered.
enum class UnansweredReason { kAbandoned, kTimeout, kMaxBytes, kMaxConcurrency };

// Thread-safe.
class QueryMetrics {
 public:
  explicit QueryMetrics(prometheus::Registry& registry);

  void Observe(absl::string_view method, const absl::Status& status,
               std::chrono::steady_clock::duration time);
  void CountUnanswered(UnansweredReason reason);

 private:
  prometheus::Family<prometheus::Counter>& queries_;
  prometheus::Family<prometheus::Histogram>& seconds_;
  std::array<prometheus::Counter*, 4> unanswered_{};  // by reason
};

// Measures from its making to Finish().
class QueryTimer {
 public:
  QueryTimer(QueryMetrics& metrics, std::string method) : metrics_(metrics), method_(std::move(method)) {}

  // Returns `status` unchanged.
  absl::Status Finish(absl::Status status) {
    metrics_.Observe(method_, status, std::chrono::steady_clock::now() - start_);
    return status;
  }

 private:
  QueryMetrics& metrics_;
  const std::string method_;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace pilotlight::collector
